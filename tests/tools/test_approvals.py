"""Decisions on drafts and the way of approved ones: every step of the diagram, and none beside it."""

import itertools
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import update
from sqlmodel import col, func, select

from storage.database import Database
from storage.models import Approval, Audit, Contact, Draft, DraftState, Outbox, Role
from storage.usage import UsageStore
from tests.tools.portfolio import DANA, MORGAN, NOW, OPEN_RULES, context
from tools import approvals, draft_care, outbox
from tools.context import Actor, Context
from tools.drafts import EXPIRES_AFTER, DraftCard, content_hash, draft_outreach
from tools.errors import NotAllowedError, StaleError, UserError
from tools.outbox import FIRST_WAIT, LONGEST_WAIT, MOST_ATTEMPTS, SENDING_LEASE

OPEN, APPROVED, SENDING = DraftState.DRAFTED, DraftState.APPROVED, DraftState.SENDING


@pytest.fixture
def card(ctx: Context) -> DraftCard:
    return draft_outreach(ctx, "Acme Group", "check_in")


@pytest.fixture
def approved(ctx: Context, card: DraftCard) -> DraftCard:
    return approvals.approve(ctx, card.id, card.content_hash)


def state(ctx: Context, draft_id: int) -> DraftState:
    return approvals.get_draft(ctx, draft_id).state


def count(ctx: Context, model: Any) -> int:
    with ctx.session() as session:
        return session.exec(select(func.count()).select_from(model)).one()


