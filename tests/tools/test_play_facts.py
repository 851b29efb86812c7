"""The table of plays has every column that a predicate may ask for, and says of each account what is true of it."""

from datetime import date, timedelta

import polars as pl
import pytest
from sqlmodel import select

from knowledge.attributes import ATTRIBUTES
from knowledge.documents import library
from knowledge.plays import eligible
from scoring.catalogue import CATALOGUE, TEXTS
from storage.models import Account, AccountAction, Contact, FeatureAdoption, Interaction, Opportunity, SurveyResponse
from tests.tools.portfolio import TODAY, ago, at
from tests.tools.test_plays import change
from tools.context import Context
from tools.overrides import set_override
from tools.play_facts import open_signals, play_table


def table(ctx: Context, as_of: date = TODAY) -> pl.DataFrame:
    with ctx.session() as session:
        return play_table(ctx, session, as_of)


def of(ctx: Context, account: str, column: str) -> object:
    return table(ctx).filter(pl.col("account") == account)[column][0]


def account_id(ctx: Context, key: str) -> int:
    with ctx.session() as session:
        return session.exec(select(Account.id).where(Account.external_id == key)).one() or 0


def test_every_column_that_predicates_may_ask_for_is_there_once_per_account(ctx: Context) -> None:
    found = table(ctx)
    assert set(found.columns) >= {*CATALOGUE, *TEXTS, *ATTRIBUTES}
    assert found["account"].n_unique() == found.height == 12
    with ctx.session() as session:
        assert eligible(library().plays.values(), found, open_signals(session)).errors == {}


def test_an_account_lost_of_late_is_there_for_winning_it_back_and_one_lost_long_ago_is_not(ctx: Context) -> None:
    assert of(ctx, "a12", "status") == "churned"
    assert of(ctx, "a12", "days_since_churn") == 10
    change(ctx, Account, Account.external_id == "a12", churned_on=ago(400))
    assert table(ctx).height == 11


def test_scores_bands_and_ranks_are_those_of_the_day(ctx: Context) -> None:
    assert (of(ctx, "a2", "health"), of(ctx, "a2", "band_colour"), of(ctx, "a2", "churn_probability")) == (
        35,
        "red",
        0.4,
    )
    assert of(ctx, "a9", "band_days") == 30  # in this band 30 days ago, too
    assert of(ctx, "a2", "band_days") == 30  # in another one then
    ranks = table(ctx).drop_nulls("usage_rank")["usage_rank"]
    assert (ranks.min(), ranks.max()) == (0, 1)


def test_a_colleagues_judgement_counts_before_the_score(ctx: Context) -> None:
    assert of(ctx, "a1", "red_override") is False
    set_override(ctx, account_id(ctx, "a1"), None, 10.0, "they told me", 30)
    assert (of(ctx, "a1", "health"), of(ctx, "a1", "band_colour"), of(ctx, "a1", "red_override")) == (10, "red", True)


def test_times_since_are_counted_from_the_newest(ctx: Context) -> None:
    number = account_id(ctx, "a1")
    with ctx.session() as session:
        for days in (40, 12):
            session.add(
                SurveyResponse(account_id=number, external_id=f"s{days}", kind="nps", score=9, answered_on=ago(days))
            )
        session.add(FeatureAdoption(account_id=number, external_id="f1", feature="x", first_used_on=ago(7)))
        session.add(Interaction(account_id=number, external_id="m1", channel="email", direction="in", at=at(2)))
        session.add(AccountAction(account_id=number, action="snooze", by="d", at=at(1), until=ago(-3)))
        session.add(
            Opportunity(
                account_id=number, offer="o", type="seats", opened_on=TODAY, day=TODAY, score=71, probability=0.2,
                low=0.1, high=0.3, timing="now", reasons="[]", evidence="{}",
            )
        )  # fmt: skip
        session.commit()
    row = table(ctx).filter(pl.col("account") == "a1").row(0, named=True)
    assert (row["days_since_survey"], row["days_since_new_feature"], row["opportunity_score"]) == (12, 7, 71)
    assert (row["snoozed_until"], row["replied_at"]) == (ago(-3), at(2).replace(tzinfo=None))
    assert of(ctx, "a2", "days_since_survey") is None


def test_a_contacts_zone_birthday_and_opt_out_are_those_of_who_is_there(ctx: Context) -> None:
    change(ctx, Contact, Contact.external_id == "c6", time_zone="Asia/Tokyo", birthday=TODAY)  # has left
    change(ctx, Contact, Contact.external_id == "c7", time_zone="Europe/Berlin", birthday=TODAY + timedelta(days=3))
    row = table(ctx).filter(pl.col("account") == "a4").row(0, named=True)
    assert (row["time_zone"], row["days_to_birthday"], row["opted_out_on"]) == ("Europe/Berlin", 3, ago(20))


@pytest.mark.parametrize(
    ("started", "days"),
    [(date(2024, 5, 4), 0), (date(2024, 5, 5), 1), (date(2024, 5, 3), 364), (date(2024, 2, 29), 301)],
)
def test_days_to_the_anniversary_count_to_the_next_one(ctx: Context, started: date, days: int) -> None:
    change(ctx, Account, Account.external_id == "a1", started_on=started)
    assert of(ctx, "a1", "days_to_anniversary") == days  # 29 February is kept on 1 March
