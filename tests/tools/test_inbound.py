"""Replies, bounces and complaints are matched to their message, count once, and have their consequences."""

from dataclasses import replace

import pytest
from sqlmodel import select

from storage.models import Consent, Contact, Draft, DraftState, Inbound, Interaction, Outbox, Suppression
from tests.conftest import Stepped
from tools import approvals, outbox
from tools.context import Context
from tools.drafts import DraftCard, draft_outreach
from tools.errors import UserError
from tools.inbound import Report, record_inbound
from tools.play_facts import play_table

CY = "cy@customer.example"
MAIL = "<one@team.example>"


@pytest.fixture
def ctx(ctx: Context) -> Context:
    return replace(ctx, hears_replies=True)


@pytest.fixture
def sent(ctx: Context) -> DraftCard:
    card = draft_outreach(ctx, "Acme Group", "check_in")
    approvals.approve(ctx, card.id, card.content_hash)
    parcel = outbox.claim_next(ctx)
    assert parcel is not None
    outbox.mark_sent(ctx, parcel.draft_id, parcel.attempt, MAIL)
    return card


def reply(key: str = "<r1@customer.example>", about: tuple[str, ...] = (MAIL,), address: str = CY) -> Report:
    return Report(key, "reply", address, "Thursday suits me.", about)


def test_a_reply_counts_once_for_its_contact_and_the_message_that_it_answers(ctx: Context, sent: DraftCard) -> None:
    with ctx.session() as session:
        assert session.exec(select(Interaction.replied)).all() == [False]
    heard = [record_inbound(ctx, reply()) for _ in range(3)]
    assert [each.new for each in heard] == [True, False, False]
    assert {(each.draft_id, each.owner, each.id) for each in heard} == {(sent.id, ctx.actor.email, heard[0].id)}
    assert heard[0].text == f"Cy Diaz at Acme Group replied to “{sent.subject}”. Plays that wait for an answer stop."
    with ctx.session() as session:
        assert session.exec(select(Contact.last_reply_on).where(Contact.email == CY)).one() == ctx.today()
        rows = {row.direction: row for row in session.exec(select(Interaction))}
    assert (rows["out"].replied, rows["out"].replied_on, rows["out"].channel) == (True, ctx.today(), "email")
    assert (rows["in"].text, rows["in"].contact_external_id, len(rows)) == ("Thursday suits me.", "c3", 2)


def test_plays_see_a_reply_at_once(ctx: Context, sent: DraftCard) -> None:
    record_inbound(ctx, reply())
    with ctx.session() as session:
        table = play_table(ctx, session, ctx.today())
    at = dict(table.select("account", "replied_at").iter_rows())["a2"]
    assert at is not None
    assert at.date() >= ctx.today()


@pytest.mark.parametrize(
    ("about", "matched"),
    [((MAIL,), True), (("<other@x>", MAIL), True), (("key",), True), (("<other@x>",), False), ((), False)],
)
def test_a_report_is_matched_by_what_it_names_and_otherwise_only_to_the_contact(
    ctx: Context, sent: DraftCard, about: tuple[str, ...], matched: bool
) -> None:
    with ctx.session() as session:
        key = session.exec(select(Outbox.idempotency_key)).one()
    heard = record_inbound(ctx, reply(about=tuple(key if name == "key" else name for name in about)))
    assert heard.draft_id == (sent.id if matched else None)
    assert heard.owner == ctx.actor.email


def test_a_hard_bounce_stops_the_address_and_a_soft_one_is_only_noted(ctx: Context, sent: DraftCard) -> None:
    soft = record_inbound(ctx, Report("s", "bounce", CY, "4.2.2 mailbox full", (MAIL,)))
    with ctx.session() as session:
        assert session.exec(select(Suppression)).all() == []
    assert soft.text == ""
    hard = record_inbound(ctx, Report("h", "bounce", CY.upper(), "5.1.1 no such user", (MAIL,), hard=True))
    assert (
        hard.text
        == f"Mail to Cy Diaz at Acme Group came back for good to “{sent.subject}”: is {CY.upper()} still right?"
    )
    with ctx.session() as session:
        (row,) = session.exec(select(Suppression)).all()
        draft = session.get_one(Draft, sent.id)
    assert (row.address, row.reason) == (CY, "mail came back: 5.1.1 no such user")
    assert (draft.state, draft.reason) == (DraftState.SENT, "it came back: 5.1.1 no such user")
    second = draft_outreach(ctx, "Acme Group", "adoption")
    approvals.approve(ctx, second.id, second.content_hash)
    assert outbox.claim_next(ctx) is None
    assert "mail came back" in approvals.get_draft(ctx, second.id).note


def test_a_complaint_refuses_everything(ctx: Context, sent: DraftCard) -> None:
    heard = record_inbound(ctx, Report("c", "complaint", CY, "abuse", (MAIL,)))
    assert "nothing is sent to them any more" in heard.text
    with ctx.session() as session:
        consent = session.exec(select(Consent)).one()
        assert session.exec(select(Suppression.reason)).one() == "a complaint: abuse"
    assert (consent.granted, consent.message_class, consent.source) == (False, "all", "complaint")


def test_a_report_about_nobody_we_know_is_kept_and_tells_nobody(ctx: Context) -> None:
    heard = record_inbound(ctx, reply(about=(), address="stranger@x.example"))
    assert (heard.new, heard.owner, heard.text) == (True, None, "")
    with ctx.session() as session:
        assert session.exec(select(Inbound.address)).one() == "stranger@x.example"


@pytest.mark.parametrize("report", [reply(key=" "), reply(key="<a>\r\nBcc: x"), reply(address="")])
def test_a_report_that_cannot_be_read_changes_nothing(ctx: Context, sent: DraftCard, report: Report) -> None:
    with pytest.raises(UserError, match="needs"):
        record_inbound(ctx, report)
    with ctx.session() as session:
        assert session.exec(select(Inbound)).all() == []


def test_the_next_mail_answers_the_reply(ctx: Context, sent: DraftCard, clock: Stepped) -> None:
    record_inbound(ctx, reply())
    second = draft_outreach(ctx, "Acme Group", "adoption")
    approvals.approve(ctx, second.id, second.content_hash)
    parcel = outbox.claim_next(ctx)
    assert parcel is not None
    assert (parcel.recipient, parcel.in_reply_to) == (CY, "<r1@customer.example>")
    with ctx.session() as session:
        assert session.exec(select(Outbox.in_reply_to).where(Outbox.draft_id == second.id)).one() == parcel.in_reply_to


def test_a_mail_to_who_never_answered_begins_a_conversation_of_its_own(ctx: Context, sent: DraftCard) -> None:
    second = draft_outreach(ctx, "Acme Group", "adoption")
    approvals.approve(ctx, second.id, second.content_hash)
    parcel = outbox.claim_next(ctx)
    assert parcel is not None
    assert parcel.in_reply_to is None
