"""What the two halves of the churn model share: how they add up, and the error of a stored one that cannot be used."""

from typing import Protocol

import numpy as np


class ModelFileError(ValueError):
    """A stored model that is not as it was written; the message says what is wrong."""


class Additive(Protocol):
    """A function of the inputs whose value is a sum of one part per input."""

    def log_odds(self, inputs: np.ndarray) -> np.ndarray:
        """Return the value of each row."""
        ...

    def parts(self, inputs: np.ndarray) -> tuple[np.ndarray, float]:
        """Return rows x inputs of what each input adds, and where the sum starts; together the row's value."""
        ...
