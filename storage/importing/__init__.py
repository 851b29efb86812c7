"""Bring a team's files in: read, check row by row, write in bulk, and say what was found."""

from storage.importing.guide import import_format_markdown
from storage.importing.mapping import MapError
from storage.importing.report import Counts, Finding, ImportReport, Reject
from storage.importing.run import import_folder, import_frames

__all__ = [
    "Counts",
    "Finding",
    "ImportReport",
    "MapError",
    "Reject",
    "import_folder",
    "import_format_markdown",
    "import_frames",
]
