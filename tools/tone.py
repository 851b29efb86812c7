"""How a sender greets and closes, learned from their own edits of drafts."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from sqlmodel import Session, col, select

from knowledge.documents import templates
from storage.models import Audit, Contact, Draft
from tools.context import Actor

READ_DRAFTS, ENOUGH = 5, 2  # of the last edited drafts, so many the same way
READ_EDITS = 60
LONGEST_LINE, MOST_LINES = 60, 4
FIRST_NAME, SENDER = "{first_name}", "{sender}"
SENTENCE = re.compile(r"\?$|\w+(?: \S+){2,}\.$")
HONORIFIC = re.compile(r"\b(?:mr|mrs|ms|miss|mx|dr|prof|herr|frau|sir|madam)\b", re.I)


@dataclass(frozen=True)
class Tone:
    """A greeting and a closing in the sender's own way; empty for the template's."""

    greeting: str = ""
    closing: str = ""


@dataclass(frozen=True)
class Edit:
    """A draft as it was before its first edit and after its last, to whom and by whom."""

    before: str
    after: str
    first_name: str
    sender: str


def learned(edits: Sequence[Edit], standard: Collection[str]) -> Tone:
    """Take over what was changed the same way in two of the last five edited drafts.

    What was taken over before and left so counts as changed, and so does changing it back to the standard: who wants
    it no more edits it back twice.

    Args:
        edits: of one sender, the newest first.
        standard: greetings and closings of the templates, with `{first_name}` and `{sender}` in place of the names.
    """
    recent = edits[:READ_DRAFTS]
    return Tone(_agreed(map(_greetings, recent), standard), _agreed(map(_closings, recent), standard))


def _agreed(pairs: Iterable[tuple[str, str]], standard: Collection[str]) -> str:
    """The wording that was chosen often enough, the newest first; empty for the standard."""
    seen: Counter[str] = Counter()
    for before, after in pairs:
        if not after or (before == after and after in standard):
            continue
        seen[after] += 1
        if seen[after] == ENOUGH:
            return "" if after in standard else after
    return ""


def _greetings(edit: Edit) -> tuple[str, str]:
    return tuple(greeting_of(text, edit.first_name) for text in (edit.before, edit.after))  # type: ignore[return-value]


def _closings(edit: Edit) -> tuple[str, str]:
    return tuple(closing_of(text, edit.sender) for text in (edit.before, edit.after))  # type: ignore[return-value]


def greeting_of(body: str, first_name: str) -> str:
    """The first line, with a mark in place of the contact's name; empty where it fits nobody else."""
    line = body.split("\n", 1)[0].strip()
    if len(line) > LONGEST_LINE or not line.endswith((",", "!", ":", "–", "-")) or HONORIFIC.search(line):
        return ""
    marked = re.sub(rf"\b{re.escape(first_name)}\b", FIRST_NAME, line)
    rest = marked.replace(FIRST_NAME, "").split()[1:]
    return "" if any(word[:1].isupper() for word in rest) else marked  # another name


def closing_of(body: str, sender: str) -> str:
    """The last paragraph where it is a closing, with a mark in place of the sender's name alone in its line."""
    last = body.rstrip().split("\n\n")[-1]
    lines = [line.strip() for line in last.split("\n")]
    if len(lines) > MOST_LINES or any(len(line) > LONGEST_LINE or SENTENCE.search(line) for line in lines):
        return ""
    return "\n".join(SENDER if line == sender else line for line in lines)


@cache
def standard_lines() -> frozenset[str]:
    """The greetings and closings of the templates."""
    found = set()
    for template in templates().values():
        body = template.body.replace("{{ first_name }}", FIRST_NAME).replace("{{ sender }}", SENDER)
        found |= {greeting_of(body, FIRST_NAME), closing_of(body, SENDER)}
    return frozenset(found - {""})


def toned(body: str, tone: Tone, first_name: str, sender: str) -> str:
    """Put the sender's greeting and closing in place of the template's."""
    greeting, closing = greeting_of(body, first_name), closing_of(body, sender)
    if tone.greeting and greeting in standard_lines():
        body = tone.greeting.replace(FIRST_NAME, first_name) + body[body.index("\n") :]
    if tone.closing and closing in standard_lines():
        body = body.rstrip().rpartition("\n\n")[0] + "\n\n" + tone.closing.replace(SENDER, sender)
    return body


def tone_of(session: Session, sender: Actor) -> Tone:
    """Return how a sender greets and closes, from what they edited in their own drafts."""
    rows = session.exec(
        select(Audit)
        .where(Audit.action == "draft.edit", Audit.actor == sender.email)
        .order_by(col(Audit.id).desc())
        .limit(READ_EDITS)
    ).all()
    of_drafts: dict[str, list[Audit]] = {}
    for row in rows:
        of_drafts.setdefault(row.subject, []).append(row)
    found = [_edit(session, subject, edits, sender) for subject, edits in list(of_drafts.items())[:READ_DRAFTS]]
    return learned([edit for edit in found if edit], standard_lines())


def _edit(session: Session, subject: str, rows: Sequence[Audit], sender: Actor) -> Edit | None:
    """The edits of one draft, the newest first, as one; None for a draft that somebody else sends."""
    draft = session.get(Draft, int(subject.partition(":")[2]))
    if draft is None or draft.sender != sender.email:
        return None
    contact = session.get_one(Contact, draft.contact_id)
    before, after = (rows[-1].before or {}).get("body", ""), (rows[0].after or {}).get("body", "")
    return Edit(before, after, contact.name.split()[0], sender.name.split()[0])
