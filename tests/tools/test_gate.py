"""Consent, suppression, hours and caps: what may not go out does not, and what has to wait says until when."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from storage.models import Audit, Consent, Contact, DraftState, Outbox, Role
from tests.conftest import Stepped
from tests.tools.portfolio import NOW
from tools import approvals, outbox
from tools.consent import (
    export_suppressions,
    import_suppressions,
    list_consents,
    record_consent,
    release,
    set_consent,
    suppress,
)
from tools.context import SYSTEM, Context
from tools.drafts import DraftCard, draft_outreach
from tools.errors import NotAllowedError, UserError
from tools.governance import GOVERNANCE, MessageClass, load_governance
from tools.unsubscribing import make_token, proof, read_token, resubscribe, subscription, unsubscribe

CY = "cy@customer.example"  # champion of Acme Group
KEY = b"k" * 32


@pytest.fixture
def ctx(ctx: Context, tmp_path: Path) -> Context:
    """Under the rules that come along, but for the time to take an approval back."""
    return rules(ctx, tmp_path, "undo_seconds = 60", "undo_seconds = 0")


@pytest.fixture
def approved(ctx: Context) -> DraftCard:
    card = draft_outreach(ctx, "Acme Group", "check_in")
    return approvals.approve(ctx, card.id, card.content_hash)


def contact(ctx: Context, email: str = CY) -> Contact:
    with ctx.session() as session:
        return session.exec(select(Contact).where(Contact.email == email)).one()


def after_the_gate(ctx: Context, card: DraftCard) -> tuple[DraftState, str]:
    parcel = outbox.claim_next(ctx)
    shown = approvals.get_draft(ctx, card.id)
    assert (parcel is not None) == (shown.state == DraftState.SENDING)
    return shown.state, shown.note


def rules(ctx: Context, tmp_path: Path, old: str, new: str) -> Context:
    own = tmp_path / "governance.toml"
    text = (own if own.exists() else GOVERNANCE).read_text()
    assert old in text
    (tmp_path / "governance.toml").write_text(text.replace(old, new))
    return replace(ctx, governance_file=tmp_path / "governance.toml")


def say(ctx: Context, message_class: str, granted: bool, channel: str = "email") -> None:
    with ctx.session() as session:
        record_consent(ctx, session, contact(ctx), channel, message_class, granted, "call on 1 May")
        session.commit()


@pytest.mark.parametrize(("message_class", "stops"), [("service", True), ("all", True), ("marketing", False)])
def test_a_refusal_holds_for_its_class_and_comes_with_its_source(
    ctx: Context, approved: DraftCard, message_class: str, stops: bool
) -> None:
    say(ctx, message_class, False)
    state, note = after_the_gate(ctx, approved)
    assert state == (DraftState.CANCELLED if stops else DraftState.SENDING)
    assert note == ("Cy Diaz refused service messages on 4 May 2026 (call on 1 May)" if stops else "")


def test_the_newest_word_of_a_contact_counts(ctx: Context, approved: DraftCard) -> None:
    say(ctx, "service", False)
    say(ctx, "all", True)
    assert after_the_gate(ctx, approved)[0] == DraftState.SENDING


def test_where_consent_is_required_its_absence_stops(ctx: Context, approved: DraftCard, tmp_path: Path) -> None:
    strict = rules(
        ctx, tmp_path, '[classes.service]\nconsent = "unless_refused"', '[classes.service]\nconsent = "required"'
    )
    assert after_the_gate(strict, approved) == (
        DraftState.CANCELLED, "there is no consent of Cy Diaz to service messages by email"
    )  # fmt: skip


def test_a_suppressed_address_gets_nothing_until_an_admin_releases_it(ctx: Context, approved: DraftCard) -> None:
    with ctx.session() as session:
        assert suppress(ctx, session, "email", " CY@customer.example ", "hard bounce")
        assert not suppress(ctx, session, "email", CY, "again")
        session.commit()
    state, note = after_the_gate(ctx, approved)
    assert (state, note) == (
        DraftState.CANCELLED, "nothing is sent to this address any more since 4 May 2026: hard bounce"
    )  # fmt: skip
    with pytest.raises(NotAllowedError):
        release(ctx, "email", CY, "mistake")
    admin = ctx.acting(SYSTEM)
    with pytest.raises(UserError, match="Say why"):
        release(admin, "email", CY, " ")
    assert release(admin, "email", CY, "a typo in their server") == f"Messages may go to {CY} again."
    with ctx.session() as session:
        actions = [row.action for row in session.exec(select(Audit)) if row.action.startswith("suppression")]
    assert actions == ["suppression.add", "suppression.release"]


@pytest.mark.parametrize(
    ("moment", "waits_until"),
    [
        (datetime(2026, 5, 4, 5, 59, tzinfo=UTC), datetime(2026, 5, 4, 7, tzinfo=UTC)),  # Monday, early
        (datetime(2026, 5, 4, 21, 0, tzinfo=UTC), datetime(2026, 5, 5, 7, tzinfo=UTC)),  # Monday, late
        (datetime(2026, 5, 8, 22, 0, tzinfo=UTC), datetime(2026, 5, 11, 7, tzinfo=UTC)),  # Friday, late
        (datetime(2026, 5, 9, 12, 0, tzinfo=UTC), datetime(2026, 5, 11, 7, tzinfo=UTC)),  # Saturday
    ],
)
def test_outside_of_the_contacts_hours_a_message_waits_and_says_until_when(
    ctx: Context, clock: Stepped, moment: datetime, waits_until: datetime
) -> None:
    clock.now = moment
    card = draft_outreach(ctx, "Acme Group", "check_in")
    approvals.approve(ctx, card.id, card.content_hash)
    state, note = after_the_gate(ctx, card)
    assert state == DraftState.APPROVED
    assert note == f"goes {waits_until:%A %H:%M}, in Cy Diaz's own hours"
    clock.now = waits_until
    assert after_the_gate(ctx, card)[0] == DraftState.SENDING


def test_the_hours_are_those_of_the_contacts_time_zone(ctx: Context, approved: DraftCard) -> None:
    with ctx.session() as session:
        found = session.exec(select(Contact).where(Contact.email == CY)).one()
        found.time_zone = "America/Los_Angeles"  # it is two in the morning there
        session.commit()
    assert after_the_gate(ctx, approved) == (DraftState.APPROVED, "goes Monday 07:00, in Cy Diaz's own hours")


HOURS = MessageClass(consent="required", hours=(8, 18), weekends=False, unsubscribe=True)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia", "Asia/Kolkata"]),
)
def test_the_time_that_is_waited_for_is_open_and_never_earlier(moment: datetime, zone: str) -> None:
    from zoneinfo import ZoneInfo

    opens = HOURS.open_at(moment, zone)
    local = opens.astimezone(ZoneInfo(zone))
    assert opens >= moment
    assert opens - moment < timedelta(days=4)
    assert 8 <= local.hour < 18
    assert local.weekday() < 5


def test_caps_hold_over_plays_and_people_and_end_by_themselves(ctx: Context, clock: Stepped, tmp_path: Path) -> None:
    ctx = rules(ctx, tmp_path, "contact_cap = { messages = 3", "contact_cap = { messages = 1")
    first, second = (draft_outreach(ctx, "Acme Group", purpose) for purpose in ("check_in", "adoption"))
    assert first.recipient == second.recipient == CY
    for card in (first, second):
        approvals.approve(ctx, card.id, card.content_hash)
    assert after_the_gate(ctx, first)[0] == DraftState.SENDING
    outbox.mark_sent(ctx, first.id)
    assert after_the_gate(ctx, second) == (
        DraftState.APPROVED, "Cy Diaz got 1 message within 7 days, the most that is allowed"
    )  # fmt: skip
    clock.now += timedelta(days=7)
    assert after_the_gate(ctx, second)[0] == DraftState.SENDING


def test_a_contact_of_another_account_is_never_written_to(ctx: Context, approved: DraftCard) -> None:
    with ctx.session() as session:
        session.exec(select(Contact).where(Contact.email == CY)).one().account_id = 1
        session.commit()
    assert after_the_gate(ctx, approved) == (DraftState.CANCELLED, "Cy Diaz is no contact of Acme Group")


def test_consent_is_recorded_by_hand_with_its_source_and_listed(ctx: Context) -> None:
    said = set_consent(ctx, "Acme Group", "cy diaz", "email", "marketing", False, "call on 3 May")
    assert said == "Cy Diaz refuses marketing messages by email."
    assert list_consents(ctx, "Acme Group").rows == (
        ("Cy Diaz", "marketing, email", "refused", "4 May 2026", "call on 3 May"),
    )
    assert list_consents(ctx, "Cedar Freight").rows[0][:3] == ("Ed Frost", "everything", "refused")
    with pytest.raises(UserError, match="needs a source"):
        set_consent(ctx, "Acme Group", CY, "email", "marketing", True, " ")
    with pytest.raises(UserError, match=r"no contact “Zoe”. Known: Bo Chen, Cy Diaz, Di Evans"):
        set_consent(ctx, "Acme Group", "Zoe", "email", "marketing", True, "call")
    with pytest.raises(NotAllowedError):
        set_consent(ctx.acting(replace(ctx.actor, role=Role.VIEWER)), "Acme Group", CY, "email", "marketing", True, "x")


def test_suppression_lists_go_out_and_come_in_and_bad_lines_are_named(ctx: Context) -> None:
    admin = ctx.acting(SYSTEM)
    lines = ("channel,address,reason", "email,a@x.example,bounce", "email,not an address,", "sms,+49 30 1234567,asked")
    text = "\n".join((*lines, ",b@x.example,", ""))
    done = import_suppressions(admin, text)
    assert (done.added, done.known, done.errors) == (3, 0, ("line 3: “not an address” is no address",))
    assert import_suppressions(admin, export_suppressions(admin)).known == 3
    with pytest.raises(UserError, match="must name the columns: channel, address, reason"):
        import_suppressions(admin, "a@x.example\n")
    with pytest.raises(NotAllowedError):
        import_suppressions(ctx, text)


# ── unsubscribing ──


def test_a_token_stands_for_one_contact_and_class_and_cannot_be_changed(ctx: Context) -> None:
    mine = contact(ctx)
    token = make_token(KEY, "main", mine.id or 0, "marketing")
    assert read_token(KEY, token) == ("main", mine.id, "marketing")
    other = make_token(b"o" * 32, "main", mine.id or 0, "marketing")
    head, _, signature = token.partition(".")
    forged = make_token(KEY, "main", 1, "marketing").partition(".")[0] + "." + signature
    for bad in (other, forged, head, "", "a.b", token + "x", "é.ü", "x" * 5000):
        with pytest.raises(UserError, match="This link is not"):
            read_token(KEY, bad)


def test_unsubscribing_adds_one_row_proves_it_and_can_be_taken_back(ctx: Context) -> None:
    number = contact(ctx).id or 0
    assert subscription(ctx, number, "marketing").refused == ""
    found = [unsubscribe(ctx, number, "marketing") for _ in range(3)][-1]
    with ctx.session() as session:
        rows = session.exec(select(Consent)).all()
    assert [(row.id, row.granted, row.message_class, row.source) for row in rows] == [
        (found.reference, False, "marketing", "unsubscribe link")
    ]
    assert proof(found) == (
        f"No marketing message is sent to {CY} any more. Stored on 4 May 2026, 09:00 UTC, reference {rows[0].id}."
    )
    assert resubscribe(ctx, number, "marketing").refused == ""
    assert unsubscribe(ctx, number, "marketing", everything=True).refused == "all"


def test_rules_that_cannot_be_read_send_nothing_and_name_the_line(
    ctx: Context, approved: DraftCard, tmp_path: Path
) -> None:
    broken = rules(ctx, tmp_path, "weekends = false\nunsubscribe = false", "weekend = false\nunsubscribe = false")
    with pytest.raises(UserError, match=r"nothing is sent: governance\.toml, line \d+: .*did you mean .?weekends"):
        outbox.claim_next(broken)
    assert approvals.get_draft(ctx, approved.id).state == DraftState.APPROVED
    assert load_governance(GOVERNANCE).classes["service"].hours == (7, 21)
    with ctx.session() as session:
        assert session.exec(select(Outbox.attempts)).one() == 0


def test_the_contact_who_opted_out_is_told_with_the_day(ctx: Context, approved: DraftCard) -> None:
    with ctx.session() as session:
        session.exec(select(Contact).where(Contact.email == CY)).one().opted_out_on = date(2026, 5, 4)
        session.commit()
    assert NOW.date() == date(2026, 5, 4)
    assert after_the_gate(ctx, approved)[1] == "Cy Diaz wants no messages since 4 May 2026"