def in_threads(times: int, call: Callable[[], Any]) -> list[Any]:
    """Do the same thing in many threads at once; returns results and errors."""
    found: list[Any] = []
    start = threading.Barrier(times)

    def one() -> None:
        start.wait()
        try:
            found.append(call())
        except UserError as error:
            found.append(error)

    threads = [threading.Thread(target=one) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_of_twenty_approvals_at_once_one_counts(ctx: Context, card: DraftCard) -> None:
    found = in_threads(20, lambda: approvals.approve(ctx, card.id, card.content_hash))
    assert Counter(type(one) for one in found) == {DraftCard: 1, StaleError: 19}
    assert (count(ctx, Outbox), count(ctx, Approval), count(ctx, Audit)) == (1, 1, 1)


def test_of_an_approval_and_a_rejection_at_once_one_counts(ctx: Context, card: DraftCard) -> None:
    turn = itertools.count()

    def decide() -> DraftCard:
        if next(turn) % 2:
            return approvals.reject(ctx, card.id, card.content_hash, "no")
        return approvals.approve(ctx, card.id, card.content_hash)

    found = in_threads(8, decide)
    assert Counter(type(one) for one in found) == {DraftCard: 1, StaleError: 7}
    assert count(ctx, Outbox) == (state(ctx, card.id) == APPROVED)


def test_an_edit_voids_what_others_have_on_their_screens(ctx: Context, card: DraftCard) -> None:
    edited = approvals.edit(ctx, card.id, card.content_hash, "New subject", "New text")
    assert edited.content_hash != card.content_hash
    for stale in (
        lambda: approvals.approve(ctx, card.id, card.content_hash),
        lambda: approvals.reject(ctx, card.id, card.content_hash, "no"),
        lambda: approvals.edit(ctx, card.id, card.content_hash, "Mine", "Mine"),
    ):
        with pytest.raises(StaleError, match="The text was edited since you saw it"):
            stale()
    assert approvals.get_draft(ctx, card.id) == edited
    assert approvals.approve(ctx, card.id, edited.content_hash).body == "New text"


@pytest.mark.parametrize("decide", ["approve", "reject", "edit"])
def test_what_is_decided_cannot_be_decided_again_and_says_how_it_stands(
    ctx: Context, approved: DraftCard, decide: str
) -> None:
    more = {"approve": (), "reject": ("no",), "edit": ("Subject", "Text")}[decide]
    with pytest.raises(StaleError, match="already approved; nothing was changed"):
        getattr(approvals, decide)(ctx, approved.id, approved.content_hash, *more)
    with pytest.raises(StaleError):
        approvals.get_open_draft(ctx, approved.id)
    assert approvals.get_draft(ctx, approved.id) == approved


def test_an_expired_draft_cannot_be_approved_even_before_it_is_tidied_away(
    ctx: Context, card: DraftCard, clock: Any
) -> None:
    clock.now += EXPIRES_AFTER
    with pytest.raises(StaleError, match="expired"):
        approvals.approve(ctx, card.id, card.content_hash)
    assert [expired.id for expired in draft_care.expire_drafts(ctx)] == [card.id]
    assert draft_care.expire_drafts(ctx) == []
    assert state(ctx, card.id) == DraftState.EXPIRED


def test_a_viewer_decides_nothing(ctx: Context, card: DraftCard) -> None:
    viewer = ctx.acting(Actor("vi@team.example", "Vi", Role.VIEWER))
    for call in (
        lambda: approvals.approve(viewer, card.id, card.content_hash),
        lambda: approvals.reject(viewer, card.id, card.content_hash, "no"),
        lambda: approvals.edit(viewer, card.id, card.content_hash, "S", "T"),
    ):
        with pytest.raises(NotAllowedError, match="csm"):
            call()
    assert state(ctx, card.id) == OPEN


def test_another_workspace_cannot_see_or_decide_a_draft(ctx: Context, card: DraftCard) -> None:
    other = replace(ctx, workspace_id="another")
    with pytest.raises(UserError, match="not here"):
        approvals.approve(other, card.id, card.content_hash)
    approvals.approve(ctx, card.id, card.content_hash)
    assert outbox.claim_next(other) is None


@pytest.mark.parametrize(
    ("subject", "body", "said"),
    [
        ("", "Text", "must not be empty"),
        ("Subject", "  ", "must not be empty"),
        ("Subject\nBcc: all@customer.example", "Text", "single line"),
        ("Subject", "Hi [Name], …", "placeholder"),
        ("Hi {{ first_name }}", "Text", "placeholder"),
        ("Subject", "x" * 20_001, "Too long"),
        ("x" * 201, "Text", "Too long"),
    ],
)
def test_a_text_that_must_not_go_out_is_refused(
    ctx: Context, card: DraftCard, subject: str, body: str, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        approvals.edit(ctx, card.id, card.content_hash, subject, body)
    assert approvals.get_draft(ctx, card.id) == card


def test_a_rejection_needs_a_reason(ctx: Context, card: DraftCard) -> None:
    with pytest.raises(UserError, match="say in a few words why"):
        approvals.reject(ctx, card.id, card.content_hash, "  ")
    assert approvals.reject(ctx, card.id, card.content_hash, " too pushy ").note == "too pushy"


def test_the_audit_tells_who_did_what_with_the_text_before_and_after(ctx: Context, card: DraftCard) -> None:
    edited = approvals.edit(ctx, card.id, card.content_hash, "New subject", "New text")
    approvals.approve(ctx.acting(MORGAN), card.id, edited.content_hash)
    outbox.claim_next(ctx)
    outbox.mark_sent(ctx, card.id)
    with ctx.session() as session:
        rows = session.exec(select(Audit).where(Audit.subject == f"draft:{card.id}").order_by(col(Audit.id))).all()
    assert [(row.action, row.actor) for row in rows] == [
        ("draft.edit", DANA.email),
        ("draft.approved", MORGAN.email),
        ("draft.sending", DANA.email),
        ("draft.sent", DANA.email),
    ]
    assert rows[0].before is not None
    assert rows[0].before["body"] == card.body
    assert rows[1].after is not None
    assert (rows[1].after["body"], rows[1].after["hash"]) == ("New text", edited.content_hash)


def change_contact(ctx: Context, **values: Any) -> None:
    with ctx.session() as session:
        session.execute(update(Contact).where(col(Contact.email) == "cy@customer.example").values(**values))
        session.commit()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"opted_out_on": date(2026, 5, 4)}, "Cy Diaz wants no messages since 4 May 2026"),
        ({"left_on": date(2026, 5, 4)}, "Cy Diaz has left Acme Group"),
        ({"email": "new@customer.example"}, "the address of Cy Diaz has changed"),
        ({"email": None}, "the address of Cy Diaz has changed"),
    ],
)
def test_the_gate_cancels_what_may_not_go_out_any_more(
    ctx: Context, approved: DraftCard, values: dict[str, Any], said: str
) -> None:
    change_contact(ctx, **values)
    assert outbox.claim_next(ctx) is None
    stopped = approvals.get_draft(ctx, approved.id)
    assert (stopped.state, stopped.note) == (DraftState.CANCELLED, said)
    assert outbox.claim_next(ctx) is None


