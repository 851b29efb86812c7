"""The work of service businesses is imported, each broken row refused by name, on both databases."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlmodel import Session, select

from storage.database import Database
from storage.importing import ImportReport, import_folder
from storage.models import ServiceRecord, SurveyResponse
from storage.usage import UsageStore

NOW = datetime(2024, 6, 1, tzinfo=UTC)
HEADER = (
    "external_id,account,kind,recorded_on,due_on,done_on,cancelled_on,no_show,ends_on,included,used,"
    "response_hours,satisfaction,note"
)


@pytest.fixture
def session(any_database: Database) -> Iterator[Session]:
    with any_database.session("w1") as session:
        yield session


def bring(session: Session, folder: Path, *rows: str, header: str = HEADER, entity: str = "services") -> ImportReport:
    folder.mkdir(exist_ok=True)
    (folder / "accounts.csv").write_text("external_id,name,started_on\na1,Acme,2023-01-02\n")
    (folder / f"{entity}.csv").write_text("\n".join([header, *rows]) + "\n")
    return import_folder(session, UsageStore(str(folder.parent / "usage")), folder, now=NOW)


def test_an_appointment_and_a_contract_arrive_whole(session: Session, tmp_path: Path) -> None:
    missed = "s1,a1,Appointment,2024-05-01,2024-05-20,,,yes,,,,,,"
    contract = "s2,a1,maintenance,2024-01-01,,,,,2024-12-31,4,1,,,Roofs"
    emergency = "s3,a1,emergency,2024-03-01,,2024-03-02,,,,,,5.5,4.5,"
    assert bring(session, tmp_path / "in", missed, contract, emergency).rejects == []
    first, second, third = session.exec(select(ServiceRecord).order_by(ServiceRecord.external_id)).all()
    assert (first.kind, first.due_on, first.no_show, first.used) == ("appointment", date(2024, 5, 20), True, None)
    assert (second.ends_on, second.included, second.used, second.no_show) == (date(2024, 12, 31), 4, 1, False)
    assert (third.done_on, third.response_hours, third.satisfaction) == (date(2024, 3, 2), 5.5, 4.5)
    again = bring(session, tmp_path / "in", missed, contract, emergency.replace("4.5", "2"))
    assert (again.counts["services"].changed, again.counts["services"].unchanged) == (1, 2)


BAD = {
    "s9,a1,apointment,2024-05-01,,,,,,,,,,": "`kind` is 'apointment': did you mean appointment?",
    "s9,a1,,2024-05-01,,,,,,,,,,": "`kind` is empty",
    "s9,a1,checkup,,2024-05-01,,,,,,,,,": "`recorded_on` is empty",
    "s9,zz,checkup,2024-05-01,,,,,,,,,,": "no account has the id 'zz'",
    "s9,a1,checkup,2024-05-01,soon,,,,,,,,,": "`due_on` is 'soon': not a date; write YYYY-MM-DD",
    "s9,a1,checkup,2024-05-01,2199-01-01,,,,,,,,,": "`due_on` is '2199-01-01': outside 1970-01-01 to 2044-12-31",
    "s9,a1,checkup,2024-05-01,,,2024-04-30,,,,,,,": "`cancelled_on` 2024-04-30 is before `recorded_on`",
    "s9,a1,contract,2024-05-01,,,,,2024-04-30,,,,,": "`ends_on` 2024-04-30 is before `recorded_on`",
    "s9,a1,checkup,2024-05-01,,,,maybe,,,,,,": "`no_show` is 'maybe': neither yes nor no",
    "s9,a1,maintenance,2024-05-01,,,,,,-1,,,,": "`included` is -1: below 0",
    "s9,a1,maintenance,2024-05-01,,,,,,4,1.5,,,": "`used` is '1.5': not a whole number",
    "s9,a1,emergency,2024-05-01,,,,,,,,-2,,": "`response_hours` is -2: below 0",
    "s9,a1,emergency,2024-05-01,,,,,,,,,6,": "`satisfaction` is 6: above 5",
    "s1,a1,emergency,2024-05-01,,,,,,,,,,": "the id 's1' stands earlier in this file already",
}


def test_each_broken_row_is_refused_with_its_reason_and_the_others_are_taken(session: Session, tmp_path: Path) -> None:
    good = [f"{name},a1,checkup,2024-05-01,,,,,,,,,," for name in ("s1", "s2")]
    report = bring(session, tmp_path / "in", good[0], *BAD, good[1])
    assert {reject.row: reject.reason for reject in report.rejects} == dict(enumerate(BAD.values(), 3))
    assert (report.counts["services"].added, report.counts["services"].rejected) == (2, len(BAD))


def test_a_row_without_an_id_is_known_by_account_kind_and_days(session: Session, tmp_path: Path) -> None:
    header = "account,kind,recorded_on,due_on,done_on"
    bring(session, tmp_path / "in", "a1,seasonal,2024-03-01,2024-04-01,", header=header)
    again = bring(session, tmp_path / "in", "a1,seasonal,2024-03-01,2024-04-01,2024-04-03", header=header)
    assert (again.counts["services"].added, again.counts["services"].changed) == (0, 1)
    record = session.exec(select(ServiceRecord)).one()
    assert (record.external_id, record.done_on) == ("a1|seasonal|2024-03-01|2024-04-01", date(2024, 4, 3))


def test_reviews_are_a_kind_of_survey(session: Session, tmp_path: Path) -> None:
    header = "account,kind,score,answered_on"
    assert bring(session, tmp_path / "in", "a1,review,4,2024-05-01", header=header, entity="surveys").rejects == []
    assert session.exec(select(SurveyResponse.kind)).one() == "review"


def test_without_services_the_report_says_what_is_missing(session: Session, tmp_path: Path) -> None:
    header = "account,kind,score,answered_on"
    report = bring(session, tmp_path / "in", header=header, entity="surveys")
    finding = report.finding("no_services")
    assert finding is not None
    assert finding.sentence.endswith("appointments, contracts and projects of service businesses will have no data")
