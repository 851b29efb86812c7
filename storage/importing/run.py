"""Import a folder of files, or frames from anywhere, entity by entity."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import polars as pl
from polars import selectors
from sqlmodel import Session, select

from storage.freshness import described_day
from storage.importing.cast import TYPES
from storage.importing.check import Checked, check
from storage.importing.entities import ENTITIES, USAGE
from storage.importing.findings import look, missing, nearest, unknown_accounts
from storage.importing.format import Entity
from storage.importing.mapping import Mapped, read_map
from storage.importing.read import ROW, SUFFIXES, Sheet, UnreadableError, numbered, read_sheet
from storage.importing.report import Counts, Finding, ImportReport
from storage.importing.states import note_observed
from storage.importing.write import accounts_by_id, store, store_usage
from storage.models import ImportRun
from storage.usage import UsageStore

plain_columns = selectors.string() | selectors.numeric() | selectors.temporal() | selectors.boolean()
Progress = Callable[[str, int, int], None]


def no_op(entity: str, done: int, total: int) -> None:
    """Report no progress."""


def import_folder(
    session: Session,
    usage: UsageStore,
    folder: Path,
    mapping: Path | None = None,
    *,
    now: datetime,
    dry_run: bool = False,
    progress: Progress = no_op,
) -> ImportReport:
    """Import every file of a folder into the session's workspace.

    Args:
        session: bound to a workspace; each entity is committed by itself.
        usage: where usage facts go.
        folder: one CSV or Parquet file per entity, or the sources of `mapping`.
        mapping: a map file, when the files are not in Tend's own format.
        now: the time of the import.
        dry_run: make the same report and write nothing.
        progress: told the entity, the rows done and the rows in all.

    Raises:
        MapError: the map is wrong, or a source that it names is missing.
        FileNotFoundError: there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    work = _Import(session, usage, now, dry_run, progress, ImportReport(folder.name, now, dry_run))
    if mapping is None:
        work.take_files(folder)
    else:
        work.take_mapped(Mapped(folder, read_map(mapping)))
    return work.finish(whole=True)


def import_frames(
    session: Session,
    usage: UsageStore,
    frames: dict[str, pl.DataFrame],
    *,
    now: datetime,
    dry_run: bool = False,
    progress: Progress = no_op,
    source: str = "frames",
) -> ImportReport:
    """Import frames by entity, as `import_folder` does files; `source` names them in the report.

    Raises:
        ValueError: a frame's name is no entity.
    """
    for name in frames:
        if name not in ENTITIES:
            raise ValueError(f"`{name}` is no entity; {nearest(name, ENTITIES)}")
    work = _Import(session, usage, now, dry_run, progress, ImportReport(source, now, dry_run))
    for name in ENTITIES:
        if name in frames:
            work.take(name, Sheet(name, numbered(frames[name])))
    return work.finish(whole=False)


