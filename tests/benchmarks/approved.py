"""An outbox with thousands of approved messages, and drafts that wait for a click."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlmodel import select

from storage.database import Database, insert_rows
from storage.models import Account, Approval, Contact, Draft, DraftState, Outbox, ScoringRun, User, Workspace
from tests.tools import portfolio
from tools.drafts import content_hash

TEXT = """Hello {name},

last month your team opened 412 tickets and answered 96 % of them within a day; in spring it was 71 %.
Two colleagues have not signed in since the 3rd of May. I have put together a short tour for them:
https://help.team.example/tour?week=22

Would Thursday at ten suit you for a quarter of an hour?

Best wishes
Dana"""


def fill(database: Database, team: str, messages: int, waiting: int, contacts_each: int = 4) -> None:
    """Write accounts with contacts, a message to each contact, and the approvals of all but the `waiting` ones."""
    total, now = messages + waiting, datetime.now(UTC)
    with database.unbound() as session:
        session.add(Workspace(id="main", slack_team_id=team, created_at=now))
        session.commit()
    with database.session("main") as session:
        session.add(User(email="dana@team.example", name="Dana Reyes", role="csm", slack_id="U0001"))
        insert_rows(session, ScoringRun, [portfolio.run(now.date())])
        known = {"external_id": "", "name": "", "started_on": date(2026, 1, 1)}
        accounts = [known | {"external_id": f"a{n}", "name": f"Account {n}"} for n in range(total // contacts_each)]
        insert_rows(session, Account, accounts)
        ids = session.exec(select(Account.id).order_by(Account.id)).all()
        insert_rows(session, Contact, [_contact(n, ids[n % len(ids)]) for n in range(total)])
        people = session.exec(select(Contact).order_by(Contact.id)).all()
        drafts = [_draft(person, n < messages, now) for n, person in enumerate(people)]
        insert_rows(session, Draft, drafts)
        session.commit()
        approved = session.exec(select(Draft.id, Draft.content_hash).where(Draft.state == DraftState.APPROVED)).all()
        common = {"decision": "approved", "by": "dana@team.example", "at": now}
        insert_rows(session, Approval, [{"draft_id": i, "content_hash": h, **common} for i, h in approved])
        insert_rows(session, Outbox, [_entry(i, h, now) for i, h in approved])
        session.commit()


def _contact(number: int, account_id: int | None) -> dict[str, Any]:
    return {
        "external_id": f"c{number}", "account_id": account_id, "name": f"Ann Lee {number}",
        "email": f"ann{number}@customer.example", "role": "champion",
    }  # fmt: skip


def _draft(person: Contact, approved: bool, now: datetime) -> dict[str, Any]:
    text = TEXT.format(name=person.name)
    exact = ("email", person.email or "", "dana@team.example", "Thursday at ten?", text)
    return {
        "account_id": person.account_id, "contact_id": person.id, "channel": "email", "purpose": "check_in",
        "recipient": person.email, "sender": "dana@team.example", "sender_name": "Dana Reyes",
        "subject": "Thursday at ten?", "body": text, "content_hash": content_hash(*exact), "facts": [], "cards": [],
        "state": DraftState.APPROVED if approved else DraftState.DRAFTED, "created_by": "dana@team.example",
        "created_at": now, "expires_at": now + timedelta(days=7),
    }  # fmt: skip


def _entry(draft_id: int | None, exact: str, now: datetime) -> dict[str, Any]:
    key = f"draft-{draft_id}-{exact[:16]}"
    return {
        "draft_id": draft_id, "idempotency_key": key, "content_hash": exact, "attempts": 0, "next_attempt_at": now,
    }  # fmt: skip
