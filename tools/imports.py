"""Import a team's files and score what changed."""

from collections.abc import Callable
from pathlib import Path

from storage.importing import ImportReport, import_folder
from tools.context import Context
from tools.errors import UserError
from tools.refresh import Refreshed, refresh

Progress = Callable[[str, int, int], None]


def no_progress(name: str, done: int, total: int) -> None:
    """Report nothing."""


def import_files(
    ctx: Context,
    folder: Path,
    mapping: Path | None = None,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> tuple[ImportReport, Refreshed | None]:
    """Import a folder and score the portfolio.

    Args:
        folder: one CSV or Parquet file per entity, see docs/import.md.
        mapping: a map file, where the files are not in Tend's own format.
        dry_run: report only, write nothing.
        progress: told what is worked on, how much is done, of how much.
    """
    try:
        with ctx.session() as session:
            report = import_folder(
                session, ctx.usage, folder, mapping, now=ctx.now(), dry_run=dry_run, progress=progress
            )
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from error
    if dry_run:
        return report, None
    return report, refresh(ctx, lambda done, total: progress("scoring", done, total))
