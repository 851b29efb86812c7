"""Email addresses and phone numbers stay here: the language model reads placeholders in their place."""

import re
from functools import partial
from typing import Any

EMAIL = re.compile(r"[\w.+'-]+@[\w-]+(?:\.[\w-]+)+")
PHONE = re.compile(
    r"(?<![\w.,$€£%+-])(?!\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b)"  # a date is none
    r"(?:(?:\+|00)[1-9][\d ().\-/]{5,18}\d|\(?0\d{1,5}\)?[ \-/]\d[\d \-/]{3,12}\d|0\d{8,13}"
    r"|\(?\d{3}\)?[ .\-]\d{3}[ .\-]\d{4}|\d{10})(?![\w%])"
)
KINDS = (("email", EMAIL), ("phone", PHONE))


class Masks:
    """The placeholders of one question: an address has the same one wherever it stands."""

    def __init__(self) -> None:
        self._placeholders: dict[str, str] = {}
        self._hidden: dict[str, str] = {}
        self._counts = {kind: 0 for kind, _ in KINDS}

    def hide(self, given: Any) -> Any:
        """Put placeholders like «email 1» into a text, or into every text of a list or dictionary."""
        if isinstance(given, str):
            for kind, pattern in KINDS:
                given = pattern.sub(partial(self._placeholder, kind), given)
            return given
        return _each(given, self.hide)

    def show(self, given: Any) -> Any:
        """Put what was hidden back."""
        if isinstance(given, str):
            return re.sub("|".join(self._hidden), lambda m: self._hidden[m.group()], given) if self._hidden else given
        return _each(given, self.show)

    def _placeholder(self, kind: str, found: re.Match[str]) -> str:
        address = found.group()
        if address not in self._placeholders:
            self._counts[kind] += 1
            self._placeholders[address] = f"«{kind} {self._counts[kind]}»"
            self._hidden[self._placeholders[address]] = address
        return self._placeholders[address]


def _each(given: Any, change: Any) -> Any:
    if isinstance(given, dict):
        return {key: change(value) for key, value in given.items()}
    return [change(value) for value in given] if isinstance(given, list | tuple) else given
