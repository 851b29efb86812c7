"""Approved mail leaves exactly once over a real SMTP server, and every trouble is said where people see it."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from sqlmodel import select

from bot.delivery import DeliveryWorker, deliver_next
from bot.local.mailbox import Mailbox, free_port
from bot.senders import SendError
from bot.senders.email import EmailSender
from storage.models import DraftState, Outbox
from tools import approvals
from tools.context import Context
from tools.drafts import DraftCard, draft_outreach
from tools.outbox import FIRST_WAIT, SENDING_LEASE, Outcome, Parcel

FROM = "success@team.example"
PARCEL = Parcel(1, "draft-1-abc", "email", "ann@customer.example", "Ann Lee", "dana@team.example", "Dana", "Hi", "Text")


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    box.start()
    yield box
    box.stop()


@pytest.fixture
def sender(mailbox: Mailbox) -> EmailSender:
    return EmailSender(mailbox.url, FROM, "Tend Ltd, 1 High Street, London")


@pytest.fixture
def approved(ctx: Context) -> DraftCard:
    card = draft_outreach(ctx, "Acme Group", "check_in")
    return approvals.approve(ctx, card.id, card.content_hash)


def deliver(ctx: Context, sender: EmailSender) -> list[Outcome]:
    """Deliver all that is due; returns how each changed card stood then."""
    changed: list[Outcome] = []
    while deliver_next(ctx, {"email": sender}, changed.append):
        pass
    return changed


def entry(ctx: Context) -> Outbox:
    with ctx.session() as session:
        return session.exec(select(Outbox)).one()


def test_an_approved_mail_arrives_exactly_as_approved(
    ctx: Context, mailbox: Mailbox, sender: EmailSender, approved: DraftCard
) -> None:
    assert [card.state for card in deliver(ctx, sender)] == [DraftState.SENT]
    (mail,) = mailbox.messages
    assert mail.text.replace("\r\n", "\n") == f"{approved.body}\n\n-- \nTend Ltd, 1 High Street, London\n"
    assert (mail.subject, mail.envelope_to, mail.envelope_from) == (approved.subject, ("cy@customer.example",), FROM)
    assert mail.from_ == f"Dana Reyes <{FROM}>"
    assert mail.headers["Reply-To"] == "Dana Reyes <dana@team.example>"
    assert mail.message_id == f"<{entry(ctx).idempotency_key}@team.example>"
    assert deliver(ctx, sender) == []


def test_nothing_goes_out_without_approval(ctx: Context, mailbox: Mailbox, sender: EmailSender) -> None:
    card = draft_outreach(ctx, "Acme Group", "check_in")
    assert deliver(ctx, sender) == []
    approvals.reject(ctx, card.id, card.content_hash, "no")
    assert deliver(ctx, sender) == []
    assert mailbox.messages == []


def test_workers_at_the_same_time_send_each_mail_once(
    ctx: Context, mailbox: Mailbox, sender: EmailSender, approved: DraftCard
) -> None:
    other = draft_outreach(ctx, "Juniper Farms", "check_in")
    approvals.approve(ctx, other.id, other.content_hash)
    mailbox.slow = 0.1
    threads = [threading.Thread(target=deliver, args=(ctx, sender)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(mail.to for mail in mailbox.messages) == [
        "Cy Diaz <cy@customer.example>",
        "Max Nye <max@customer.example>",
    ]


def test_while_the_mail_server_is_down_mail_waits_and_says_so(
    ctx: Context, mailbox: Mailbox, sender: EmailSender, approved: DraftCard, clock: Any
) -> None:
    mailbox.refuse()
    waits = []
    for _ in range(3):
        (card,) = deliver(ctx, sender)
        assert card.state == DraftState.APPROVED
        assert card.note == "the mail server cannot be reached (ConnectionRefusedError)"
        waits.append(entry(ctx).next_attempt_at - clock.now)
        assert deliver(ctx, sender) == []  # not hammered
        clock.now += waits[-1]
    assert waits == [FIRST_WAIT, FIRST_WAIT * 2, FIRST_WAIT * 4]
    mailbox.start()
    (card,) = deliver(ctx, sender)
    assert (card.state, card.note, len(mailbox.messages)) == (DraftState.SENT, "", 1)


def test_a_temporary_refusal_is_tried_again(
    ctx: Context, mailbox: Mailbox, sender: EmailSender, approved: DraftCard, clock: Any
) -> None:
    mailbox.fail_next("temporary")
    (card,) = deliver(ctx, sender)
    assert (card.state, card.note) == (DraftState.APPROVED, "the mail server said 451 4.3.0 Try again later")
    clock.now += FIRST_WAIT
    assert [card.state for card in deliver(ctx, sender)] == [DraftState.SENT]


def test_a_permanent_refusal_fails_with_what_the_server_said(
    ctx: Context, mailbox: Mailbox, sender: EmailSender, approved: DraftCard, clock: Any
) -> None:
    mailbox.fail_next("permanent")
    (card,) = deliver(ctx, sender)
    assert (card.state, card.note) == (DraftState.FAILED, "the mail server said 554 5.1.1 No such mailbox")
    clock.now += timedelta(days=1)
    assert deliver(ctx, sender) == []


def test_a_connection_that_breaks_after_the_text_is_unclear_and_never_tried_again(
    ctx: Context, mailbox: Mailbox, sender: EmailSender, approved: DraftCard, clock: Any
) -> None:
    mailbox.fail_next("drop_after_data")
    (card,) = deliver(ctx, sender)
    assert card.state == DraftState.UNCLEAR
    assert "the connection broke while the message was handed over" in card.note
    clock.now += timedelta(days=1)
    assert deliver(ctx, sender) == []
    assert len(mailbox.messages) == 1


def test_a_mail_whose_worker_vanished_is_shown_as_unclear(
    ctx: Context, mailbox: Mailbox, sender: EmailSender, approved: DraftCard, clock: Any
) -> None:
    from tools import outbox

    outbox.claim_next(ctx)  # and then the process dies
    assert deliver(ctx, sender) == []
    clock.now += SENDING_LEASE + timedelta(seconds=1)
    assert [card.state for card in deliver(ctx, sender)] == [DraftState.UNCLEAR]
    assert mailbox.messages == []


def test_without_a_mail_server_in_the_settings_mail_waits_and_says_so(ctx: Context, approved: DraftCard) -> None:
    changed: list[Outcome] = []
    deliver_next(ctx, {}, changed.append)
    assert [(card.state, card.note) for card in changed] == [
        (DraftState.APPROVED, "nothing is set up to send by email (SMTP_URL)")
    ]


def test_an_unforeseen_error_of_a_sender_is_unclear_at_once(ctx: Context, approved: DraftCard) -> None:
    class Broken:
        def send(self, parcel: Parcel, ctx: Context) -> None:
            raise RuntimeError("secret words")

    changed: list[Outcome] = []
    assert deliver_next(ctx, {"email": Broken()}, changed.append)
    assert [(card.state, card.note) for card in changed] == [(DraftState.UNCLEAR, "sending broke off (RuntimeError)")]


@pytest.mark.parametrize(
    "parcel",
    [
        Parcel(1, "k", "email", "ann@customer.example", "Ann\nBcc: x@y.example", "d@team.example", "D", "Hi", "Text"),
        Parcel(1, "k", "email", "ann@customer.example", "Ann", "d@team.example", "D", "Hi\r\nBcc: x@y.example", "Text"),
        Parcel(1, "k", "email", "änn@customer.example", "Ann", "d@team.example", "D", "Hi", "Text"),
    ],
    ids=["name", "subject", "address"],
)
def test_a_mail_that_cannot_be_written_fails_and_nothing_is_smuggled(
    ctx: Context, mailbox: Mailbox, sender: EmailSender, parcel: Parcel
) -> None:
    with pytest.raises(SendError) as failed:
        sender.send(parcel, ctx)
    assert failed.value.permanent
    assert mailbox.messages == []


def test_letters_of_every_language_arrive(ctx: Context, mailbox: Mailbox, sender: EmailSender) -> None:
    text = "Grüße aus Łódź — 日本 ✓\n.\n..two dots"
    sender.send(Parcel(1, "k", "email", "ann@customer.example", "Añn", "d@team.example", "Zoë", "Grüße ✓", text), ctx)
    (mail,) = mailbox.messages
    assert (mail.subject, mail.to, mail.from_) == ("Grüße ✓", "Añn <ann@customer.example>", f"Zoë <{FROM}>")
    assert mail.text.replace("\r\n", "\n").startswith(text)


class Wire:
    """Keeps the bytes as they came over the wire."""

    def __init__(self) -> None:
        self.raw = b""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.raw = envelope.original_content
        return "250 OK"


def test_every_line_ends_as_mail_servers_demand(ctx: Context) -> None:
    """Many refuse a bare line feed, which others have used to smuggle mail."""
    wire = Wire()
    port = free_port()
    controller = Controller(wire, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        EmailSender(f"smtp://127.0.0.1:{port}", FROM).send(PARCEL, ctx)
    finally:
        controller.stop()
    assert wire.raw.count(b"\n") == wire.raw.count(b"\r\n") > 5
    assert message_from_bytes(wire.raw, policy=policy.default)["Subject"] == "Hi"


def test_the_check_connects_without_sending(mailbox: Mailbox, sender: EmailSender) -> None:
    sender.check()
    assert mailbox.messages == []
    mailbox.refuse()
    with pytest.raises(ConnectionRefusedError):
        sender.check()


def test_the_worker_empties_every_outbox_when_it_is_woken(
    ctx: Context, mailbox: Mailbox, sender: EmailSender, approved: DraftCard
) -> None:
    done = threading.Event()
    told: list[DraftState] = []

    def changed(ctx: Context, card: Outcome) -> None:
        told.append(card.state)
        done.set()

    worker = DeliveryWorker(lambda: [ctx], {"email": sender}, changed)
    worker.start()
    worker.wake()
    assert done.wait(5)
    worker.stop()
    assert told == [DraftState.SENT]
    assert len(mailbox.messages) == 1
