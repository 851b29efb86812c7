"""Stages and milestones kept day by day on both databases, and what people are told of them."""

import json
import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from scoring.journeys import JOURNEYS
from storage.database import Database
from storage.models import Account, Audit, MilestoneMet, Opportunity, Role, Signal, StageEntry
from storage.usage import UsageStore
from tests.tools import portfolio
from tests.tools.portfolio import TODAY, ago
from tools.context import Context
from tools.errors import NotAllowedError, StaleError, UserError
from tools.journey_update import update_journeys
from tools.journeys import journey_of
from tools.milestones import tell_milestone
from tools.refresh import refresh, score_day
from tools.stages import accounts_in_stage, bottlenecks

SETTLED = {
    "status": "active", "plan": "starter", "segment": "smb", "tenure_days": 400.0, "health": 75.0,
    "days_since_use": 0.0, "days_without_login": 0.0, "core_feature_share": 0.8, "active_days_per_week": 4.0,
}  # fmt: skip
STARTED = {**SETTLED, "tenure_days": 5.0, "core_feature_share": 0.2}


@pytest.fixture
def kept(any_database: Database, tmp_path: Path) -> Context:
    """The known portfolio on either kind of database, with nobody in a stage yet."""
    ctx = portfolio.context(any_database, UsageStore(str(tmp_path / "usage")))
    portfolio.fill(ctx)
    return ctx


def ids(ctx: Context) -> dict[str, int]:
    with ctx.session() as session:
        return dict(session.exec(select(Account.name, Account.id)).all())  # type: ignore[arg-type]


def follow(ctx: Context, day: int = 0, **rows: dict[str, Any]) -> int:
    """Bring the journeys to a day, on which accounts (by the first word of their name) have the given features."""
    known = {name.split()[0].lower(): number for name, number in ids(ctx).items() if name != "Acme Group"}
    filled = [{"account_id": known[name], "loss_probability": 0.1, **row} for name, row in rows.items()]
    with ctx.session() as session:
        written = update_journeys(ctx, session, pl.DataFrame(filled, infer_schema_length=None), TODAY + timedelta(day))
        session.commit()
    return written


def entries(ctx: Context, name: str) -> list[tuple[str, date, date | None, str, bool]]:
    number = ids(ctx)[name]
    with ctx.session() as session:
        found = session.exec(select(StageEntry).where(StageEntry.account_id == number).order_by(StageEntry.id)).all()  # type: ignore[arg-type]
    return [(e.stage, e.entered_on, e.left_on, e.how, e.inferred) for e in found]


def everything(ctx: Context) -> list[tuple[Any, ...]]:
    with ctx.session() as session:
        stays = session.exec(select(StageEntry).order_by(StageEntry.id)).all()  # type: ignore[arg-type]
        met = session.exec(select(MilestoneMet).order_by(MilestoneMet.id)).all()  # type: ignore[arg-type]
    return [tuple(sorted(row.model_dump().items())) for row in (*stays, *met)]


def started(ctx: Context, name: str, on: date) -> None:
    with ctx.session() as session:
        account = session.exec(select(Account).where(Account.name == name)).one()
        account.started_on = on
        session.add(account)
        session.commit()


def test_on_the_first_day_accounts_enter_with_the_best_known_date_marked_as_inferred(kept: Context) -> None:
    started(kept, "Acme Dental", ago(5))
    assert follow(kept, acme=STARTED, dunmore=SETTLED) == 3
    assert entries(kept, "Acme Dental") == [("onboarding", ago(5), None, "first", True)]
    assert entries(kept, "Dunmore Law") == [("retention", TODAY, None, "first", True)]
    assert entries(kept, "Gone Limited") == [("reactivation", ago(10), None, "first", True)]


def test_the_same_day_again_changes_nothing_but_places_who_came_later(kept: Context) -> None:
    follow(kept, acme=STARTED)
    before = everything(kept)
    assert follow(kept, acme={**SETTLED, "goals_met_share": 1.0, "health": 95.0}) == 0
    assert [row for row in everything(kept) if row in before] == before
    assert [e[0] for e in entries(kept, "Acme Dental")] == ["onboarding"]
    assert follow(kept, acme=SETTLED, dunmore=SETTLED) == 1
    assert follow(kept, day=-1, acme=SETTLED, cedar=SETTLED) == 0
    assert entries(kept, "Cedar Freight") == []


