"""Lists, briefs, explanations and summaries say the known numbers of a small portfolio."""

from datetime import timedelta
from typing import Any

import pytest

from storage.models import Account, Snapshot
from tests.tools.portfolio import ACCOUNTS, DANA, MORGAN, TODAY, ago, context, fill
from tools.account_rows import AccountRow
from tools.accounts import account_brief, acknowledge_account, find_accounts, points, snooze_account
from tools.context import Context
from tools.errors import AmbiguousError, UnknownAccountError, UserError
from tools.insights import explain_health
from tools.portfolio import portfolio_summary
from tools.refresh import data_day, features_on, refresh

FILTERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "everything": ({}, ["a2", "a4", "a9", "a8", "a3", "a11", "a7", "a6", "a5", "a1", "a10"]),
    "owner by name": ({"owner": "Morgan Ames"}, ["a8", "a3", "a7", "a5", "a10"]),
    "owner by email in capitals": ({"owner": "MORGAN@team.example"}, ["a8", "a3", "a7", "a5", "a10"]),
    "my own": ({"owner": "me"}, ["a2", "a4", "a9", "a11", "a6", "a1"]),
    "at risk": ({"at_risk": True}, ["a2", "a4", "a9", "a3", "a11", "a7", "a6"]),
    "not at risk": ({"at_risk": False}, ["a8", "a5", "a1"]),
    "one band": ({"band": ["churning"]}, ["a2", "a9"]),
    "two bands": ({"band": ["churning", "critical"]}, ["a2", "a4", "a9", "a7"]),
    "segment": ({"segment": "enterprise"}, ["a2", "a4", "a8"]),
    "segment in capitals": ({"segment": "SMB"}, ["a7", "a6", "a5", "a1", "a10"]),
    "plan": ({"plan": "starter"}, ["a7", "a6", "a1"]),
    "industry": ({"industry": "healthcare"}, ["a3", "a1"]),
    "renewal": ({"renewal_within_days": 14}, ["a4", "a7", "a10"]),
    "renewal today at the latest": ({"renewal_within_days": 0}, []),
    "least revenue": ({"min_arr": 96_000}, ["a2", "a4", "a8"]),
    "most revenue": ({"max_arr": 1_800}, ["a7", "a6"]),
    "least health": ({"min_health": 81}, ["a8", "a5", "a1"]),
    "most health": ({"max_health": 45}, ["a2", "a9", "a7"]),
    "falling": ({"trend": "falling"}, ["a2", "a11"]),
    "rising": ({"trend": "rising"}, ["a8", "a3"]),
    "several at once": ({"owner": "Dana", "segment": "enterprise", "at_risk": True, "max_health": 50}, ["a2"]),
}
SORTS = {
    "arr": ["a8", "a2", "a4", "a9", "a3", "a11", "a5", "a1", "a7", "a6", "a10"],
    "health": ["a2", "a9", "a7", "a4", "a11", "a3", "a6", "a8", "a1", "a5", "a10"],
    "renewal": ["a11", "a7", "a4", "a10", "a1", "a9", "a2", "a8", "a3", "a5", "a6"],
    "trend": ["a2", "a11", "a4", "a9", "a1", "a7", "a8", "a3", "a5", "a6", "a10"],
    "name": ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9", "a10", "a11"],
}


def ids(rows: tuple[AccountRow, ...]) -> list[str]:
    return [row.external_id for row in rows]


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_keeps_the_accounts_that_meet_it(ctx: Context, name: str) -> None:
    given, expected = FILTERS[name]
    found = find_accounts(ctx, **given, limit=100)
    assert ids(found.rows) == expected
    assert found.total == len(expected)


@pytest.mark.parametrize("sort", SORTS)
def test_a_list_is_in_the_order_that_was_asked_for_with_the_unknown_last(ctx: Context, sort: Any) -> None:
    assert ids(find_accounts(ctx, sort=sort, limit=100).rows) == SORTS[sort]


@pytest.mark.parametrize(("limit", "shown"), [(3, 3), (0, 1), (-5, 1), (1000, 11)])
def test_a_list_is_cut_but_its_totals_are_of_all_that_match(ctx: Context, limit: int, shown: int) -> None:
    found = find_accounts(ctx, limit=limit)
    assert (len(found.rows), found.total) == (shown, 11)
    assert found.arr_total == {"USD": 511_800, "EUR": 60_000}


def test_a_list_says_its_filters_and_never_adds_up_currencies(ctx: Context) -> None:
    found = find_accounts(ctx, owner="me", at_risk=True, segment="mid_market", renewal_within_days=60, min_arr=1000)
    assert found.title == "mid market account at risk, owned by Dana Reyes, renewing within 60 days, ARR from $1,000"
    assert find_accounts(ctx, segment="mid_market").text.startswith("3 mid market accounts: €60k + $18k ARR. First: ")
    nothing = find_accounts(ctx, plan="unknown")
    assert (nothing.text, nothing.rows) == ("No accounts on unknown.", ())


