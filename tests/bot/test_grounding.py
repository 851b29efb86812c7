"""What may go out and what may not: examples, and properties over random facts."""

from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.grounding import ungrounded
from tests.bot.portfolio import context
from tools.accounts import account_brief, find_accounts
from tools.drafts import draft_outreach
from tools.facts import Fact, Result, money
from tools.insights import explain_health
from tools.names import NameIndex
from tools.portfolio import portfolio_summary

DAY = date(2026, 11, 16)
NAMES = NameIndex({1: "Globex", 2: "Initech", 3: "Nova", 4: "24seven Fitness", 5: "Stark Heating & Air"})


def fact(measure: str, value: float | str, unit: str, subject: str = "Globex") -> Fact:
    return Fact(subject, measure, value, unit, DAY, "snapshot")


FACTS = (
    fact("health score", 59.7, "points"),
    fact("change of health in 30 days", -12.0, "points"),
    fact("ARR", 148200, "USD"),
    fact("coverage", 0.312, "share"),
    fact("renewal", "2027-01-15", "date"),
    fact("seats", "12 of 45", "text"),
    fact("customer since", "1 Jul 2026", "text"),
    fact("escalated tickets in 90 days: 2", 2.0, "feature"),
    fact("use against the 28 days before: -35%", -0.35, "feature"),
    fact("accounts", 7, "accounts", "portfolio"),
    fact("health score", 88.2, "points", "Initech"),
    fact("ARR", 50400, "EUR", "Initech"),
)