def test_a_change_closes_the_stage_and_records_every_stage_passed_with_the_reason(kept: Context) -> None:
    follow(kept, acme=STARTED)
    assert follow(kept, day=1, acme=SETTLED) == 3
    tomorrow = TODAY + timedelta(1)
    assert [(e[0], e[2], e[3]) for e in entries(kept, "Acme Dental")] == [
        ("onboarding", tomorrow, "first"),
        ("adoption", tomorrow, "passed"),
        ("value_realisation", tomorrow, "passed"),
        ("retention", None, "forward"),
    ]
    assert follow(kept, day=1, acme=SETTLED) == 0
    with kept.session() as session:
        reasons = [json.loads(row.because) for row in session.exec(select(StageEntry)).all()]
    assert all(reason["says"] and reason["rule"] and reason["features"] for reason in reasons)


def test_an_account_that_begins_while_it_is_watched_is_not_inferred(kept: Context) -> None:
    follow(kept, acme=SETTLED)
    started(kept, "Dunmore Law", TODAY + timedelta(1))
    follow(kept, day=3, acme=SETTLED, dunmore={**STARTED, "tenure_days": 2.0})
    assert entries(kept, "Dunmore Law") == [("onboarding", TODAY + timedelta(1), None, "first", False)]


def test_a_milestone_is_met_once_and_stays_met(kept: Context) -> None:
    follow(kept, acme=STARTED)
    follow(kept, day=1, acme={**STARTED, "days_to_first_value": 3.0, "core_feature_share": 0.1})
    follow(kept, day=2, acme=STARTED)
    with kept.session() as session:
        met = session.exec(select(MilestoneMet).where(MilestoneMet.milestone == "first_value")).all()
    assert [(row.journey, row.met_on) for row in met] == [("onboarding_90_days", TODAY + timedelta(1))]


def test_an_account_has_one_current_stage_in_the_database_itself(kept: Context) -> None:
    follow(kept, acme=STARTED)
    with kept.session() as session:
        current = session.exec(select(StageEntry)).first()
        assert current is not None
        session.add(StageEntry(account_id=current.account_id, journey="lifecycle", stage="trial", entered_on=TODAY,
                               how="first", because="{}"))  # fmt: skip
        with pytest.raises(IntegrityError):
            session.commit()


def test_scoring_a_day_follows_the_journeys_and_a_broken_file_stops_nothing_else(ctx: Context, tmp_path: Path) -> None:
    folder = shutil.copytree(JOURNEYS, tmp_path / "journeys")
    (folder / "trial.toml").write_text('id = "trial"\ntitel = "Trial"\n')
    broken = replace(ctx, journeys_folder=folder)
    score_day(broken, ctx.usage.table("main"), TODAY + timedelta(1))
    with ctx.session() as session:
        assert session.exec(select(StageEntry)).all() == []
        assert session.exec(select(Signal)).all()
        opportunities = len(session.exec(select(Opportunity)).all())
    score_day(ctx, ctx.usage.table("main"), TODAY + timedelta(2))
    with ctx.session() as session:
        assert len(session.exec(select(StageEntry)).all()) == 12
        assert len(session.exec(select(Opportunity)).all()) == opportunities
    with pytest.raises(UserError, match=r"The journeys cannot be read: trial.toml, line 2: titel: .*'title'"):
        journey_of(broken, "Acme Dental")


def test_the_journey_of_an_account_is_told_with_its_reason_its_blockers_and_what_to_do(kept: Context) -> None:
    started(kept, "Juniper Farms", ago(20))
    follow(kept, juniper={**STARTED, "tenure_days": 20.0})
    card = journey_of(kept, "Juniper Farms")
    assert card.text.startswith("Juniper Farms is in onboarding (has begun, and sets up), probably since 14 Apr 2026, ")
    assert "How likely it goes on to adoption: not enough history yet." in card.text
    assert (card.stage, card.next_stage, card.probability) == ("onboarding", "adoption", None)
    assert [part.journey for part in card.parts] == ["lifecycle", "first_month_professional", "onboarding_90_days"]
    assert card.parts[0].day == 20
    assert card.parts[0].met == ("Account set up", "First core feature in use")
    assert "First value" in card.parts[0].late
    assert "customer for: 20 days" in card.history[0].evidence
    assert {fact.measure for fact in card.facts} >= {"stage", "in its stage since", "expected end of onboarding"}


def test_an_account_that_left_or_was_never_placed_has_an_answer_too(kept: Context) -> None:
    assert journey_of(kept, "Acme Dental").text.startswith("Acme Dental has no stage yet")
    follow(kept, acme=SETTLED)
    gone = journey_of(kept, "Gone Limited")
    assert gone.text.startswith("Gone Limited is in reactivation (is dormant, paused, or has left)")
    assert "try to win it back" in gone.text
    assert gone.next_stage is None


def history(ctx: Context, *rows: tuple[str, int, int | None, str | None], account: str = "Acme Dental") -> None:
    number = ids(ctx)[account]
    with ctx.session() as session:
        for stage, came, left, left_how in rows:
            entry = StageEntry(account_id=number, journey="lifecycle", stage=stage, entered_on=ago(came), how="forward")
            entry.left_on, entry.left_how = None if left is None else ago(left), left_how
            entry.because = '{"says": "x", "rule": "y", "features": {}}'
            session.add(entry)
        session.commit()