@pytest.mark.parametrize(
    "altered",
    [
        {"body": "Something else"},
        {"subject": "Something else"},
        {"recipient": "cy@customer.example.evil.example"},
        {"sender": "other@team.example"},
        {"channel": "slack"},
    ],
)
def test_the_gate_stops_a_text_that_nobody_approved(ctx: Context, approved: DraftCard, altered: dict[str, str]) -> None:
    with ctx.session() as session:
        draft = session.get_one(Draft, approved.id)
        for name, value in altered.items():
            setattr(draft, name, value)
        # Even with a fingerprint that fits the new text, there is no approval of it.
        draft.content_hash = content_hash(draft.channel, draft.recipient, draft.sender, draft.subject, draft.body)
        session.commit()
    assert outbox.claim_next(ctx) is None
    assert approvals.get_draft(ctx, approved.id).note == "the text is not the one that was approved"


def test_a_cancelled_message_does_not_hold_up_the_next_one(ctx: Context, approved: DraftCard) -> None:
    other = draft_outreach(ctx, "Juniper Farms", "check_in")
    approvals.approve(ctx, other.id, other.content_hash)
    change_contact(ctx, opted_out_on=date(2026, 5, 4))
    parcel = outbox.claim_next(ctx)
    assert parcel is not None
    assert parcel.draft_id == other.id


def test_two_workers_at_once_claim_a_message_once(ctx: Context, approved: DraftCard) -> None:
    found = in_threads(6, lambda: outbox.claim_next(ctx))
    assert [parcel.draft_id for parcel in found if parcel] == [approved.id]


def test_a_temporary_failure_is_tried_again_ever_more_slowly_and_then_given_up(
    ctx: Context, approved: DraftCard, clock: Any
) -> None:
    waits = []
    for _ in range(MOST_ATTEMPTS - 1):
        assert outbox.claim_next(ctx) is not None
        waiting = outbox.mark_waiting(ctx, approved.id, "the mail server is away")
        assert (waiting.state, waiting.note) == (APPROVED, "the mail server is away")
        with ctx.session() as session:
            waits.append(session.exec(select(Outbox)).one().next_attempt_at - clock.now)
        clock.now += waits[-1] - timedelta(seconds=1)
        assert outbox.claim_next(ctx) is None
        clock.now += timedelta(seconds=1)
    assert waits[:3] == [FIRST_WAIT, FIRST_WAIT * 2, FIRST_WAIT * 4]
    assert waits == sorted(waits)
    assert max(waits) == LONGEST_WAIT
    assert outbox.claim_next(ctx) is not None
    failed = outbox.mark_waiting(ctx, approved.id, "the mail server is away")
    assert failed.state == DraftState.FAILED
    assert "given up after 12 attempts" in failed.note


def test_a_message_whose_sender_vanished_is_unclear_and_never_sent_by_itself(
    ctx: Context, approved: DraftCard, clock: Any
) -> None:
    assert outbox.claim_next(ctx) is not None
    clock.now += SENDING_LEASE
    assert outbox.settle_abandoned(ctx) == []
    clock.now += timedelta(seconds=1)
    assert [card.state for card in outbox.settle_abandoned(ctx)] == [DraftState.UNCLEAR]
    clock.now += timedelta(days=30)
    assert outbox.claim_next(ctx) is None
    assert outbox.settle_abandoned(ctx) == []
    assert "may or may not have gone out" in approvals.get_draft(ctx, approved.id).note


