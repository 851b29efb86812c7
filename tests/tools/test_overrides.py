"""A CSM's judgement in place of a score: checked, shown as such, ended by itself or by hand."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from storage.models import Account, Audit, HealthOverride, Role, ScoringRun, Snapshot
from tests.tools.portfolio import TODAY, run, snapshot
from tools.accounts import account_brief, find_accounts
from tools.context import Actor, Context
from tools.errors import NotAllowedError, UserError
from tools.insights import explain_health
from tools.overrides import end_override, set_override


def id_of(ctx: Context, name: str) -> int:
    with ctx.session() as session:
        return session.exec(select(Account.id).where(Account.name == name)).one() or 0


def test_an_override_counts_in_lists_and_says_whose_it_is(ctx: Context) -> None:
    before = {row.name for row in find_accounts(ctx, at_risk=True, limit=100).rows}
    set_override(ctx, id_of(ctx, "Acme Group"), "healthy", 85, "They renewed by word of mouth today", 30)
    assert before - {row.name for row in find_accounts(ctx, at_risk=True, limit=100).rows} == {"Acme Group"}
    row = account_brief(ctx, "Acme Group").row
    assert row is not None
    assert row.override is not None
    assert (row.health, row.band, row.override.by, row.override.computed) == (85, "healthy", "Dana Reyes", 35.0)
    assert "is set to 85 (healthy) by Dana Reyes until 3 Jun 2026" in explain_health(ctx, "Acme Group").text


def test_a_band_alone_may_be_set(ctx: Context) -> None:
    set_override(ctx, id_of(ctx, "Acme Dental"), "churning", None, "The practice closes", 90)
    assert "Acme Dental" in {row.name for row in find_accounts(ctx, band=["churning"], limit=100).rows}


def test_an_override_ends_by_itself(ctx: Context) -> None:
    made = set_override(ctx, id_of(ctx, "Acme Group"), None, 85, "Renewed", 30)
    assert made.expires_on == TODAY + timedelta(days=30)
    after = made.expires_on + timedelta(days=1)
    with ctx.session() as session:  # the first scoring after it
        session.add(ScoringRun(**run(after)))
        session.add(Snapshot(**snapshot(made.account_id, after, 40.0, 0.4, 0.9)))
        session.commit()
    later = type(ctx)(**{**vars(ctx), "clock": lambda: ctx.now() + timedelta(days=31)})
    row = account_brief(later, "Acme Group").row
    assert row is not None
    assert (row.health, row.override) == (40.0, None)


def test_an_override_is_taken_back_and_a_new_one_replaces_it(ctx: Context) -> None:
    account = id_of(ctx, "Acme Group")
    set_override(ctx, account, "healthy", None, "First", 30)
    set_override(ctx, account, "critical", None, "Second", 60)
    with ctx.session() as session:
        held = session.exec(select(HealthOverride).where(HealthOverride.ended_on == None)).all()  # noqa: E711
        told = [row.action for row in session.exec(select(Audit)).all()]
    assert [each.note for each in held] == ["Second"]
    assert told == ["health.overridden", "health.overridden"]
    assert end_override(ctx, account) == "The computed score of Acme Group counts again."
    assert end_override(ctx, account) == "No override was in force."
    row = account_brief(ctx, "Acme Group").row
    assert row is not None
    assert row.health == 35.0


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no note": ({"note": "  "}, "needs a note"),
    "a long note": ({"note": "x" * 1001}, "longer than 1,000"),
    "too short": ({"days": 29}, "30 to 90 days"),
    "too long": ({"days": 91}, "30 to 90 days"),
    "beyond the scale": ({"value": 101.0, "band": None}, "between 0 and 100"),
    "an unknown band": ({"band": "sunny"}, "has the bands healthy, at risk, critical, churning"),
    "a value of another band": ({"value": 20.0}, "20 lies in the band churning, not healthy"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_override_that_makes_no_sense_is_refused_by_name(ctx: Context, case: str) -> None:
    wrong, said = REFUSED[case]
    asked: dict[str, Any] = {"band": "healthy", "value": None, "note": "Because", "days": 30, **wrong}
    with pytest.raises(UserError, match=said):
        set_override(ctx, id_of(ctx, "Acme Group"), **asked)


def test_a_viewer_overrides_nothing(ctx: Context) -> None:
    viewer = ctx.acting(Actor("v@team.example", "Vi", Role.VIEWER))
    with pytest.raises(NotAllowedError):
        set_override(viewer, id_of(ctx, "Acme Group"), "healthy", None, "Because", 30)
