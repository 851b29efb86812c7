"""Where data comes from, beside files in Tend's own format: maps of known exports."""

from pathlib import Path

MAPS = Path(__file__).parent / "maps"