def test_every_copy_of_a_card_is_remembered_once(ctx: Context, card: DraftCard) -> None:
    for place in (("C1", "1.0"), ("C2", "2.0"), ("C1", "1.0")):
        approvals.remember_card(ctx, card.id, *place)
    assert approvals.get_draft(ctx, card.id).cards == (("C1", "1.0"), ("C2", "2.0"))


class Life(RuleBasedStateMachine):
    """Drafts against a model of the diagram: what each call may do to a state, and what it must leave alone."""

    folder: Path
    copies = itertools.count()
    drafts: Bundle[int] = Bundle("drafts")

    @initialize()
    def begin(self) -> None:
        copy = shutil.copytree(self.folder, self.folder.parent / f"life-{next(self.copies)}")
        self.database = Database(f"sqlite:///{copy}/tend.db")
        self.now: datetime = NOW
        ctx = context(self.database, UsageStore(str(copy / "usage")), lambda: self.now)
        self.ctx = replace(ctx, governance_file=OPEN_RULES)
        self.state: dict[int, DraftState] = {}
        self.hash: dict[int, str] = {}
        self.old: dict[int, set[str]] = {}
        self.expires: dict[int, datetime] = {}
        self.due: dict[int, datetime] = {}
        self.lease: dict[int, datetime] = {}
        self.attempts: Counter[int] = Counter()
        self.claims: Counter[int] = Counter()
        self.opted_out: set[str] = set()
        self.whom: dict[int, str] = {}

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.engine.dispose()

    @rule(target=drafts, account=st.sampled_from(["Acme Group", "Juniper Farms", "Elm Street Bakery"]))
    def draft(self, account: str) -> int:
        try:
            card = draft_outreach(self.ctx, account, "check_in")
        except UserError:
            assert self.opted_out  # nobody left to write to, or nothing left to say
            return 0
        self.state[card.id], self.hash[card.id], self.old[card.id] = OPEN, card.content_hash, set()
        self.expires[card.id], self.whom[card.id] = self.now + EXPIRES_AFTER, card.recipient
        assert card.recipient not in self.opted_out
        return card.id

    def decides(self, draft: int, seen: str, call: Callable[[], Any]) -> bool:
        """Run a decision and say whether it counted, which it must exactly when the model allows it."""
        if draft == 0:
            return False
        allowed = self.state[draft] == OPEN and self.now < self.expires[draft] and seen == self.hash[draft]
        try:
            call()
        except StaleError:
            assert not allowed
            return False
        assert allowed
        return True

    def seen(self, draft: int, stale: bool) -> str:
        older = self.old.get(draft, set())
        return min(older) if stale and older else self.hash.get(draft, "")

    @rule(draft=drafts, stale=st.booleans())
    def approve(self, draft: int, stale: bool) -> None:
        seen = self.seen(draft, stale)
        if self.decides(draft, seen, lambda: approvals.approve(self.ctx, draft, seen)):
            self.state[draft], self.due[draft] = APPROVED, self.now

    @rule(draft=drafts, stale=st.booleans())
    def reject(self, draft: int, stale: bool) -> None:
        seen = self.seen(draft, stale)
        if self.decides(draft, seen, lambda: approvals.reject(self.ctx, draft, seen, "no")):
            self.state[draft] = DraftState.REJECTED

    @rule(draft=drafts, stale=st.booleans(), words=st.sampled_from(["One", "Two", "Three"]))
    def edit(self, draft: int, stale: bool, words: str) -> None:
        seen = self.seen(draft, stale)
        if self.decides(draft, seen, lambda: approvals.edit(self.ctx, draft, seen, words, words)):
            fresh = approvals.get_draft(self.ctx, draft).content_hash
            self.old[draft].add(seen)
            self.old[draft].discard(fresh)
            self.hash[draft] = fresh

    @rule(hours=st.sampled_from([0.01, 1, 30, 100]))
    def wait(self, hours: float) -> None:
        self.now += timedelta(hours=hours)

    @rule()
    def expire(self) -> None:
        late = {d for d, s in self.state.items() if s == OPEN and self.expires[d] <= self.now}
        assert {card.id for card in draft_care.expire_drafts(self.ctx)} == late
        self.state |= dict.fromkeys(late, DraftState.EXPIRED)

    @rule()
    def claim(self) -> None:
        due = {d for d, s in self.state.items() if s == APPROVED and self.due[d] <= self.now}
        stopped = {d for d in due if self.whom[d] in self.opted_out}
        parcel = outbox.claim_next(self.ctx)
        assert (parcel is not None) == bool(due - stopped)
        if parcel is None:
            self.state |= dict.fromkeys(stopped, DraftState.CANCELLED)
            return
        assert parcel.draft_id in due - stopped
        earlier = {d for d in stopped if state(self.ctx, d) == DraftState.CANCELLED}
        self.state |= dict.fromkeys(earlier, DraftState.CANCELLED)
        self.state[parcel.draft_id], self.lease[parcel.draft_id] = SENDING, self.now + SENDING_LEASE
        self.attempts[parcel.draft_id] += 1

    @rule(draft=drafts, to=st.sampled_from(["sent", "failed", "unclear", "waiting"]))
    def report(self, draft: int, to: str) -> None:
        if draft == 0 or draft not in self.due:  # only what was approved is ever handed to a sender
            return
        calls: dict[str, Callable[[], DraftCard]] = {
            "sent": lambda: outbox.mark_sent(self.ctx, draft),
            "failed": lambda: outbox.mark_failed(self.ctx, draft, "no"),
            "unclear": lambda: outbox.mark_unclear(self.ctx, draft, "?"),
            "waiting": lambda: outbox.mark_waiting(self.ctx, draft, "later"),
        }
        if to == "waiting" and not self.attempts[draft]:
            return
        calls[to]()
        if self.state[draft] == SENDING:
            self.state[draft] = DraftState(to) if to != "waiting" else APPROVED
            self.due[draft] = self.now + min(FIRST_WAIT * 2 ** (self.attempts[draft] - 1), LONGEST_WAIT)

    @rule()
    def settle(self) -> None:
        gone = {d for d, s in self.state.items() if s == SENDING and self.lease[d] < self.now}
        assert {card.id for card in outbox.settle_abandoned(self.ctx)} == gone
        self.state |= dict.fromkeys(gone, DraftState.UNCLEAR)

    @rule(draft=drafts)
    def opt_out(self, draft: int) -> None:
        if draft:
            self.opted_out.add(self.whom[draft])
            with self.ctx.session() as session:
                wanted = col(Contact.email) == self.whom[draft]
                session.execute(update(Contact).where(wanted).values(opted_out_on=self.now.date()))
                session.commit()

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "ctx"):
            return
        with self.ctx.session() as session:
            drafts = session.exec(select(Draft)).all()
            approved = {(a.draft_id, a.content_hash) for a in session.exec(select(Approval)) if a.decision == APPROVED}
            boxes = {box.draft_id: box for box in session.exec(select(Outbox))}
        assert {draft.id: draft.state for draft in drafts} == self.state
        assert {draft.id: draft.content_hash for draft in drafts} == self.hash
        beyond = {APPROVED, SENDING, DraftState.SENT, DraftState.FAILED, DraftState.UNCLEAR, DraftState.CANCELLED}
        assert set(boxes) == {d for d, s in self.state.items() if s in beyond}
        assert {(d, self.hash[d]) for d in boxes} == approved
        assert {d for d, box in boxes.items() if box.sent_at} == {
            d for d, s in self.state.items() if s == DraftState.SENT
        }


def test_drafts_move_only_along_the_diagram(filled: Path, tmp_path: Path) -> None:
    class Here(Life):
        folder = shutil.copytree(filled, tmp_path / "filled")

    run_state_machine_as_test(Here, settings=settings(max_examples=12, stateful_step_count=25, deadline=None))