class _Import:
    """One import under way: takes sheets in the order of the entities, then looks at the whole."""

    def __init__(
        self,
        session: Session,
        usage: UsageStore,
        now: datetime,
        dry_run: bool,
        progress: Progress,
        report: ImportReport,
    ) -> None:
        self.session, self.usage, self.now = session, usage, now
        self.dry_run, self.progress, self.report = dry_run, progress, report
        self.workspace_id: str = session.info["workspace_id"]
        self.accounts = accounts_by_id(session)
        self.views: dict[str, pl.DataFrame] = {}
        self.extra: list[Finding] = []

    def take_files(self, folder: Path) -> None:
        files = sorted(path for path in folder.iterdir() if path.is_file())
        self._note_unknown(files)
        for name in ENTITIES:
            mine = [path for path in files if path.stem == name and path.suffix in SUFFIXES]
            for path in mine[1:]:
                self.report.notes.append(f"{path.name} was left out: {mine[0].name} is the same entity")
            if mine:
                self._take_file(name, mine[0])

    def take_mapped(self, mapped: Mapped) -> None:
        for name in (name for name in ENTITIES if name in mapped.map.entities):
            self._guarded(name, mapped.sheet(name), mapped.map.entities[name].date_format)
        self.extra += mapped.findings()

    def take(self, name: str, sheet: Sheet, date_format: str | None = None) -> None:
        """Check and write one entity.

        Raises:
            UnreadableError: a required column is missing.
        """
        entity, total = ENTITIES[name], sheet.frame.height
        self.progress(name, 0, total)
        stored = partial(self.usage.stored, self.workspace_id)
        checked = check(sheet, entity, self.accounts["external_id"], self.now, date_format, stored)
        self.views[name] = _complete(entity, checked.frame)
        self._record(entity, checked, self._written(entity, checked.frame, total))
        if entity is USAGE and checked.refused.height and not self.dry_run:
            self._quarantine(sheet.file, checked)
        if name == "accounts":
            self._know_accounts(checked.frame)
        self.progress(name, total, total)

    def finish(self, whole: bool) -> ImportReport:
        """Add the findings, and keep the report unless it is a dry run."""
        clock = pl.DataFrame({"today": [self.now.date()]})
        views = {"clock": clock, **self.views}
        if "accounts" not in views:
            views["accounts"] = self.accounts
        self.report.findings += look(_without_row(views)) + self.extra
        if whole:
            self.report.findings += missing(self._supplied())
        if not self.dry_run:
            today = self.now.date()
            note_observed(
                self.session, described_day(self.session, self.usage.table(self.workspace_id), today) or today
            )
            self._keep()
        return self.report

    def _take_file(self, name: str, path: Path) -> None:
        try:
            sheet = read_sheet(path)
        except UnreadableError as error:
            self.report.refused.append(str(error))
        else:
            self._guarded(name, sheet)

    def _guarded(self, name: str, sheet: Sheet, date_format: str | None = None) -> None:
        try:
            self.take(name, sheet, date_format)
        except UnreadableError as error:
            self.report.refused.append(str(error))

    def _written(self, entity: Entity, rows: pl.DataFrame, total: int) -> Counts:
        if entity is not USAGE:
            return store(self.session, entity, rows, self.now.date(), self.dry_run, self._done(entity.name, total))
        try:
            return store_usage(self.usage, self.workspace_id, rows.drop(ROW), self.dry_run)
        except ValueError as error:
            raise UnreadableError(f"usage: {error}") from error

    def _done(self, name: str, total: int) -> Callable[[int], None]:
        return lambda rows: self.progress(name, rows, total)

    def _record(self, entity: Entity, checked: Checked, counts: Counts) -> None:
        counts.rejected = checked.rejected
        self.report.counts[entity.name] = counts
        self.report.add_rejects(checked.rejects)
        self.report.rejects_beyond += checked.beyond
        self.report.notes += checked.notes
        self.extra += unknown_accounts(entity.name, checked.unknown_accounts)

    def _quarantine(self, file: str, checked: Checked) -> None:
        """Keep the refused account-days whole, with their reasons: the report has only one field of each."""
        name = f"{self.now:%Y%m%dT%H%M%S}-{Path(file).stem}.csv"
        self.usage.quarantine(self.workspace_id, name, _with_reasons(checked))
        self.report.notes.append(f"{file}: the refused rows are kept in quarantine/{name}, beside the usage facts")

    def _know_accounts(self, new: pl.DataFrame) -> None:
        """Read the accounts again; on a dry run nothing was written, so add the new ones by hand."""
        self.accounts = accounts_by_id(self.session)
        if self.dry_run:
            given = new.select(name for name in self.accounts.columns if name in new.columns)
            together = self.accounts.update(given, on="external_id", how="full")
            self.accounts = together.with_columns(pl.col("status").fill_null("active"))
        self.views["accounts"] = self.accounts.join(new, on="external_id", how="semi")

    def _note_unknown(self, files: list[Path]) -> None:
        for path in files:
            if path.stem not in ENTITIES or path.suffix not in SUFFIXES:
                hint = nearest(path.stem, ENTITIES) if path.suffix in SUFFIXES else "CSV or Parquet is read"
                self.report.notes.append(f"{path.name} was not read: {hint}")

    def _supplied(self) -> set[str]:
        """Name the entities that this import or an earlier one brought."""
        stored = {
            entity.name
            for entity in ENTITIES.values()
            if entity.model and self.session.exec(select(entity.model).limit(1)).first() is not None
        }
        has_usage = self.usage.table(self.workspace_id) is not None
        return stored | set(self.views) | ({"usage"} if has_usage else set())

    def _keep(self) -> None:
        self.session.add(ImportRun(at=self.now, source=self.report.source, report=self.report.to_dict()))
        self.session.commit()


def _with_reasons(checked: Checked) -> pl.DataFrame:
    """Return the refused rows with all that was said about each; nested columns do not fit into CSV."""
    rows = checked.refused.select(ROW, plain_columns.exclude(ROW, "row", "reason"))
    said = [(reject.row, reject.reason) for reject in checked.rejects]
    reasons = pl.DataFrame(said, schema={ROW: rows.schema[ROW], "reason": pl.String}, orient="row")
    joined = reasons.group_by(ROW).agg(pl.col("reason").str.join("; "))
    return rows.join(joined, on=ROW, how="left", maintain_order="left").rename({ROW: "row"})


def _complete(entity: Entity, rows: pl.DataFrame) -> pl.DataFrame:
    """Give every field of the entity a column, so that a finding may ask about any of them."""
    absent = [field for field in entity.fields if field.name not in rows.columns]
    return rows.with_columns(
        pl.lit(field.default, dtype=TYPES.get(field.kind, pl.String)).alias(field.name) for field in absent
    )


def _without_row(views: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    return {name: frame.drop(ROW, strict=False) for name, frame in views.items()}
