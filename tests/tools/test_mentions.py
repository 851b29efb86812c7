"""Each text is read once, the sentence that matters is kept, and denials are not."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlmodel import Session, col, select

from scoring.mentions import MENTIONS, load_mentions
from storage.database import Database, insert_rows
from storage.models import Account, Interaction, Mention, SurveyResponse, Ticket
from storage.usage import UsageStore
from tests.tools.portfolio import TODAY, ago, at, context
from tools import mentions
from tools.context import Context
from tools.mentions import scan_mentions

PATTERNS = load_mentions()


@pytest.fixture
def session(any_database: Database) -> Iterator[Session]:
    with any_database.session("main") as session:
        session.add(Account(external_id="a1", name="Acme", started_on=ago(400)))
        session.commit()
        yield session


@pytest.fixture
def ctx(any_database: Database, tmp_path: Path) -> Context:
    return context(any_database, UsageStore(str(tmp_path)))


def ticket(session: Session, key: str, text: str, days: int = 1) -> Ticket:
    account = session.exec(select(Account)).one()
    row = Ticket(external_id=key, account_id=account.id or 0, opened_at=at(days), subject="Question", text=text)
    session.add(row)
    session.commit()
    return row


def stored(session: Session) -> list[tuple[str, str, date, str]]:
    session.expire_all()
    found = session.exec(select(Mention).order_by(col(Mention.source), col(Mention.source_id), col(Mention.kind)))
    return [(m.source, m.kind, m.said_on, m.quote) for m in found]


def test_tickets_inbound_messages_and_survey_comments_are_read_and_outbound_ones_are_not(
    ctx: Context, session: Session
) -> None:
    ticket(session, "t1", "Hello. How do we cancel our contract? Thanks")
    ticket(session, "t2", "We are not cancelling. Could you cancel the meeting?")
    own = {"account_id": 1, "channel": "email", "at": at(2)}
    words = "Please export all our data."
    insert_rows(session, Interaction, [
        {**own, "external_id": "n1", "direction": "out", "subject": None, "text": words},
        {**own, "external_id": "n2", "direction": "in", "subject": words, "text": None},
    ])  # fmt: skip
    answer = {"account_id": 1, "kind": "nps", "score": 3.0, "answered_on": ago(3)}
    insert_rows(session, SurveyResponse, [
        {**answer, "external_id": "s1", "comment": "It is too expensive for us."},
        {**answer, "external_id": "s2", "comment": None},
    ])  # fmt: skip
    done = scan_mentions(ctx, session, TODAY, PATTERNS)
    assert (done.texts, done.found, done.removed) == (4, 3, 0)
    assert stored(session) == [
        ("interaction", "export", ago(2), "Please export all our data."),
        ("survey", "budget", ago(3), "It is too expensive for us."),
        ("ticket", "cancellation", ago(1), "How do we cancel our contract?"),
    ]


def test_a_text_is_read_once_and_a_new_one_the_next_time(ctx: Context, session: Session) -> None:
    ticket(session, "t1", "We want to cancel.", days=100)
    assert scan_mentions(ctx, session, TODAY, PATTERNS).texts == 1
    before = stored(session)
    again = scan_mentions(ctx, session, TODAY, PATTERNS)
    assert (again.texts, again.found, again.removed, stored(session)) == (0, 0, 0, before)
    ticket(session, "t2", "Our lawyers will call.", days=50)
    assert scan_mentions(ctx, session, TODAY, PATTERNS).texts == 1
    assert [kind for _, kind, *_ in stored(session)] == ["cancellation", "legal"]


def test_a_text_of_the_last_week_that_changes_is_read_again(ctx: Context, session: Session) -> None:
    young, old = ticket(session, "t1", "We want to cancel."), ticket(session, "t2", "We want to cancel.", days=30)
    scan_mentions(ctx, session, TODAY, PATTERNS)
    young.text = old.text = "All is well. What is on your roadmap?"
    session.add_all([young, old])
    session.commit()
    done = scan_mentions(ctx, session, TODAY, PATTERNS)
    assert (done.texts, done.found, done.removed) == (1, 1, 1)
    assert [kind for _, kind, *_ in stored(session)] == ["roadmap", "cancellation"]


def test_other_patterns_read_every_text_again_and_drop_what_no_longer_counts(
    ctx: Context, session: Session, tmp_path: Path
) -> None:
    ticket(session, "t1", "Helmdesk looks nice. Newcomer too.", days=90)
    scan_mentions(ctx, session, TODAY, PATTERNS)
    own = tmp_path / "own.toml"
    own.write_text(MENTIONS.read_text().replace('"Helmdesk"', '"Newcomer"'))
    done = scan_mentions(ctx, session, TODAY, load_mentions(own))
    assert (done.texts, done.found, done.removed) == (1, 1, 1)
    assert [quote for *_, quote in stored(session)] == ["Newcomer too."]


def test_many_texts_of_two_workspaces_are_read_page_by_page(
    ctx: Context, session: Session, any_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mentions, "BATCH", 3)
    with any_database.session("other") as other:
        other.add(Account(external_id="x", name="X", started_on=ago(9)))
        other.commit()
        for n in range(10):
            theirs = other.exec(select(Account)).one()
            other.add(Ticket(external_id=f"x{n}", account_id=theirs.id or 0, opened_at=at(1), text="Cancel our plan!"))
        other.commit()
    for n in range(8):
        ticket(session, f"t{n}", "Cancel our plan!", days=n * 20)
    assert scan_mentions(ctx, session, TODAY, PATTERNS).texts == 8
    session.commit()
    assert len(stored(session)) == 8
    assert scan_mentions(ctx, session, TODAY - timedelta(days=300), PATTERNS).found == 0