def test_every_figure_of_a_list_is_a_fact(ctx: Context) -> None:
    found = find_accounts(ctx, band=["churning"])
    facts = {(fact.subject, fact.measure): (fact.value, fact.unit) for fact in found.facts}
    assert facts["Acme Group", "health score"] == (35.0, "points")
    assert facts["Acme Group", "change of health in 30 days"] == (-27.0, "points")
    assert facts["Acme Group", "ARR"] == (144_000.0, "USD")
    assert facts["Acme Group", "revenue at risk"] == (57_600.0, "USD")
    assert facts["Acme Group", "renewal"] == ("2026-06-13", "date")
    assert facts["portfolio", "accounts churning"] == (2, "accounts")
    assert {fact.as_of for fact in found.facts} == {TODAY}


def test_scores_that_rest_on_different_data_are_not_compared(ctx: Context) -> None:
    row = account_brief(ctx, "Elm Street Bakery").row
    assert row is not None
    assert (row.health, row.change) == (72.0, None)


def test_an_account_that_left_is_in_no_list_but_can_be_looked_up(ctx: Context) -> None:
    assert "a12" not in ids(find_accounts(ctx, limit=100).rows)
    brief = account_brief(ctx, "Gone Limited")
    assert ("status", "left on 24 Apr 2026") in brief.details


def test_a_brief_says_what_is_known_and_nothing_else(ctx: Context) -> None:
    brief = account_brief(ctx, "acmegroup.example")
    assert dict(brief.details) == {
        "renewal": "13 Jun 2026",
        "owner": "Dana Reyes",
        "plan": "enterprise",
        "segment": "enterprise",
        "industry": "saas",
        "seats": "6 of 10",
        "customer since": "30 Mar 2025",
    }
    assert brief.text.startswith("Acme Group: health 35 (churning, -27 in 30 days), $144k ARR, renewal 13 Jun 2026")
    bare = account_brief(ctx, "Iris Studio")
    assert "not enough data for a score (coverage 20%), unknown ARR" in bare.text


def test_an_explanation_shows_the_trend_each_indicator_and_what_is_missing(ctx: Context) -> None:
    card = explain_health(ctx, "Acme Group")
    assert card.trends == ((30, -27.0),)
    assert [line.label for line in card.indicators] == ["days in use a week", "core features in use"]
    assert [line.weight for line in card.indicators] == [10.0, 17.5]
    assert len(card.missing) == len(ctx.scorecards.of(None).indicators) - 2
    assert card.history == ((ago(30), 62.0), (TODAY, 35.0))
    assert "Pulls down: days in use a week: 3. Holds up: core features in use: 90%. Coverage 90%." in card.text


def test_a_trend_is_against_the_newest_score_within_a_week_of_the_day(ctx: Context) -> None:
    with ctx.session() as session:
        account = session.get_one(Account, explain_health(ctx, "Cedar Freight").account_ids[0])
        for day, value in ((ago(9), 70.0), (ago(98), 10.0), (ago(89), 20.0)):  # 98 is too old for 90, 89 too new
            session.add(Snapshot(account_id=account.id or 0, day=day, scorecard="matrix", value=value, coverage=0.9))
        session.commit()
    assert explain_health(ctx, "Cedar Freight").trends == ((7, -15.0), (30, 0.0))


def test_an_account_without_enough_data_says_what_is_missing(ctx: Context) -> None:
    card = explain_health(ctx, "Iris Studio")
    assert card.text.startswith("Iris Studio has not enough data for a score: coverage 20%. Missing: core features")


def test_the_summary_adds_up(ctx: Context) -> None:
    found = portfolio_summary(ctx)
    counts = {band.band: band.accounts for band in found.bands}
    assert counts == {"healthy": 3, "at_risk": 3, "critical": 2, "churning": 2, None: 1}
    assert sum(band.share for band in found.bands) == pytest.approx(1)
    known = [health for key, *_, health, _, _ in ACCOUNTS if health is not None and key != "a12"]
    facts = {fact.measure: fact.value for fact in found.facts}
    assert facts["average health"] == pytest.approx(sum(known) / len(known))
    assert found.text.startswith("11 accounts, €60k + $512k ARR, average health 63: 3 healthy (27%), 3 at risk (27%)")


@pytest.mark.parametrize(
    ("given", "total"), [({"owner": "Morgan Ames"}, 5), ({"segment": "SMB"}, 5), ({"owner": "me", "segment": "smb"}, 2)]
)
def test_the_summary_counts_the_same_accounts_as_the_list(ctx: Context, given: dict[str, Any], total: int) -> None:
    assert portfolio_summary(ctx, **given).total == find_accounts(ctx, **given).total == total


