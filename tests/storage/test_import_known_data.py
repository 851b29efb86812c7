"""Import two published data sets through the shipped maps, and count again by other means."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest
from sqlmodel import Session, select

from storage.database import Database
from storage.importing import import_folder
from storage.models import Account, Subscription, Ticket
from storage.sources import MAPS
from storage.usage import UsageStore

SHARED = Path(os.environ.get("TEND_SHARED", Path(__file__).parents[2].parent / "shared")) / "data"


def data(name: str) -> Path:
    if not (SHARED / name).is_dir():
        pytest.skip(f"the data set {name} is not here; name the folder that holds data/{name} in TEND_SHARED")
    return SHARED / name


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


def test_the_crm_world_arrives_complete_and_twice_changes_nothing(session: Session, usage: UsageStore) -> None:
    folder, mapping = data("fightchurn_crm5"), MAPS / "fightchurn_crm5.toml"
    now = datetime(2024, 2, 1, tzinfo=UTC)
    dry = import_folder(session, usage, folder, mapping, now=now, dry_run=True)
    assert session.exec(select(Account)).first() is None
    first = import_folder(session, usage, folder, mapping, now=now)
    assert (first.counts, first.rejects) == (dry.counts, [])
    terms = pl.read_parquet(folder / "subscription.parquet").filter(pl.col("units") == "users")
    events = pl.read_parquet(folder / "daily_events.parquet")
    assert first.counts["accounts"].added == terms["account_id"].n_unique() == 1223
    assert first.counts["subscriptions"].added == terms.height
    assert first.counts["usage"].added == events.height
    lost = terms.group_by("account_id").agg(pl.col("end_date").max()).filter(pl.col("end_date") <= "2024-01-01")
    stored = {a.external_id: a for a in session.exec(select(Account))}
    assert {i: str(a.churned_on) for i, a in stored.items() if a.churned_on} == {
        str(account): end for account, end in lost.iter_rows()
    }
    assert all((a.status == "churned") == (a.churned_on is not None) for a in stored.values())
    last = terms.sort("start_date").group_by("account_id").last()
    assert {i: (a.mrr, a.seats_bought) for i, a in stored.items()} == {
        str(r["account_id"]): (r["mrr"], r["quantity"]) for r in last.iter_rows(named=True)
    }
    table = usage.table("w1")
    assert table is not None
    totals = table.to_polars()
    assert totals["quote"].sum() == events["quote"].sum()
    assert totals["active_users"].sum() == events["n_active_users"].sum()
    no_tickets = first.finding("no_tickets")
    assert no_tickets is not None
    assert "support indicators will have no data" in no_tickets.sentence
    again = import_folder(session, usage, folder, mapping, now=now)
    assert {n: (c.added, c.changed) for n, c in again.counts.items()} == dict.fromkeys(again.counts, (0, 0))


def test_terms_of_mid_term_churners_end_by_contract_not_by_departure(session: Session, usage: UsageStore) -> None:
    folder = data("fightchurn_crm5")
    now = datetime(2024, 2, 1, tzinfo=UTC)
    import_folder(session, usage, folder, MAPS / "fightchurn_crm5.toml", now=now)
    terms = session.exec(select(Subscription)).all()
    assert all(t.end_on and t.billing_months for t in terms)
    months = [(t.end_on.year - t.start_on.year) * 12 + t.end_on.month - t.start_on.month for t in terms]  # type: ignore[union-attr]
    assert months == [t.billing_months for t in terms]


def test_the_incoherent_portfolio_is_taken_and_its_defects_are_named_with_true_counts(
    session: Session, usage: UsageStore
) -> None:
    folder = data("ravenstack")
    now = datetime(2025, 1, 1, tzinfo=UTC)
    report = import_folder(session, usage, folder, MAPS / "ravenstack.toml", now=now)
    tables = duckdb.connect()
    for name in ("accounts", "subscriptions", "feature_usage", "support_tickets", "churn_events"):
        tables.execute(f"create view {name} as from read_csv('{folder}/ravenstack_{name}.csv')")

    def count(sql: str) -> int:
        row = tables.execute(sql).fetchone()
        assert row is not None
        return int(row[0])

    eventful = "account_id in (select account_id from churn_events)"
    outside = "usage_date < start_date or usage_date > end_date"
    joined = "feature_usage join subscriptions using (subscription_id)"
    expected = {
        "churn_events_without_flag": f"from accounts where not churn_flag and {eventful}",
        "flag_without_churn_event": f"from accounts where churn_flag and not {eventful}",
        "churned_without_date": f"from accounts where churn_flag and not {eventful}",
        "usage_outside_its_subscription": f"from {joined} where {outside}",
        "tickets_before_start": "from support_tickets join accounts using (account_id)"
        " where submitted_at < signup_date",
    }
    for name, sql in expected.items():
        finding = report.finding(name)
        assert finding is not None, name
        assert finding.count == count(f"select count(*) {sql}") > 0, name
    found = {f.name: f for f in report.findings}
    assert (found["churn_events_without_flag"].count, found["flag_without_churn_event"].count) == (277, 35)
    assert round(found["usage_outside_its_subscription"].share or 0, 3) == 0.777
    assert report.rejects == []
    assert report.counts["tickets"].added == count("select count(*) from support_tickets")
    days = f"select count(distinct (account_id, usage_date)) from {joined}"
    assert report.counts["usage"].added == count(days)
    critical = [t for t in session.exec(select(Ticket)) if t.severity == "critical"]
    assert len(critical) == count("select count(*) from support_tickets where priority = 'urgent'")
    again = import_folder(session, usage, folder, MAPS / "ravenstack.toml", now=now)
    assert {n: (c.added, c.changed) for n, c in again.counts.items()} == dict.fromkeys(again.counts, (0, 0))
