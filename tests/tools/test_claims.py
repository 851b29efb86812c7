"""Each fact of a draft is shown to the reviewer at the sentence that states it, and nothing of that is sent."""

import re
from dataclasses import replace
from datetime import date

import pytest

from tests.bot.portfolio import ACCOUNTS, context
from tools.claims import claims, sentences, stated
from tools.drafts import DraftCard, draft_outreach
from tools.facts import Fact

DAY = date(2026, 5, 4)


def fact(measure: str, value: str) -> Fact:
    return Fact("Acme", measure, value, "text", DAY, "usage")


FACTS = (
    fact("use against the 28 days before", "-80%"),
    fact("time to resolve a ticket", "72 h"),
    fact("renewal", "13 Jun 2026"),
    fact("core features in use", "80%"),
    fact("failed payments in 90 days", "1"),
)


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("Your team has used the product 80% less over the last four weeks than before.", (1,)),
        ("80% of the core features are in regular use.", (4,)),
        ("Your last requests took 3 days to solve.", (2,)),
        ("Your contract comes up for renewal on 13 Jun 2026.", (3,)),
        ("One payment did not go through in the last three months.", (5,)),
        ("Would 20 minutes this week suit you?", ()),
        ("We have 80 colleagues.", ()),
    ],
)
def test_a_sentence_is_linked_to_what_it_states(sentence: str, found: tuple[int, ...]) -> None:
    assert stated(sentence, FACTS) == found


def test_a_message_is_split_at_sentences_and_lines() -> None:
    assert sentences("Hi Cy,\n\nOne, 1.5 times. Two? “Three”.\nBest,\nDana") == [
        "Hi Cy,", "One, 1.5 times.", "Two?", "“Three”.", "Best,", "Dana",
    ]  # fmt: skip


@pytest.mark.parametrize("account", [name for name, *_ in ACCOUNTS[:8]])
def test_every_fact_of_a_draft_is_stated_by_a_sentence_and_the_body_holds_no_mark(account: str) -> None:
    card: DraftCard = draft_outreach(context(), account, "check_in")
    linked = {place for _, places in claims(card) for place in places}
    assert linked == set(range(1, len(card.facts) + 1))
    assert not re.search(r"[⁰¹²³⁴-⁹]", card.body)


def test_a_sentence_that_was_edited_to_another_figure_is_linked_no_more() -> None:
    card = draft_outreach(context(), "Acme Group", "check_in")
    other = replace(card, body=re.sub(r"\d+", "777", card.body))
    assert not any(places for _, places in claims(other))