def test_the_summary_finds_an_owner_whose_email_is_written_differently_in_two_files(ctx: Context) -> None:
    with ctx.session() as session:
        account = session.get_one(Account, account_brief(ctx, "Acme Dental").account_ids[0])
        account.owner_email = "Dana@Team.Example"
        session.commit()
    assert portfolio_summary(ctx, owner="me").total == find_accounts(ctx, owner="me").total == 6


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Acme Group", "a2"),
        ("acme group", "a2"),
        ("“Acme Group”", "a2"),
        ("Cedar Frieght", "a4"),
        ("Granite", "a8"),
        ("Granit Bank", "a8"),
        ("birchwood clinic", "a3"),
        ("a7", "a7"),
        ("fairview.example", "a7"),
        ("Gone Limited", "a12"),
    ],
)
def test_a_name_is_understood_with_typing_mistakes_or_in_part(ctx: Context, said: str, meant: str) -> None:
    row = account_brief(ctx, said).row
    assert row is not None
    assert row.external_id == meant


def test_a_name_that_fits_two_accounts_is_asked_back(ctx: Context) -> None:
    with pytest.raises(AmbiguousError) as asked:
        account_brief(ctx, "Acme")
    assert {choice.label for choice in asked.value.choices} == {"Acme Dental", "Acme Group"}


@pytest.mark.parametrize(("said", "near"), [("Cedar Fraight Inc", "Cedar Freight"), ("Zyzzyva", None)])
def test_an_unknown_name_offers_the_nearest_and_never_guesses(ctx: Context, said: str, near: str | None) -> None:
    with pytest.raises(UnknownAccountError) as unknown:
        account_brief(ctx, said)
    assert [choice.label for choice in unknown.value.choices] == ([near] if near else [])


def test_colleagues_are_found_by_name_and_asked_back_when_unsure(ctx: Context) -> None:
    assert find_accounts(ctx, owner="Dana").total == 6
    assert find_accounts(ctx.acting(MORGAN), owner="me").total == 5
    with pytest.raises(UserError, match="no colleague called “Nobody Here”"):
        find_accounts(ctx, owner="Nobody Here")


def test_before_anything_is_scored_the_answer_says_what_to_do(ctx: Context) -> None:
    empty = context(ctx.database, ctx.usage)
    other = type(ctx)("another", DANA, ctx.database, ctx.usage, ctx.scorecards, "x@team.example", ctx.clock)
    assert find_accounts(empty).total == 11
    with pytest.raises(UserError, match="python -m bot import"):
        find_accounts(other)


def test_one_workspace_never_sees_the_accounts_of_another(ctx: Context) -> None:
    other = type(ctx)("another", DANA, ctx.database, ctx.usage, ctx.scorecards, "x@team.example", ctx.clock)
    fill(other)
    assert find_accounts(other, limit=100).total == 11
    assert find_accounts(ctx, limit=100).total == 11
    assert not set(find_accounts(other).account_ids) & set(find_accounts(ctx).account_ids)
    with pytest.raises(UserError, match="no longer here"):
        snooze_account(other, find_accounts(ctx).account_ids[0], 7)


def test_an_action_on_an_account_names_it(ctx: Context) -> None:
    first = find_accounts(ctx).rows[0]
    assert acknowledge_account(ctx, first.id) == first.name == snooze_account(ctx, first.id, 7)


def test_scoring_is_done_once_for_each_day_and_repeats_nothing(ctx: Context) -> None:
    other = type(ctx)("fresh", DANA, ctx.database, ctx.usage, ctx.scorecards, "x@team.example", ctx.clock)
    from storage.importing import import_frames
    from tests.tools.portfolio import frames

    with other.session() as session:
        import_frames(session, other.usage, frames(), now=other.now())
    assert data_day(other) == TODAY
    done = refresh(other)
    assert (done.day, done.accounts) == (TODAY, 11)
    assert done.days_written > 20  # the past days that trends and loss rates need
    assert refresh(other).days_written == 0
    assert find_accounts(other, limit=100).total == 11


def test_scores_are_of_the_newest_day_of_the_data_where_those_are_old(ctx: Context, clock: Any) -> None:
    clock.now += timedelta(days=3)
    assert data_day(ctx) == clock.now.date()  # last night's data is today's picture
    clock.now += timedelta(days=1)
    assert data_day(ctx) == TODAY


@pytest.mark.parametrize(("value", "shown"), [(79.9, "79"), (80.0, "80"), (59.6, "59"), (0.0, "0"), (100.0, "100")])
def test_a_shown_score_never_contradicts_its_band(value: float, shown: str) -> None:
    assert points(value) == shown


def test_a_day_whose_usage_has_not_arrived_is_no_day_without_use(ctx: Context) -> None:
    """The fixture's usage ends today; asked about tomorrow, it says what it said for today."""
    usage = ctx.usage.table("main")
    with ctx.session() as session:
        today, tomorrow = (features_on(session, usage, day) for day in (TODAY, ago(-1)))
        late = features_on(session, usage, ago(-5))
    names = ["account", "active_days_per_week", "usage_change_7d", "days_below_baseline", "days_since_use"]
    assert tomorrow.select(names).equals(today.select(names))
    assert late["days_since_use"].max() == 5
