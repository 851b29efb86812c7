"""Praise is asked for at a good moment, never at a bad one, and used only as far as the customer allows."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from knowledge.documents import templates
from storage.models import (
    Account,
    Audit,
    Draft,
    DraftState,
    MilestoneMet,
    Outbox,
    PlayRun,
    PlayStep,
    PlayVersion,
    Role,
    Ticket,
)
from storage.models import SurveyResponse as Survey
from tests.conftest import Stepped
from tests.knowledge.play_worlds import email, play
from tests.tools.portfolio import DANA, MORGAN, NOW, ago, at
from tests.tools.test_plays import change
from tools import approvals, outbox, testimonial_records, testimonial_rules, testimonials
from tools.context import Actor, Context
from tools.drafts import draft_outreach
from tools.errors import NotAllowedError, StaleError, UserError
from tools.plays import run_plays
from tools.testimonials import Candidate

FARMS = "Juniper Farms"
APPROVER = Actor(MORGAN.email, MORGAN.name, Role.APPROVER)


@pytest.fixture
def ctx(ctx: Context) -> Context:
    """Juniper Farms answered ten, and renews in two hundred days."""
    change(ctx, Account, Account.external_id == "a11", renewal_on=ago(-200))
    with ctx.session() as session:
        session.add(Survey(external_id="s1", account_id=key(ctx), kind="nps", score=10, answered_on=ago(4)))
        session.commit()
    return ctx


def key(ctx: Context, external_id: str = "a11") -> int:
    with ctx.session() as session:
        return session.exec(select(Account.id).where(Account.external_id == external_id)).one() or 0


def candidate(ctx: Context) -> Candidate:
    found = testimonials.testimonial_candidates(ctx)
    return next(one for one in (*found.rows, *found.held) if one.account == FARMS)


def escalate(ctx: Context) -> None:
    with ctx.session() as session:
        ticket = {"account_id": key(ctx), "opened_at": at(2), "escalated": True, "subject": "Down"}
        session.add(Ticket(external_id="t9", **ticket))
        session.commit()


def renew_soon(ctx: Context) -> None:
    change(ctx, Account, Account.external_id == "a11", renewal_on=ago(-30))


def run_a_renewal_play(ctx: Context) -> None:
    with ctx.session() as session:
        version = PlayVersion(play="renewal_preparation", hash="h", first_used_at=NOW)
        session.add(version)
        session.flush()
        run = {"version_id": version.id, "variant": "", "because": "near", "started_by": "tend", "started_at": NOW}
        session.add(PlayRun(account_id=key(ctx), play="renewal_preparation", goal_until=NOW, **run))
        session.commit()


def ask(ctx: Context) -> None:
    draft_outreach(ctx, FARMS, "testimonial")


def give(ctx: Context, **allowed: bool) -> int:
    words = "It halved our paperwork."
    return testimonial_records.collect_testimonial(ctx, FARMS, "max nye", words, 5, use="reporting", **allowed)


OBSTACLES: dict[str, Callable[[Context], object]] = {
    "an escalated ticket is open": escalate,
    "the renewal is being negotiated, it is due on 3 Jun 2026": renew_soon,
    "a renewal play is running": run_a_renewal_play,
    "they were asked on 4 May 2026, and 180 days have to pass": ask,
    "they gave one on 4 May 2026, and 180 days have to pass": give,
}


def test_a_promoter_may_be_asked_with_the_reason_and_its_figure(ctx: Context) -> None:
    found = testimonials.testimonial_candidates(ctx)
    assert [(one.account, one.contact, one.because) for one in found.rows] == [
        (FARMS, "Max Nye", ("the latest NPS answer is 10", "130% of the way to the stated goals"))
    ]
    assert found.text.startswith("1 account may be asked for a testimonial now, first Juniper Farms: the latest NPS")
    assert ("Juniper Farms", "latest NPS answer", "10") in [(f.subject, f.measure, f.value) for f in found.facts]
    assert draft_outreach(ctx, FARMS, "testimonial").purpose == "testimonial_email"


@pytest.mark.parametrize(("why", "happens"), OBSTACLES.items())
def test_what_stands_against_asking_is_said_in_the_list_and_when_a_draft_is_wanted(
    ctx: Context, why: str, happens: Callable[[Context], object]
) -> None:
    happens(ctx)
    assert candidate(ctx).not_now == why
    for purpose in ("testimonial", "case_study"):
        with pytest.raises(UserError, match=f"I do not ask Juniper Farms for a .* now: {why}"):
            draft_outreach(ctx, FARMS, purpose)


def test_after_half_a_year_they_may_be_asked_again(ctx: Context, clock: Stepped) -> None:
    ask(ctx)
    clock.now += timedelta(days=181)
    with ctx.session() as session:
        account = session.get_one(Account, key(ctx))
        change(ctx, Account, Account.external_id == "a11", renewal_on=ago(-500))
        assert testimonial_rules.testimonial_obstacle(session, account, ctx.now(), ctx.governance) is None


@pytest.mark.parametrize("happens", [escalate, renew_soon, run_a_renewal_play])
def test_what_comes_up_after_the_approval_stops_the_request_at_the_gate(
    ctx: Context, happens: Callable[[Context], object]
) -> None:
    card = draft_outreach(ctx, FARMS, "testimonial")
    approvals.approve(ctx, card.id, card.content_hash)
    happens(ctx)
    assert outbox.claim_next(ctx) is None
    stopped = approvals.get_draft(ctx, card.id)
    assert stopped.state == DraftState.CANCELLED
    assert stopped.note in OBSTACLES


def test_a_request_does_not_stand_against_itself_at_the_gate(ctx: Context) -> None:
    card = draft_outreach(ctx, FARMS, "testimonial")
    approvals.approve(ctx, card.id, card.content_hash)
    assert outbox.claim_next(ctx) is not None


def test_beyond_the_companys_limit_nobody_is_asked_and_what_is_approved_waits(ctx: Context, tmp_path: Path) -> None:
    own = tmp_path / "governance.toml"
    own.write_text(f"testimonial_cap = {{ messages = 1, days = 30 }}\n{ctx.governance_file.read_text()}")
    ctx = replace(ctx, governance_file=own)
    card = draft_outreach(ctx, FARMS, "testimonial")
    approvals.approve(ctx, card.id, card.content_hash)
    sent(ctx, "a1")
    assert outbox.claim_next(ctx) is None
    assert approvals.get_draft(ctx, card.id).state == DraftState.APPROVED
    found = testimonials.testimonial_candidates(ctx)
    assert found.limit == "we asked 1 customer within 30 days, the most that the rules allow"
    with pytest.raises(UserError, match="we asked 1 customer within 30 days"):
        draft_outreach(ctx, "Elm Street Bakery", "testimonial")


def sent(ctx: Context, external_id: str) -> None:
    """Another account got a request ten days ago."""
    with ctx.session() as session:
        draft = Draft(
            account_id=key(ctx, external_id), contact_id=1, purpose="testimonial_email", message_class="testimonial",
            recipient="r", sender="s", sender_name="S", subject="s", body="b", content_hash="h", state=DraftState.SENT,
            created_by="s", created_at=at(11), expires_at=at(4),
        )  # fmt: skip
        session.add(draft)
        session.flush()
        out = {"idempotency_key": f"k{draft.id}", "content_hash": "h", "next_attempt_at": at(10), "sent_at": at(10)}
        session.add(Outbox(draft_id=draft.id or 0, **out))
        session.commit()


def test_a_plays_request_is_left_out_while_something_stands_against_it(ctx: Context) -> None:
    asking = email("ask", "0h", template="testimonial_email")
    praise = play("praise", trigger={"when": "nps >= 9"}, audience="status = 'active'", steps=[asking])
    escalate(ctx)
    report = run_plays(ctx, ctx.now(), {praise.id: praise})
    report = run_plays(ctx, ctx.now(), {praise.id: praise})
    assert report.counts["draft"] == 0
    with ctx.session() as session:
        step = session.exec(select(PlayStep).where(PlayStep.step == "ask")).one()
        assert (step.state, step.note) == ("skipped", "an escalated ticket is open")


WANTS = re.compile(
    r"\b(?:discount|credit|voucher|gift|reward|bonus|cash|free|%|prize|thank-you (?:from|gift)|off the)\b", re.I
)


@pytest.mark.parametrize(
    "name", [name for name, t in templates().items() if t.message_class == "testimonial" or "review" in name]
)
def test_no_request_for_praise_promises_anything_for_it(name: str) -> None:
    found = templates()[name]
    assert not WANTS.search(f"{found.subject} {found.body}")


def test_a_quote_is_used_only_after_a_second_person_approved_it(ctx: Context) -> None:
    number = give(ctx, may_use_quote=True, may_use_name=True)
    assert testimonial_records.find_testimonials(ctx).total == 0
    with pytest.raises(NotAllowedError, match="approver"):
        testimonial_records.approve_testimonial(ctx, number)
    with pytest.raises(NotAllowedError, match="second pair of eyes"):
        testimonial_records.approve_testimonial(ctx.acting(replace(DANA, role=Role.ADMIN)), number)
    testimonial_records.approve_testimonial(ctx.acting(APPROVER), number)
    found = testimonial_records.find_testimonials(ctx, industry="other", use="report")
    assert found.rows[0][:3] == ("“It halved our paperwork.”", "Max Nye, Juniper Farms", "reporting")
    assert found.facts[0].author == "customer"
    with pytest.raises(StaleError, match="is approved"):
        testimonial_records.approve_testimonial(ctx.acting(APPROVER), number)
    with ctx.session() as session:
        actions = session.exec(select(Audit.action).where(Audit.subject == f"testimonial:{number}")).all()
    assert actions == ["testimonial.collect", "testimonial.approve"]


def test_a_quote_that_the_customer_did_not_allow_cannot_be_approved(ctx: Context) -> None:
    with pytest.raises(UserError, match="has not allowed the quote"):
        testimonial_records.approve_testimonial(ctx.acting(APPROVER), give(ctx, may_use_name=True))


def test_who_wants_no_name_is_named_nowhere_and_not_found_by_it(ctx: Context) -> None:
    change(ctx, Account, Account.external_id == "a11", industry="healthcare")
    testimonial_records.approve_testimonial(ctx.acting(APPROVER), give(ctx, may_use_quote=True))
    found = testimonial_records.find_testimonials(ctx, industry="healthcare")
    assert found.rows[0][1] == "a healthcare customer"
    assert "Juniper" not in repr(found)
    assert "Nye" not in repr(found)
    assert not found.account_ids
    assert testimonial_records.find_testimonials(ctx, account=FARMS).total == 0


def test_what_is_withdrawn_is_never_shown_again(ctx: Context) -> None:
    number = give(ctx, may_use_quote=True)
    testimonial_records.approve_testimonial(ctx.acting(APPROVER), number)
    testimonial_records.withdraw_testimonial(ctx, number, "they asked us to")
    assert testimonial_records.find_testimonials(ctx).total == 0
    with pytest.raises(StaleError, match="is withdrawn"):
        testimonial_records.approve_testimonial(ctx.acting(APPROVER), number)


@pytest.mark.parametrize(
    ("quote", "rating", "contact", "said"),
    [
        ("  ", 5, "Max Nye", "word for word"),
        ("x" * 2001, 5, "Max Nye", "word for word"),
        ("Good", 6, "Max Nye", "one to five stars"),
        ("Good", 0, "Max Nye", "one to five stars"),
        ("Good", 5, "Nobody", "has no contact “Nobody”. Known: Max Nye"),
    ],
)
def test_what_cannot_be_entered_is_said(ctx: Context, quote: str, rating: int, contact: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        testimonial_records.collect_testimonial(ctx, FARMS, contact, quote, rating)


def test_a_milestone_is_an_occasion_only_when_somebody_saw_it_being_met(ctx: Context) -> None:
    with ctx.session() as session:
        first = {"journey": "lifecycle", "milestone": "first_value"}
        session.add(MilestoneMet(account_id=key(ctx), met_on=ago(9), **first))
        session.commit()
    assert not any("milestone" in why for why in candidate(ctx).because)
    with ctx.session() as session:
        session.add(MilestoneMet(account_id=key(ctx), met_on=ago(2), journey="lifecycle", milestone="regular_use"))
        session.commit()
    assert "met a milestone within two weeks" in candidate(ctx).because
