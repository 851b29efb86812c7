"""The bundled static embedding model; see README.md beside it for origin and licence."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np


@cache
def _model() -> Any:
    from model2vec import StaticModel  # takes a moment to import: only when something is embedded

    return StaticModel.from_pretrained(Path(__file__).parent)


def embed(texts: list[str]) -> np.ndarray:
    """Return one unit-length row of 256 dimensions per text (zeros for a text without known tokens)."""
    rows = np.asarray(_model().encode(texts), dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)
