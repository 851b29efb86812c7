"""Whether the facts behind a draft still hold, and the draft written again from today's."""

import re
from dataclasses import replace
from typing import Any

from sqlmodel import Session

from knowledge.documents import observations
from scoring.catalogue import CATALOGUE
from storage.models import Account, Draft
from tools.account_query import scored_day
from tools.context import Actor, Context
from tools.drafts import LABELS, compose, message_facts
from tools.errors import UserError
from tools.facts import day

MOST_NAMED = 3
SMALL_CHANGE, SMALL_SHARE = 2.0, 0.2
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def changed_facts(ctx: Context, session: Session, draft: Draft) -> tuple[str, ...]:
    """Say which facts of a draft are not what they were when it was written; nothing while no new day was scored."""
    as_of = scored_day(ctx, session)
    written = [entry for entry in draft.facts if entry["as_of"] < as_of.isoformat()]
    if not written:
        return ()
    account = session.get_one(Account, draft.account_id)
    known = message_facts(ctx, session, account, as_of)
    now = {label: _shown(column, known[column]) for column, label in _labels().items() if column in known}
    changed = [
        f"{entry['measure']} was {entry['value']} on {entry['as_of']}, is {now[entry['measure']]}"
        for entry in written
        if entry["measure"] in now and differs(str(entry["value"]), now[entry["measure"]])
    ]
    return tuple(changed[:MOST_NAMED])


def differs(was: str, now: str) -> bool:
    """Whether a fact says something else: other words, or a number that moved by more than a fifth and by over 2.

    Without that room every message about days would be out of date on the next one.
    """
    if was == now:
        return False
    before, after = (NUMBER.search(text.replace(",", "")) for text in (was, now))
    if before is None or after is None:
        return True
    one, other = float(before.group()), float(after.group())
    return abs(other - one) > max(SMALL_CHANGE, SMALL_SHARE * abs(one))


def composed_again(ctx: Context, session: Session, draft: Draft) -> Draft:
    """Write the message of a draft anew from today's facts, by its sender; nothing is stored.

    Raises:
        UserError: its template is gone, or too little is known now.
    """
    template = ctx.library().templates.get(draft.purpose)
    if template is None or draft.offer:
        raise UserError("This draft cannot be written again by itself. Reject it and ask for a new one.")
    account, as_of = session.get_one(Account, draft.account_id), scored_day(ctx, session)
    signed = ctx.acting(_sender(ctx, draft))
    with session.no_autoflush:
        return compose(signed, session, account, message_facts(ctx, session, account, as_of), template, as_of)


def _sender(ctx: Context, draft: Draft) -> Actor:
    return replace(ctx.actor, email=draft.sender, name=draft.sender_name)


def _labels() -> dict[str, str]:
    """The columns that messages may speak of, with the words that their facts have."""
    columns = {observation.fact for observation in observations().values()}
    return {name: CATALOGUE[name].label if name in CATALOGUE else LABELS.get(name, name) for name in columns}


def _shown(column: str, value: Any) -> str:
    if value is None:
        return "unknown"
    feature = CATALOGUE.get(column)
    if feature is not None:
        return str(feature.show(value))
    return day(value) if hasattr(value, "isoformat") else str(value)
