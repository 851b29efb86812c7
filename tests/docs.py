"""Writes the generated parts of the documentation: `make docs`; `tests/test_docs.py` fails when they are stale."""

import re
from pathlib import Path

from bot.settings import settings_table
from scoring.catalogue import catalogue_markdown
from storage.importing import import_format_markdown
from tools.registry import coverage_table

REPO = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- (\w+): [^\n]*-->\n).*?(<!-- /\2 -->)", re.S)
TABLES = {"settings": settings_table, "questions": coverage_table}


def documents() -> dict[Path, str]:
    """Return each generated file as it should be."""
    readme = REPO / "README.md"
    return {
        readme: BLOCK.sub(lambda m: f"{m.group(1)}{TABLES[m.group(2)]()}\n{m.group(3)}", readme.read_text("utf-8")),
        REPO / "docs" / "import.md": import_format_markdown(),
        REPO / "docs" / "features.md": catalogue_markdown(),
    }


if __name__ == "__main__":
    for file, text in documents().items():
        file.write_text(text, "utf-8")
