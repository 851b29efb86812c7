"""Text that others wrote, made harmless to show: what cannot be seen is taken out of it."""

import re
import sys
import unicodedata
from functools import cache

# Format marks, controls, private use, unpaired halves; and letters that look like nothing.
INVISIBLE = ("Cf", "Cc", "Co", "Cs")
BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
KEPT = "\n\t"


def visible(text: str) -> str:
    """Take out what nobody sees: zero-width and direction marks, tag characters, variation selectors, controls."""
    return text if text.isascii() and text.isprintable() else _hidden().sub("", text)


def one_line(text: str) -> str:
    """Take out what nobody sees, and put the rest on one line."""
    return " ".join(visible(text).split())


@cache
def _hidden() -> re.Pattern[str]:
    codes = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) in INVISIBLE and c not in KEPT]
    selectors = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
    return re.compile(f"[{_ranges(codes)}{selectors}{BLANK}]")


def _ranges(characters: list[str]) -> str:
    """Runs of characters as ranges of a regular expression."""
    runs: list[list[str]] = []
    for character in characters:
        if runs and ord(character) == ord(runs[-1][-1]) + 1:
            runs[-1][1:] = [character]
        else:
            runs.append([character])
    return "".join("-".join(f"\\U{ord(end):08x}" for end in run) for run in runs)
