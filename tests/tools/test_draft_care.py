"""What else can be done with a draft: take an approval back, let it rest, hand it over, write it anew; stale facts."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from storage.database import insert_rows
from storage.models import Approval, Audit, Draft, DraftState, Outbox, Role, ScoringRun, User
from tests.conftest import Stepped
from tests.tools import portfolio
from tests.tools.portfolio import MORGAN, OPEN_RULES, TODAY
from tools import approvals, draft_care, outbox
from tools.context import Context
from tools.drafts import EXPIRES_AFTER, DraftCard, draft_outreach
from tools.errors import NotAllowedError, StaleError, UserError
from tools.renewing import changed_facts, differs


@pytest.fixture
def card(ctx: Context) -> DraftCard:
    return draft_outreach(ctx, "Acme Group", "check_in")


def later(ctx: Context, tmp_path: Path, seconds: int = 60) -> Context:
    """Under rules that leave time to take an approval back."""
    (tmp_path / "rules.toml").write_text(
        OPEN_RULES.read_text().replace("undo_seconds = 0", f"undo_seconds = {seconds}")
    )
    return replace(ctx, governance_file=tmp_path / "rules.toml")


def audit(ctx: Context) -> list[str]:
    with ctx.session() as session:
        return list(session.exec(select(Audit.action).order_by(col(Audit.id))).all())


def test_an_approval_can_be_taken_back_while_the_message_waits(
    ctx: Context, card: DraftCard, tmp_path: Path, clock: Stepped
) -> None:
    ctx = later(ctx, tmp_path)
    approved = approvals.approve(ctx, card.id, card.content_hash)
    assert approved.undo_until == clock.now + timedelta(seconds=60)
    assert outbox.claim_next(ctx) is None
    assert approvals.undo(ctx, card.id).state == DraftState.DRAFTED
    clock.now += timedelta(minutes=5)
    assert outbox.claim_next(ctx) is None  # nothing is left to send
    again = approvals.approve(ctx, card.id, card.content_hash)
    clock.now += timedelta(seconds=61)
    assert outbox.claim_next(ctx) is not None
    with pytest.raises(StaleError, match="cannot be taken back any more: it is sending"):
        approvals.undo(ctx, card.id)
    assert again.state == DraftState.APPROVED
    with ctx.session() as session:
        assert session.exec(select(Approval.decision).order_by(col(Approval.id))).all() == [
            "approved", "undone", "approved"
        ]  # fmt: skip
        assert len(session.exec(select(Outbox)).all()) == 1


def test_a_message_that_was_tried_once_cannot_be_taken_back(ctx: Context, card: DraftCard) -> None:
    approvals.approve(ctx, card.id, card.content_hash)
    outbox.claim_next(ctx)
    outbox.mark_waiting(ctx, card.id, "the mail server is away")
    waiting = approvals.get_draft(ctx, card.id)
    assert (waiting.state, waiting.undo_until) == (DraftState.APPROVED, None)
    with pytest.raises(StaleError, match="cannot be taken back"):
        approvals.undo(ctx, card.id)


def test_a_draft_rests_and_comes_back_by_itself(ctx: Context, card: DraftCard, clock: Stepped) -> None:
    resting = draft_care.snooze(ctx, card.id, card.content_hash, 3)
    assert (resting.state, resting.expires_at) == (DraftState.SNOOZED, clock.now + timedelta(days=3) + EXPIRES_AFTER)
    assert draft_care.wake_snoozed(ctx) == []
    clock.now += timedelta(days=3)
    assert [woken.state for woken in draft_care.wake_snoozed(ctx)] == [DraftState.DRAFTED]
    assert draft_care.wake_snoozed(ctx) == []
    for days in (0, 61):
        with pytest.raises(UserError, match="1 to 60 days"):
            draft_care.snooze(ctx, card.id, card.content_hash, days)
    assert audit(ctx) == ["draft.snooze", "draft.wake"]


def test_a_draft_is_handed_to_somebody_who_may_decide_it(ctx: Context, card: DraftCard) -> None:
    with ctx.session() as session:
        session.exec(select(User).where(User.email == "morgane@team.example")).one().role = Role.VIEWER
        session.commit()
    assert draft_care.waiting_for(ctx) == [card.id]
    with pytest.raises(UserError, match="Morgane Petit may not decide it: it needs the role csm"):
        draft_care.hand_over(ctx, card.id, card.content_hash, "Morgane Petit")
    assert draft_care.hand_over(ctx, card.id, card.content_hash, MORGAN.email).handed_to == MORGAN.email
    with pytest.raises(UserError, match="Morgan Ames has it already"):
        draft_care.hand_over(ctx, card.id, card.content_hash, MORGAN.email)
    assert (draft_care.waiting_for(ctx), draft_care.waiting_for(ctx.acting(MORGAN))) == ([], [card.id])


@pytest.mark.parametrize("act", [
    lambda ctx, card: approvals.undo(ctx, card.id), lambda ctx, card: draft_care.snooze(ctx, card.id, "x", 1),
    lambda ctx, card: draft_care.hand_over(ctx, card.id, "x", "me"), lambda ctx, card: draft_care.waiting_for(ctx),
    lambda ctx, card: draft_care.refresh_draft(ctx, card.id, "x"),
])  # fmt: skip
def test_a_viewer_does_none_of_it(ctx: Context, card: DraftCard, act: Any) -> None:
    with pytest.raises(NotAllowedError):
        act(ctx.acting(replace(ctx.actor, role=Role.VIEWER)), card)


def scored_later(ctx: Context, days: int) -> None:
    """A newer day is scored, with the same scores."""
    with ctx.session() as session:
        insert_rows(session, ScoringRun, [portfolio.run(TODAY + timedelta(days=days))])
        session.commit()


def test_an_approval_waits_where_the_facts_have_changed_and_the_draft_is_written_anew(
    ctx: Context, card: DraftCard, clock: Stepped
) -> None:
    with ctx.session() as session:
        row = session.get_one(Draft, card.id)
        assert not changed_facts(ctx, session, row)  # nothing newer is known
        row.facts = [{**row.facts[0], "value": "something else"}, *row.facts[1:]]  # as if it had been so when written
        session.commit()
    clock.now += timedelta(days=5)
    scored_later(ctx, 5)
    with pytest.raises(StaleError, match=r"The facts behind it have changed: .* Refresh the draft, or edit it"):
        approvals.approve(ctx, card.id, card.content_hash)
    fresh = draft_care.refresh_draft(ctx, card.id, card.content_hash)
    assert fresh.content_hash != card.content_hash
    assert all(fact.as_of == TODAY + timedelta(days=5) for fact in fresh.facts)
    with pytest.raises(StaleError, match="edited since you saw it"):
        approvals.approve(ctx, card.id, card.content_hash)
    assert approvals.approve(ctx, card.id, fresh.content_hash).state == DraftState.APPROVED


@pytest.mark.parametrize(("was", "now", "changed"), [
    ("12", "13", False), ("12 days", "15 days", True), ("31%", "33%", False), ("31%", "50%", True),
    ("$1,000", "$1,001", False), ("Bo Chen", "Cy Diaz", True), ("unknown", "3", True), ("starter", "starter", False),
])  # fmt: skip
def test_a_day_more_is_no_change_and_a_fifth_is(was: str, now: str, changed: bool) -> None:
    assert differs(was, now) == changed


def test_what_is_of_high_risk_needs_a_second_person_with_the_role(ctx: Context, tmp_path: Path) -> None:
    rules = OPEN_RULES.read_text().replace('"csm"', '"approver"').replace("four_eyes = false", "four_eyes = true")
    (tmp_path / "rules.toml").write_text(rules)
    ctx = replace(ctx, governance_file=tmp_path / "rules.toml", actor=replace(ctx.actor, role=Role.APPROVER))
    with ctx.session() as session:
        from tools.drafts import compose, message_facts
        from tools.names import resolve_account

        account = resolve_account(session, "Acme Group", TODAY)
        template = ctx.library().templates["executive_outreach"]
        made = compose(ctx, session, account, message_facts(ctx, session, account, TODAY), template, TODAY)
        session.add(made)
        session.commit()
        number, seen = made.id or 0, made.content_hash
    with pytest.raises(NotAllowedError, match="needs a second pair of eyes"):
        approvals.approve(ctx, number, seen)
    with pytest.raises(NotAllowedError, match="needs the role “approver”"):
        approvals.approve(ctx.acting(MORGAN), number, seen)
    second = replace(MORGAN, role=Role.APPROVER)
    assert approvals.approve(ctx.acting(second), number, seen).state == DraftState.APPROVED
