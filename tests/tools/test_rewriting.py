"""A draft said another way stays true, personal and open, and what it was before is kept."""

import pytest
from sqlmodel import select

from storage.models import Account, Audit, DraftState
from tests.tools.portfolio import ago
from tests.tools.test_plays import change
from tools import approvals
from tools.claims import claims
from tools.context import Context
from tools.drafts import DraftCard, draft_outreach
from tools.errors import StaleError, UserError
from tools.rewriting import rewrite


@pytest.fixture
def card(ctx: Context) -> DraftCard:
    return draft_outreach(ctx, "Acme Group", "check_in")


def anew(ctx: Context, card: DraftCard, how: str) -> DraftCard:
    return rewrite(ctx, card.id, card.content_hash, how)


def test_shorter_keeps_greeting_two_facts_the_question_and_the_closing(ctx: Context, card: DraftCard) -> None:
    made = anew(ctx, card, "shorter")
    assert len(made.body) < len(card.body) * 0.7
    assert made.body.count("?") == 1
    assert made.body.startswith("Hi Cy,\n\n")
    assert made.body.endswith("\n\nBest,\nDana")
    assert len(made.facts) == 2
    assert {place for _, places in claims(made) for place in places} == {1, 2}


def test_what_is_short_already_is_said_to_be(ctx: Context, card: DraftCard) -> None:
    once = anew(ctx, card, "shorter")
    with pytest.raises(UserError, match="as short as I can make it"):
        anew(ctx, once, "shorter")


def test_an_apology_stays_in_a_short_message(ctx: Context) -> None:
    made = anew(ctx, draft_outreach(ctx, "Acme Group", "support"), "shorter")
    assert "I am sorry about the trouble" in made.body


def test_a_short_request_for_praise_still_says_that_they_decide(ctx: Context) -> None:
    change(ctx, Account, Account.external_id == "a11", renewal_on=ago(-200))
    made = draft_outreach(ctx, "Juniper Farms", "testimonial")
    first, *rest = made.body.split("\n\n")
    longer = "\n\n".join([first, "There is much to tell, and I shall not tell it here.", *rest])
    longer = approvals.edit(ctx, made.id, made.content_hash, made.subject, longer)
    made = anew(ctx, longer, "shorter")
    assert "much to tell" not in made.body
    assert "you decide whether your name, your company and your logo appear" in made.body


def test_warmer_changes_greeting_and_closing_once(ctx: Context, card: DraftCard) -> None:
    made = anew(ctx, card, "warmer")
    assert made.body.startswith("Hello Cy,\n\nI hope that your week is a good one.\n\n")
    assert made.body.endswith("\n\nWarm regards,\nDana")
    assert made.facts == card.facts
    with pytest.raises(UserError, match="as warm as I can make it"):
        anew(ctx, made, "warmer")


def test_a_wish_is_met_with_what_is_known_before_the_question(ctx: Context, card: DraftCard) -> None:
    made = anew(ctx, card, "mention the renewal")
    assert "Your contract comes up for renewal on 13 Jun 2026.\n\nWould 20 minutes" in made.body
    assert made.facts[-1].measure == "renewal"
    ticket = anew(ctx, made, "mention their export ticket")
    assert "Export" in ticket.body
    assert "Export" not in made.body


def test_what_is_not_known_is_not_invented_and_the_rest_is_offered(ctx: Context, card: DraftCard) -> None:
    with pytest.raises(UserError, match=r"I know nothing about “zebras” .* I could mention: .*renewal \(13 Jun 2026\)"):
        anew(ctx, card, "mention zebras")
    with pytest.raises(UserError, match="shorter or warmer"):
        anew(ctx, card, "in French")
    assert approvals.get_draft(ctx, card.id) == card


def test_the_new_text_needs_a_new_look_and_the_old_one_is_kept(ctx: Context, card: DraftCard) -> None:
    made = anew(ctx, card, "warmer")
    assert (made.id, made.state) == (card.id, DraftState.DRAFTED)
    for late in (lambda: anew(ctx, card, "shorter"), lambda: approvals.approve(ctx, card.id, card.content_hash)):
        with pytest.raises(StaleError, match="edited since you saw it"):
            late()
    with ctx.session() as session:
        row = session.exec(select(Audit).where(Audit.action == "draft.rewrite")).one()
    assert row.before
    assert row.after
    assert (row.before["body"], row.after["body"], row.after["how"]) == (card.body, made.body, "warmer")
    assert approvals.approve(ctx, card.id, made.content_hash).state == DraftState.APPROVED


def test_a_writers_text_is_taken_and_without_one_the_rules_text(ctx: Context, card: DraftCard) -> None:
    own = rewrite(ctx, card.id, card.content_hash, "warmer", lambda *_: "Hello Cy,\n\nMine?\n\nDana")
    assert own.body == "Hello Cy,\n\nMine?\n\nDana"
    other = draft_outreach(ctx, "Acme Group", "check_in")
    ruled = rewrite(ctx, other.id, other.content_hash, "warmer", lambda *_: None)
    assert ruled.body.startswith("Hello Cy,\n\nI hope")