def test_the_chance_to_go_on_is_the_share_of_past_accounts_of_the_segment(kept: Context) -> None:
    history(kept, *[("onboarding", 60, 50, "forward")] * 15, *[("onboarding", 60, 20, "forward")] * 5)
    history(kept, ("onboarding", 3, None, None))
    card = journey_of(kept, "Acme Dental")
    assert (card.probability, card.basis) == (0.75, "segment")
    assert "75% of past accounts of its segment went on within 14 days (95% interval 53% to 89%)." in card.text


def test_bottlenecks_tell_where_accounts_stall_and_how_many_go_on(kept: Context) -> None:
    history(kept, *[("onboarding", 60, 50, "forward")] * 12, *[("onboarding", 60, 55, "aside")] * 8)
    history(kept, ("onboarding", 30, None, None))
    history(kept, ("adoption", 10, None, None), account="Dunmore Law")
    history(kept, ("onboarding", 40, None, None), account="Cedar Freight")
    found = bottlenecks(kept)
    onboarding = next(stage for stage in found.stages if stage.stage == "onboarding")
    assert (onboarding.now, onboarding.stalled, found.worst) == (2, 2, "onboarding")
    flow = onboarding.flows[0]
    assert (flow.counted, flow.went, flow.median_days) == (22, 12, 10)
    assert flow.share == pytest.approx(12 / 22)
    assert found.text == (
        "3 accounts in the lifecycle. Most stall in onboarding: 2 of 2 for more than 21 days. The fewest go on from "
        "onboarding: 55% of 22 in 90 days, the target is 85%."
    )
    assert [stage.now for stage in bottlenecks(kept, segment="enterprise").stages if stage.now] == [1]


def test_the_accounts_of_a_stage_are_listed_the_longest_there_first(kept: Context) -> None:
    history(kept, ("onboarding", 5, None, None))
    history(kept, ("onboarding", 40, None, None), account="Cedar Freight")
    history(kept, ("value_realisation", 40, None, None), account="Dunmore Law")
    found = accounts_in_stage(kept, "onboarding")
    assert [(row.account, row.days, row.stalled) for row in found.rows] == [
        ("Cedar Freight", 40, True),
        ("Acme Dental", 5, False),
    ]
    assert found.text == "2 accounts are in onboarding. Longest: Cedar Freight, 40 days."
    assert accounts_in_stage(kept, "onboarding", stalled=True).total == 1
    assert accounts_in_stage(kept, "onboarding", segment="SMB").total == 1
    assert accounts_in_stage(kept, "value realisation", owner="Morgan").total == 1
    assert accounts_in_stage(kept, "trial").text == "No account is in trial."
    with pytest.raises(UserError, match=r"There is no stage “onbording”, did you mean 'onboarding'\? There are: aware"):
        accounts_in_stage(kept, "onbording")


def test_refreshing_again_writes_no_stage_twice(ctx: Context) -> None:
    refresh(ctx)
    with ctx.session() as session:
        before = len(session.exec(select(StageEntry)).all())
    refresh(ctx)
    with ctx.session() as session:
        assert len(session.exec(select(StageEntry)).all()) == before


def test_a_colleague_tells_of_a_milestone_that_no_data_show_once(ctx: Context) -> None:
    with ctx.session() as session:
        session.exec(select(Account).where(Account.name == "Acme Group")).one().sub_segment = "mining_farm"
        session.commit()
    told = tell_milestone(ctx, "Acme Group", "mining_farm", "integration_plan")
    assert told.text == "“Integration plan approved” is met by Acme Group from today on."
    with ctx.session() as session:
        assert [m.milestone for m in session.exec(select(MilestoneMet)) if m.journey == "mining_farm"] == [
            "integration_plan"
        ]
        assert [row.actor for row in session.exec(select(Audit)) if row.action == "milestone.told"] == [ctx.actor.email]
    with pytest.raises(StaleError, match="met by Acme Group already"):
        tell_milestone(ctx, "Acme Group", "mining_farm", "integration_plan")
    with pytest.raises(UserError, match="read from the data"):
        tell_milestone(ctx, "Acme Group", "mining_farm", "bulk_set_up")
    with pytest.raises(UserError, match="no milestone “flight” in the journey “mining_farm”"):
        tell_milestone(ctx, "Acme Group", "mining_farm", "flight")
    with pytest.raises(NotAllowedError):
        tell_milestone(ctx.acting(replace(ctx.actor, role=Role.VIEWER)), "Acme Group", "mining_farm", "mobile_app")
