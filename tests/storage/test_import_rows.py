"""Dirty rows, files and maps: each gets its own clear refusal, and the rest is taken."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from sqlmodel import Session, select

from storage.database import Database
from storage.importing import ImportReport, MapError, import_folder, import_format_markdown, import_frames
from storage.importing.entities import ENTITIES
from storage.importing.format import table_of
from storage.models import Account, Contact, ImportRun, Subscription, Ticket
from storage.usage import UsageStore

NOW = datetime(2024, 6, 1, tzinfo=UTC)
REPO = Path(__file__).parents[2]
ACCOUNTS = "external_id,name,started_on\na1,Acme,2023-01-02\na2,Birch,2023-02-03\n"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    database = Database(f"sqlite:///{tmp_path}/tend.db")
    database.migrate()
    with database.session("w1") as session:
        yield session
    database.engine.dispose()


@pytest.fixture
def usage(tmp_path: Path) -> UsageStore:
    return UsageStore(str(tmp_path / "usage"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "in"
    place.mkdir()
    (place / "accounts.csv").write_text(ACCOUNTS)
    return place


def run(session: Session, usage: UsageStore, folder: Path, **options: object) -> ImportReport:
    return import_folder(session, usage, folder, now=NOW, **options)  # type: ignore[arg-type]


def reasons(report: ImportReport, file: str) -> dict[int, str]:
    return {reject.row: reject.reason for reject in report.rejects if reject.file == file}


BAD_ACCOUNTS = {
    "a3,,2023-01-01,,,,": "`name` is empty",
    "a3,C,31/02/2024,,,,": "`started_on` is '31/02/2024': not a date; write YYYY-MM-DD",
    "a3,C,2023-01-01,much,,,": "`mrr` is 'much': not a number; write 1234.5",
    "a3,C,2023-01-01,-5,,,": "`mrr` is -5: below 0",
    "a3,C,2023-01-01,inf,,,": "`mrr` is 'inf': not a number; write 1234.5",
    "a3,C,2023-01-01,,actve,,": "`status` is 'actve': did you mean active?",
    "a3,C,2023-01-01,,,dana at example,": "`owner_email` is 'dana at example': not an email address",
    "a3,C,2023-01-01,,,,2022-01-01": "`churned_on` 2022-01-01 is before `started_on`",
    "a3,C,1969-01-01,,,,": "`started_on` is '1969-01-01': outside 1970-01-01 to 2044-12-31",
    "a3,C,2199-01-01,,,,": "`started_on` is '2199-01-01': outside 1970-01-01 to 2044-12-31",
    "a1,C,2023-01-01,,,,": "the id 'a1' stands earlier in this file already",
    ",C,2023-01-01,,,,": "`external_id` is empty",
    "a3,C,2023-01-01": "has 3 fields where the header has 7",
}


@pytest.mark.parametrize("quote", ["", '"Acme, the first"'], ids=["plain file", "file with quotes"])
@pytest.mark.parametrize("row", list(BAD_ACCOUNTS))
def test_a_bad_account_is_refused_with_its_line_and_the_rows_around_it_are_taken(
    session: Session, usage: UsageStore, folder: Path, row: str, quote: str
) -> None:
    lines = [
        "external_id,name,started_on,mrr,status,owner_email,churned_on",
        f"a1,{quote or 'Acme'},2023-01-01,,,,",
        row,
        "a9,Last,2023-01-01,10,active,d@example.com,",
    ]
    (folder / "accounts.csv").write_text("\n".join(lines) + "\n")
    report = run(session, usage, folder)
    assert reasons(report, "accounts.csv")[3].startswith(BAD_ACCOUNTS[row])
    assert (report.counts["accounts"].added, report.counts["accounts"].rejected) == (2, 1)


def test_a_forgotten_quote_costs_one_row_not_the_rest_of_the_file(
    session: Session, usage: UsageStore, folder: Path
) -> None:
    (folder / "tickets.csv").write_text(
        'external_id,account,opened_at,text\nt1,a1,2024-01-01,"two\nlines"\n'
        't2,a1,2024-01-02,"never closed\nt3,a1,2024-01-03,fine\nt4,a2,2024-01-04,"also, fine"\n'
    )
    report = run(session, usage, folder)
    assert list(reasons(report, "tickets.csv")) == [4]
    assert {t.external_id: t.text for t in session.exec(select(Ticket))} == {
        "t1": "two\nlines",
        "t3": "fine",
        "t4": "also, fine",
    }


def test_usage_refuses_negative_numbers_unknown_accounts_and_repeated_days(
    session: Session, usage: UsageStore, folder: Path
) -> None:
    (folder / "usage.csv").write_text(
        "account,day,sessions,own_measure,remark\na1,2024-01-01,3,1.5,x\na1,2024-01-01,4,1,x\n"
        "a1,2024-01-02,-1,1,x\nzz,2024-01-01,1,1,x\na2,2199-01-01,1,1,x\na2,2024-01-03,many,1,x\n"
    )
    report = run(session, usage, folder)
    assert reasons(report, "usage.csv") == {
        3: "the account and day 'a1 on 2024-01-01' stands earlier in this file already",
        4: "`sessions` is -1: below 0",
        5: "no account has the id 'zz'",
        6: "`day` is '2199-01-01': outside 1970-01-01 to 2044-12-31",
        7: "`sessions` is 'many': not a number; write 1234.5",
    }
    assert usage.measures("w1") == ["sessions", "own_measure"]
    assert "usage.csv: columns not used: remark" in report.notes
    unknown = report.finding("usage_of_unknown_accounts")
    assert unknown is not None
    assert unknown.examples == ["zz"]


def test_a_missing_column_refuses_the_file_and_names_the_nearest(
    session: Session, usage: UsageStore, folder: Path
) -> None:
    (folder / "contacts.csv").write_text("acount,name\na1,Ana\n")
    report = run(session, usage, folder)
    assert len(report.refused) == 1
    assert "no column `account`" in report.refused[0]
    assert "nearest column is `acount`" in report.refused[0]
    assert report.counts["accounts"].added == 2


def test_unreadable_unknown_and_oddly_encoded_files_are_named(
    session: Session, usage: UsageStore, folder: Path
) -> None:
    (folder / "goals.csv").write_text("")
    (folder / "surveys.parquet").write_text("no parquet")
    (folder / "acounts.csv").write_text("x\n")
    (folder / "readme.txt").write_text("x")
    (folder / "contacts.csv").write_bytes("account,name\na1,José Muñoz\n".encode("latin-1"))
    (folder / "subscriptions.csv").write_bytes(b"\xef\xbb\xbfAccount;Plan;Start On\r\na1;starter;2023-01-02\r\n")
    report = run(session, usage, folder)
    assert report.refused[0] == "goals.csv is empty"
    assert report.refused[1].startswith("surveys.parquet is not a Parquet file")
    assert "acounts.csv was not read: did you mean `accounts`?" in report.notes
    assert "readme.txt was not read: CSV or Parquet is read" in report.notes
    assert "contacts.csv is not UTF-8; it was read as Latin-1, check the accents in names" in report.notes
    assert session.exec(select(Contact)).one().name == "José Muñoz"
    assert session.exec(select(Subscription)).one().external_id == "a1|2023-01-02|starter"


def test_the_second_import_changes_nothing_and_a_changed_row_is_updated(
    session: Session, usage: UsageStore, folder: Path
) -> None:
    accounts = folder / "accounts.csv"
    accounts.write_text(
        "external_id,name,started_on,mrr,tags,limits\n"
        'a1,Acme,2023-01-02,99.999,vip; Überbau,"{""seats"": 10, ""api_calls"": 5}"\na2,Birch,2023-02-03,,,\n'
    )
    (folder / "tickets.csv").write_text("account,opened_at,subject,escalated\na1,2024-01-01T10:00:00+02:00,Slow,yes\n")
    run(session, usage, folder)
    again = run(session, usage, folder)
    assert all(count.unchanged and not count.added + count.changed for count in again.counts.values())
    accounts.write_text("external_id,name,started_on\na1,Acme Corp,2023-01-02\na2,Birch,2023-02-03\n")
    third = run(session, usage, folder)
    assert (third.counts["accounts"].changed, third.counts["accounts"].unchanged) == (1, 1)
    acme = session.exec(select(Account).where(Account.external_id == "a1")).one()
    assert (acme.name, acme.mrr, acme.tags) == ("Acme Corp", 100.0, ["vip", "Überbau"])
    assert acme.limits == {"seats": 10, "api_calls": 5}
    ticket = session.exec(select(Ticket)).one()
    assert ticket.opened_at == datetime(2024, 1, 1, 8, tzinfo=UTC)


def test_a_dry_run_reports_the_same_and_writes_nothing(session: Session, usage: UsageStore, folder: Path) -> None:
    (folder / "usage.csv").write_text("account,day,sessions\na1,2024-01-01,3\nzz,2024-01-01,3\n")
    (folder / "contacts.csv").write_text("account,name,email\na1,Ana,ana@example.com\na2,Bo,bo@\n")
    dry = run(session, usage, folder, dry_run=True)
    assert session.exec(select(Account)).all() == session.exec(select(ImportRun)).all() == []
    assert usage.table("w1") is None
    wet = run(session, usage, folder)
    assert (dry.counts, dry.rejects, dry.findings) == (wet.counts, wet.rejects, wet.findings)
    assert len(session.exec(select(ImportRun)).all()) == 1


def test_another_workspace_keeps_its_own_rows_under_the_same_ids(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/tend.db")
    database.migrate()
    store = UsageStore(str(tmp_path / "usage"))
    frames = {"accounts": pl.DataFrame({"external_id": ["a"], "name": ["A"], "started_on": ["2024-01-01"]})}
    for workspace in ("w1", "w2"):
        with database.session(workspace) as session:
            assert import_frames(session, store, frames, now=NOW).counts["accounts"].added == 1


def test_rejects_beyond_ten_thousand_are_counted(session: Session, usage: UsageStore, folder: Path) -> None:
    rows = "".join(f"zz,2024-01-01,{n}\n" for n in range(12_000))
    (folder / "usage.csv").write_text("account,day,sessions\n" + rows)
    report = run(session, usage, folder)
    assert report.counts["usage"].rejected == 12_000
    assert (len(report.rejects), report.rejects_beyond) == (10_000, 2_000)
    assert any("11,980 more" in line for line in report.lines())


def test_progress_names_each_entity_and_ends_at_its_total(session: Session, usage: UsageStore, folder: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    run(session, usage, folder, progress=lambda *step: seen.append(step))
    assert seen[0] == ("accounts", 0, 2)
    assert seen[-1] == ("accounts", 2, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x =", "is not TOML"),
        ('[sources]\na = "accounts.csv"\n[entity.acounts]\nsource = "a"', "did you mean `accounts`?"),
        ('[sources]\na = "accounts.csv"\n[entity.accounts]\nsource = "b"', "unknown source `b`"),
        ('[sources]\na = "accounts.csv"\n[entity.accounts]\nsouce = "a"', "did you mean `source`?"),
        ('[sources]\na = "accounts.csv"\n[entity.accounts]\n', "needs either `source` or `sql`"),
        (
            '[sources]\na = "accounts.csv"\n[entity.accounts]\nsource = "a"\ncolumns = { nmae = "name" }',
            "did you mean `name`?",
        ),
        (
            '[sources]\na = "accounts.csv"\n[entity.accounts]\nsource = "a"\ncolumns = { name = "Nam" }',
            "did you mean `name`?",
        ),
        ('[sources]\na = "acounts.csv"', "did you mean `accounts.csv`?"),
        ('[sources]\na = "accounts.csv"\n[entity.accounts]\nsql = "select nope from a"', "the query fails"),
        (
            '[sources]\na = "accounts.csv"\n[entity.accounts]\nsql = "from read_csv(\'accounts.csv\')"',
            "the query fails",
        ),
        ('[sources]\na = "accounts.csv"\n[[chek]]\nname = "x"', "did you mean `check`?"),
    ],
)
def test_an_error_in_a_map_is_named_with_the_nearest_right_word(
    session: Session, usage: UsageStore, folder: Path, text: str, message: str
) -> None:
    mapping = folder.parent / "map.toml"
    mapping.write_text(text)
    with pytest.raises(MapError) as caught:
        run(session, usage, folder, mapping=mapping)
    assert message in str(caught.value)


def test_a_map_renames_converts_derives_and_keeps_the_rows_of_the_file(
    session: Session, usage: UsageStore, folder: Path
) -> None:
    (folder / "crm.csv").write_text(
        "Id,Company,Since,Size,ARR,Web\n1,Acme,31/12/2022,Small,1200,ACME.EXAMPLE\n2,Bad,31/02/2023,Small,1,x\n"
    )
    mapping = folder.parent / "map.toml"
    mapping.write_text(
        """
        [sources]
        crm = "crm.csv"
        [entity.accounts]
        source = "crm"
        date_format = "%d/%m/%Y"
        columns = { external_id="Id", name="Company", started_on="Since", mrr="ARR", segment="Size" }
        constants = { currency = "EUR" }
        derived = { domain = "lower(Web)" }
        units = { mrr = 0.0833333333 }
        values.segment = { Small = "smb" }
        [[check]]
        name = "small_ones"
        of = "crm"
        sql = "select Id from crm where Size = 'Small'"
        sentence = "{count} of {total} ({share}) are small"
        """
    )
    report = run(session, usage, folder, mapping=mapping)
    assert list(reasons(report, "crm.csv")) == [3]
    acme = session.exec(select(Account)).one()
    assert (acme.domain, acme.segment, acme.mrr, acme.currency) == ("acme.example", "smb", 100.0, "EUR")
    small = report.finding("small_ones")
    assert small is not None
    assert small.sentence == "2 of 2 (100.0%) are small"


def test_the_documented_format_is_the_one_in_the_code() -> None:
    assert (REPO / "docs" / "import.md").read_text("utf-8") == import_format_markdown()


def test_every_column_of_every_table_can_be_imported() -> None:
    own = {"id", "workspace_id", "slack_id", "listed_on", "observed_on"}
    for entity in (entity for entity in ENTITIES.values() if entity.model):
        assert entity.model is not None
        columns = {column.name for column in table_of(entity.model).c} - own
        assert columns == {field.column for field in entity.fields}, entity.name