def problems(text: str, question: str = "", facts: tuple[Fact, ...] = FACTS) -> list[str]:
    return ungrounded(text, facts, question, NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "Globex scores 59.7.", "Globex scores 60.", "Globex scores 59.", "Globex lost 12 points in 30 days.",
        "Globex fell by twelve points.", "It pays $148,200 a year.", "It pays $148k.", "It pays $0.15M.",
        "It pays 148200 USD.",
        "Coverage is 31%.", "Coverage is 31.2%.", "Coverage is 31 percent.", "It renews on 15 Jan 2027.",
        "It renews on January 15th.", "It renews in January.", "It renews in January 2027.", "It renews 2027-01-15.",
        "12 of 45 seats are used.", "Two escalated tickets in 90 days.", "Use is down 35% on the 28 days before.",
        "There are 7 accounts.", "There are seven accounts.", "These two accounts matter most.", "Globex is the 1st.",
        "A customer since July 2026.", "Initech pays €50k.", "Scores are as of 16 November.", "You may write to them.",
        "Globex needs one call.", "Initech does better: 88.",
    ],
)  # fmt: skip
def test_what_facts_hold_may_be_said(text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize(
    "text, part",
    [
        ("Globex scores 61.", "61"), ("Globex scores 58.", "58"), ("It lost 13 points.", "13"),
        ("Globex lost thirteen points.", "thirteen points"), ("It pays $149k.", "$149k"), ("It pays €148k.", "€148k"),
        ("It pays $12,350 a month.", "$12,350"), ("It pays $1.78M.", "$1.78M"), ("Coverage is 32%.", "32%"),
        ("Its health is 60%.", "60%"), ("Renews 16 Jan 2027.", "16 Jan 2027"), ("Renews in March.", "in March"),
        ("Renews 15 Jan 2028.", "15 Jan 2028"), ("Renews 2027-02-30.", "2027-02-30"), ("Renews 15/01/2027.", "15"),
        ("30 accounts are at risk.", "30"), ("Thirty accounts are at risk.", "Thirty accounts"),
        ("It has 90 seats.", "90"),
        ("It has been quiet for 45d.", "45d"), ("Use has doubled.", "doubled"), ("Half of them left.", "Half of"),
        ("Globex is the 9th.", "9th"), ("Globex scores 88.", "88"), ("Initech pays $148k.", "$148k"),
        ("Nova does better.", "Nova"), ("Zyxcorp does better.", "Zyxcorp"), ("Write to Zyxcorp Labs.", "Zyxcorp"),
        ("Ask Wanda about it.", "Wanda"), ("24seven Fitness does better.", "24seven Fitness"),
        ("Eight accounts are fine.", "Eight accounts"), ("It may lose 40 percent.", "40"),
    ],
)  # fmt: skip
def test_what_no_fact_holds_is_found(text: str, part: str) -> None:
    assert part in problems(text)


def test_what_the_question_said_may_be_repeated() -> None:
    asked = "do 25 accounts of Nova renew by 3 March 2028 for over $9k?"
    assert problems("I cannot tell whether 25 accounts renew by 3 March 2028 or pay $9k.", asked) == []
    assert problems("Nova is not among them.", asked) == []
    assert problems("25 tickets are open.", asked) == ["25"]


def test_digits_in_an_accounts_name_are_no_figure() -> None:
    facts = (fact("health score", 70.0, "points", "24seven Fitness"),)
    assert problems("24seven Fitness scores 70.", facts=facts) == []


def test_an_account_named_like_a_word_is_only_a_name_in_capitals() -> None:
    assert problems("Nothing nova here.") == []


@given(value=st.floats(0, 100), places=st.integers(0, 3))
def test_points_pass_at_any_rounding_and_fail_when_they_are_off(value: float, places: int) -> None:
    facts = (fact("health score", value, "points"),)
    assert problems(f"Globex scores {value:.{places}f}.", facts=facts) == []
    off = f"{value + 1.6 * 10**-places + 0.0005:.{places}f}"
    assume(float(off) != 1)  # one account is spoken of
    assert problems(f"Globex scores {off}.", facts=facts)


@given(value=st.integers(1, 5_000_000))
def test_money_passes_as_the_product_writes_it_and_only_in_its_currency(value: int) -> None:
    facts = (fact("ARR", value, "USD"),)
    for shown in (money(value), f"${value:,}", f"${value / 1e3:.1f}k", f"{value} USD", f"${value / 1e6:.2f} million"):
        assert problems(f"It pays {shown}.", facts=facts) == []
    assert problems(f"It pays €{value:,}.", facts=facts)
    assert problems(f"It pays ${value + max(2, value // 50):,}.", facts=facts)


@given(value=st.integers(2, 5_000_000), factor=st.sampled_from([12, 1 / 12]))
def test_a_month_is_not_a_year(value: int, factor: float) -> None:
    assert problems(f"It pays ${value * factor:,.0f}.", facts=(fact("ARR", value, "USD"),))


@given(share=st.floats(0.0, 1.0), off=st.sampled_from([-2, 2, 7]))
def test_a_share_passes_as_a_percentage(share: float, off: int) -> None:
    facts = (fact("coverage", share, "share"),)
    assert problems(f"Coverage is {share:.0%}.", facts=facts) == []
    assert problems(f"Coverage is {share:.1%}.", facts=facts) == []
    assume(0 <= share * 100 + off <= 100)
    assert problems(f"Coverage is {share * 100 + off:.0f}%.", facts=facts)


@given(days=st.integers(-400, 400), off=st.integers(1, 300))
def test_dates_pass_in_every_spelling_and_fail_when_moved(days: int, off: int) -> None:
    day = DAY + timedelta(days=days)
    wrong = day + timedelta(days=off)
    facts = (fact("renewal", day.isoformat(), "date"),)
    for shown in (
        f"{day:%Y-%m-%d}",
        f"{day.day} {day:%B %Y}",
        f"{day:%b} {day.day}, {day.year}",
        f"{day:%B} {day.day}",
    ):
        assert problems(f"It renews on {shown}.", facts=facts) == []
    assume(wrong != DAY)
    assert problems(f"It renews on {wrong.day} {wrong:%b %Y}.", facts=facts)


@given(count=st.integers(0, 400), other=st.integers(0, 400), noun=st.sampled_from(["days", "tickets", "seats"]))
def test_a_number_of_one_thing_is_no_number_of_another(count: int, other: int, noun: str) -> None:
    facts = (fact("accounts", count, "accounts", "portfolio"), fact(f"seen in {other} {noun}", "yes", "text"))
    assert problems(f"There are {count} accounts.", facts=facts) == []
    assert bool(problems(f"There are {other} accounts.", facts=facts)) == (other not in (count, 1))


@pytest.mark.parametrize("name", ["Globex", "Acme Group", "24seven Fitness", "Müller Logistik", "Wayne's Garage"])
def test_the_wording_of_every_tool_is_grounded_in_its_own_facts(name: str) -> None:
    ctx = context()
    results: list[Result] = [account_brief(ctx, name), explain_health(ctx, name), portfolio_summary(ctx, owner="me"),
                             find_accounts(ctx, at_risk=True, segment="enterprise", min_arr=20000),
                             draft_outreach(ctx, name, "check_in")]  # fmt: skip
    for result in results:
        assert ungrounded(result.text, result.facts, "", None, result.text) == [], result.text
