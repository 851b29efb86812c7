"""What did not arrive is listed with its reason, and a person decides; every decision is audited and counts once."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select
from typer.testing import CliRunner

from bot.__main__ import cli
from bot.blocks.outbox import outbox_blocks
from storage.models import Audit, Consent, DraftState, Outbox
from tests.conftest import Stepped
from tools import approvals, outbox
from tools.consent_lists import export_consents, import_consents
from tools.context import SYSTEM, Context
from tools.drafts import DraftCard, draft_outreach
from tools.errors import NotAllowedError, StaleError, UserError
from tools.outbox import MOST_ATTEMPTS
from tools.outbox_desk import mark_as_sent, outbox_desk, send_again


@pytest.fixture
def approved(ctx: Context) -> DraftCard:
    card = draft_outreach(ctx, "Acme Group", "check_in")
    return approvals.approve(ctx, card.id, card.content_hash)


def claimed(ctx: Context) -> Any:
    parcel = outbox.claim_next(ctx)
    assert parcel is not None
    return parcel


def test_what_needs_a_person_comes_first_with_the_reason(ctx: Context, approved: DraftCard) -> None:
    other = draft_outreach(ctx, "Juniper Farms", "check_in")
    assert outbox_desk(ctx).text == "In the outbox: 1 waiting."
    claimed(ctx)
    outbox.mark_failed(ctx, approved.id, "no such mailbox")
    approvals.approve(ctx, other.id, other.content_hash)
    desk = outbox_desk(ctx)
    assert desk.text == "In the outbox: 1 not delivered, 1 waiting."
    assert [(entry.id, entry.state, entry.reason) for entry in desk.entries] == [
        (approved.id, DraftState.FAILED, "no such mailbox"), (other.id, DraftState.APPROVED, ""),
    ]  # fmt: skip
    labels = [e["text"]["text"] for b in outbox_blocks(desk) if b["type"] == "actions" for e in b["elements"]]
    assert labels == ["Send again"]


def test_a_failed_message_is_tried_again_with_the_same_key_and_that_is_audited(
    ctx: Context, approved: DraftCard
) -> None:
    first = claimed(ctx)
    outbox.mark_failed(ctx, approved.id, "no such mailbox")
    assert send_again(ctx, approved.id) == "The message to Cy Diaz is tried again."
    with pytest.raises(StaleError, match="is approved by now"):
        send_again(ctx, approved.id)
    second = claimed(ctx)
    assert (second.idempotency_key, second.attempt) == (first.idempotency_key, 2)
    with ctx.session() as session:
        row = session.exec(select(Audit).where(Audit.action == "draft.send_again")).one()
    assert (row.actor, row.before, row.after) == (
        ctx.actor.email, {"state": "failed", "reason": "no such mailbox"}, {"state": "approved"}
    )  # fmt: skip


def test_an_unclear_message_can_be_counted_as_sent_or_sent_again_and_asks_first(
    ctx: Context, approved: DraftCard
) -> None:
    claimed(ctx)
    outbox.mark_unclear(ctx, approved.id, "the connection broke")
    buttons = [e for b in outbox_blocks(outbox_desk(ctx)) if b["type"] == "actions" for e in b["elements"]]
    assert [(e["text"]["text"], "confirm" in e) for e in buttons] == [("Mark as sent", False), ("Send again", True)]
    assert mark_as_sent(ctx, approved.id) == "The message to Cy Diaz counts as sent."
    with pytest.raises(StaleError):
        send_again(ctx, approved.id)
    assert outbox.claim_next(ctx) is None
    assert outbox_desk(ctx).text == "The outbox is empty: every approved message has left."
    with ctx.session() as session:
        assert session.exec(select(Outbox.sent_at)).one() == ctx.now()


def test_news_of_a_sender_that_comes_late_counts_unless_it_was_tried_again(
    ctx: Context, approved: DraftCard, clock: Stepped
) -> None:
    parcel = claimed(ctx)
    clock.now += timedelta(days=2)  # somebody set the clock while the mail server took its time
    assert [done.state for done in outbox.settle_abandoned(ctx)] == [DraftState.UNCLEAR]
    assert outbox.mark_sent(ctx, parcel.draft_id, parcel.attempt, "<1@x>").state == DraftState.SENT
    with ctx.session() as session:
        assert session.exec(select(Outbox.provider_id)).one() == "<1@x>"


def test_late_news_of_an_earlier_attempt_does_not_settle_a_later_one(
    ctx: Context, approved: DraftCard, clock: Stepped
) -> None:
    first = claimed(ctx)
    clock.now += timedelta(days=2)
    outbox.settle_abandoned(ctx)
    send_again(ctx, approved.id)
    claimed(ctx)
    assert outbox.mark_sent(ctx, first.draft_id, first.attempt).state == DraftState.SENDING


def test_who_sends_again_gives_it_as_many_attempts_again(ctx: Context, approved: DraftCard, clock: Stepped) -> None:
    for _ in range(MOST_ATTEMPTS):
        claimed(ctx)
        done = outbox.mark_waiting(ctx, approved.id, "away")
        clock.now += timedelta(hours=2)
    assert done.state == DraftState.FAILED
    send_again(ctx, approved.id)
    claimed(ctx)
    assert outbox.mark_waiting(ctx, approved.id, "away").state == DraftState.APPROVED


def test_only_those_who_may_approve_it_decide(ctx: Context, approved: DraftCard) -> None:
    from dataclasses import replace

    from storage.models import Role

    claimed(ctx)
    outbox.mark_failed(ctx, approved.id, "no")
    with pytest.raises(NotAllowedError):
        send_again(ctx.acting(replace(ctx.actor, role=Role.VIEWER)), approved.id)
    with pytest.raises(UserError, match="no message 99"):
        send_again(ctx, 99)


def test_consents_go_out_and_come_in_once_and_bad_lines_are_named(ctx: Context) -> None:
    admin = ctx.acting(SYSTEM)
    lines = (
        "contact,channel,class,granted,source,at", "c3,email,marketing,no,=call,2026-05-01T10:00:00+00:00",
        "nobody,email,marketing,no,call,", "c3,fax,marketing,no,call,", "c3,email,all,yes,form,not a day",
        "cy@customer.example,sms,all,yes,form,",
    )  # fmt: skip
    done = import_consents(admin, "\n".join(lines))
    assert (done.added, [error[:8] for error in done.errors]) == (2, ["line 3: ", "line 4: ", "line 5: "])
    with ctx.session() as session:
        assert [row.granted for row in session.exec(select(Consent))] == [False, True]
    again = import_consents(admin, export_consents(admin))
    assert (again.added, again.known, again.errors) == (0, 2, ())


def test_the_command_line_lists_the_outbox_and_takes_lists_in(
    ctx: Context, approved: DraftCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed(ctx)
    outbox.mark_failed(ctx, approved.id, "no such mailbox")
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "filled"))
    run = CliRunner().invoke
    assert "no such mailbox" in run(cli, ["outbox"]).stdout
    assert "is tried again" in run(cli, ["outbox", "--retry", str(approved.id)]).stdout
    (tmp_path / "list.csv").write_text("address\na@x.example\nnonsense\n")
    taken = run(cli, ["suppressions", "import", str(tmp_path / "list.csv")])
    assert (taken.exit_code, "1 new, 0 known already, 1 left out" in taken.stdout) == (1, True)
    assert "email,a@x.example,list" in run(cli, ["suppressions", "export"]).stdout
