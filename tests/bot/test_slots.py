"""What is read from a sentence, with the cases that are easy to get wrong."""

from datetime import date
from typing import Any

import pytest

from bot.offline import clauses, plan_calls, understand
from bot.slots import CannotTellError, Lexicon, fill, mentions
from bot.slots.amounts import bounds, limit, renewal_days
from bot.slots.times import day_ahead, days_back
from bot.slots.words import put_right
from tests.bot.portfolio import ACCOUNTS, PEOPLE, PLANS, TODAY, context
from tools.accounts import account_brief
from tools.errors import AmbiguousError
from tools.names import NameIndex

INDEX = NameIndex(dict(enumerate(row[0] for row in ACCOUNTS)))


def lexicon(*recent: str) -> Lexicon:
    return Lexicon(INDEX, PEOPLE, PLANS, recent, TODAY)


def filters(text: str) -> dict[str, Any]:
    return fill("find_accounts", understand(text, lexicon()), lexicon())[0][1]


@pytest.mark.parametrize(
    "text, names",
    [
        ("Globex", ["Globex"]), ("globexs renewal", ["Globex"]), ("Globex's renewal", ["Globex"]),
        ("is wayne's garage ok", ["Wayne's Garage"]), ("waynes garage", ["Wayne's Garage"]),
        ("obrien interiors", ["O'Brien Interiors"]), ("stark heating and air", ["Stark Heating & Air"]),
        ("muller logistik", ["Müller Logistik"]), ("otter wick accounting", ["Otterwick Accounting"]),
        ("nova analitics", ["Nova Analytics"]), ("Nova, Initech and globex", ["Nova", "Initech", "Globex"]),
        ("acme", ["acme"]), ("Dana's accounts", []), ("dana foods", ["Dana Foods"]), ("first of all", []),
        ("critical enterprise accounts", []), ("business health summary", []), ("the second one", []),
    ],
)  # fmt: skip
def test_accounts_are_found_by_what_people_call_them(text: str, names: list[str]) -> None:
    assert [mention.name for mention in mentions(text, lexicon())] == names


def test_a_name_of_several_accounts_is_asked_back_with_all_of_them() -> None:
    (call,) = plan_calls("tell me about acme", lexicon()).tool_calls
    with pytest.raises(AmbiguousError) as asked:
        account_brief(context(), **call["args"])
    assert {choice.label for choice in asked.value.choices} == {"Acme Dental", "Acme Group", "Acme Logistics"}


def test_a_name_that_begins_another_name_is_itself() -> None:
    assert account_brief(context(), "Nova").row.name == "Nova"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text, found",
    [
        ("over 100k", {"min_arr": 100000}), ("more than $2,500", {"min_arr": 2500}), ("under 50", {"max_health": 50}),
        ("between 20k and 50k", {"min_arr": 20000, "max_arr": 50000}), ("20-50k", {"min_arr": 20000, "max_arr": 50000}),
        ("health from 40 to 60", {"min_health": 40, "max_health": 60}), ("in less than 30 days", {}),
        ("paying over 90 a month", {"min_arr": 1080}), ("mrr above 2k", {"min_arr": 24000}),
        ("at least 1.5m arr", {"min_arr": 1500000}), ("score below 45 and arr over 10k",
                                                      {"max_health": 45, "min_arr": 10000}),
        ("more than 50 seats", {}), ("up to €9,000", {"max_arr": 9000}),
    ],
)  # fmt: skip
def test_limits_are_of_money_or_of_the_score(text: str, found: dict[str, float]) -> None:
    assert bounds(text) == found


def test_an_amount_that_can_be_read_two_ways_is_asked_back() -> None:
    with pytest.raises(CannotTellError, match="I cannot read the amount"):
        bounds("over 1.234.567")


@pytest.mark.parametrize(
    "text, days",
    [
        ("renews within 2 weeks", 14), ("renewals next month", 45), ("renewals this month", 14),
        ("renewing this week", 6), ("renewing next week", 13), ("renewals this quarter", 45),
        ("renewals next quarter", 135), ("renewals in january", 76), ("renewing before january", 45),
        ("contracts expiring this year", 45), ("renewals in q1", 135), ("renewals", 90), ("at risk next month", None),
        ("renewals in the next few months", 90), ("renewals in the next six months", 180),
    ],
)  # fmt: skip
def test_periods_count_from_today(text: str, days: int | None) -> None:
    assert renewal_days(text, TODAY) == days


def test_the_last_day_of_a_month_and_of_a_year_are_no_trouble() -> None:
    assert renewal_days("renewals next month", date(2027, 1, 31)) == 28
    assert renewal_days("renewals this month", date(2026, 12, 31)) == 0


@pytest.mark.parametrize("text, count", [("top 5", 5), ("3 biggest customers", 3), ("the top ten accounts by arr", 10),
                                         ("in the next 60 days", None), ("first two weeks", None)])  # fmt: skip
def test_how_many_are_asked_for(text: str, count: int | None) -> None:
    assert limit(text) == count


@pytest.mark.parametrize(("text", "without"), [
    ("accounts that are not enterprise", ["enterprise"]), ("everyone except smb", ["smb"]),
    ("top 5 by arr excl. enterprise", ["enterprise"]), ("at-risk accounts not in healthcare", ["healthcare"]),
    ("all accounts, leave consumer out", ["consumer"]), ("accounts without smb and mid-market", ["smb", "mid_market"]),
])  # fmt: skip
def test_what_is_left_out_is_no_filter(text: str, without: list[str]) -> None:
    found = filters(text)
    assert found["without"] == without
    assert "segment" not in found


@pytest.mark.parametrize("text", ["all but no trials", "accounts without a champion"])
def test_leaving_out_what_is_not_understood_is_refused_rather_than_ignored(text: str) -> None:
    with pytest.raises(CannotTellError, match="I do not know what to leave out"):
        filters(text)


WEDNESDAY = date(2026, 11, 18)


@pytest.mark.parametrize(("text", "days"), [
    ("what changed since monday", 2), ("since yesterday", 1), ("in the last 30 days", 30), ("last week", 7),
    ("the past three months", 90), ("two weeks ago", 14), ("this month", 17), ("since october", 48),
    ("since 1 november", 17), ("since 2026-11-10", 8), ("since wednesday", 7), ("this year", 321), ("whatever", None),
])  # fmt: skip
def test_how_far_back_a_sentence_looks(text: str, days: int | None) -> None:
    assert days_back(text, WEDNESDAY) == days


@pytest.mark.parametrize(("text", "day"), [
    ("tomorrow", date(2026, 11, 19)), ("on friday", date(2026, 11, 20)), ("on wednesday", date(2026, 11, 25)),
    ("next week", date(2026, 11, 23)), ("in 3 days", date(2026, 11, 21)), ("on 5 january", date(2027, 1, 5)),
    ("the day after tomorrow", date(2026, 11, 20)), ("next month", date(2026, 12, 1)), ("some day", None),
])  # fmt: skip
def test_the_day_that_a_reminder_is_for(text: str, day: date | None) -> None:
    assert day_ahead(text, WEDNESDAY) == day


@pytest.mark.parametrize("text", ["what changed since 31 february", "since 2026-13-01", "since 2099-01-01"])
def test_a_day_that_does_not_exist_or_has_not_come_is_named(text: str) -> None:
    with pytest.raises(CannotTellError, match=r"is no day of the calendar|has not come yet"):
        days_back(text, WEDNESDAY)


def test_not_healthy_means_at_risk() -> None:
    assert filters("which customers are not healthy") == {"at_risk": True}


@pytest.mark.parametrize("text, words", [("accounts in Germany", "germany"), ("customers using webhooks", "webhooks")])
def test_a_filter_that_does_not_exist_is_refused_rather_than_ignored(text: str, words: str) -> None:
    with pytest.raises(CannotTellError, match=f"I cannot filter by “{words}”"):
        filters(text)


def test_a_colleague_nobody_knows_is_passed_on_so_that_the_tool_can_say_so() -> None:
    assert filters("accounts owned by zoltan") == {"owner": "Zoltan"}
    assert filters("show Zoltan's accounts") == {"owner": "Zoltan"}


def test_a_place_beyond_the_list_before_is_said() -> None:
    message = plan_calls("draft one for the fifth", lexicon("Globex", "Initech"))
    assert not message.tool_calls
    assert "The last answer spoke of 2 accounts" in str(message.content)


def test_without_a_thread_it_means_nothing() -> None:
    message = plan_calls("why is it so low?", lexicon())
    assert not message.tool_calls


def test_misspelt_words_of_the_trade_are_put_right() -> None:
    assert (
        put_right("my renewls, criticl accts w/ falling helth") == "my renewals, critical accounts with falling health"
    )


def test_a_message_is_split_into_its_requests() -> None:
    assert len(clauses("Brief me on Globex, then draft an email. Summarise the portfolio!")) == 3
    assert clauses("search and rescue of Globex") == ["search and rescue of Globex"]
    assert clauses("Good morning! Who is at risk?") == ["Who is at risk?"]


@pytest.mark.parametrize("noise", ["", "?", "…", "a" * 4000, "1 " * 500, "“", "((((", "\u202e", "[Acme](x) *b*"])
def test_noise_never_fails(noise: str) -> None:
    plan_calls(noise, lexicon("Globex"))
