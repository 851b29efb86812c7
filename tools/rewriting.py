"""An open draft said another way on request: shorter, warmer, or with one more thing mentioned."""

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import update
from sqlmodel import Session, col, select

from knowledge.documents import Message, Template, observations, render, templates, true_observations
from knowledge.embedding import embed
from storage.database import changed_one
from storage.models import Account, Audit, Draft, Role, Ticket
from tools.account_query import scored_day
from tools.approvals import LONGEST_BODY, OPEN, PLACEHOLDER, get_open_draft
from tools.claims import sentences, stated
from tools.context import Context
from tools.drafts import DraftCard, content_hash, draft_card, fact_of, message_facts, quoted
from tools.errors import StaleError, UserError
from tools.facts import Fact
from tools.purposes import FEWEST_OBSERVATIONS
from tools.testimonial_rules import CLASS
from tools.tone import FIRST_NAME, SENDER, closing_of, greeting_of

TONES = Path(__file__).parent / "tones.toml"
MENTION = re.compile(r"^\W*(?:please )?mention(?:ing)?\b\W*(.+)$", re.I | re.S)
SORRY = re.compile(r"\b(?:sorry|apologi[sz]e|apology)\b", re.I)
ALIKE = 0.35  # cosine of a wish to what could be said, from which on it is meant
MOST_OFFERED = 6
TICKET = "I have seen your open request “{}”."
Writer = Callable[[DraftCard, str, str], str | None]


@dataclass(frozen=True)
class Sayable:
    """One more thing that a message could say, with the fact behind it and the words for it."""

    text: str
    fact: Fact
    words: str


@dataclass(frozen=True)
class Text:
    """A rewritten body with the facts that it rests on."""

    body: str
    facts: tuple[Fact, ...]


def rewrite(ctx: Context, draft_id: int, seen_hash: str, how: str, writer: Writer | None = None) -> DraftCard:
    """Say an open draft another way; the new text is open for a decision again.

    Args:
        how: `shorter`, `warmer`, or `mention` with what.
        writer: asks a language model: given the draft, the wish and the text that the rules would make, it returns a
            checked text, or None, and then the rules' text is taken.

    Raises:
        UserError: it cannot be done; the message says what could.
        StaleError: the draft was changed or decided in the meantime.
    """
    ctx.require(Role.CSM)
    card = get_open_draft(ctx, draft_id)
    with ctx.session() as session:
        draft = session.get_one(Draft, draft_id)
        made = _by_rules(ctx, session, draft, card, how.strip())
    # A request for praise keeps its words about what is allowed; the rules know which these are.
    fluent = (
        writer(replace(card, facts=made.facts), how, made.body) if writer and draft.message_class != CLASS else None
    )
    return _store(ctx, card, seen_hash, how, Text(fluent or made.body, made.facts))


def _by_rules(ctx: Context, session: Session, draft: Draft, card: DraftCard, how: str) -> Text:
    if how.lower() == "shorter":
        return shorter(card, keep_ask=draft.message_class == CLASS)
    if how.lower() == "warmer":
        return warmer(card)
    wish = MENTION.match(how)
    if wish is None:
        raise UserError("I can make it shorter or warmer, or mention something: “mention the renewal”.")
    return mentioning(card, wish.group(1).strip(), sayable(ctx, session, draft, card))


def shorter(card: DraftCard, keep_ask: bool = False) -> Text:
    """Keep the greeting, the fewest facts that still make it personal, the ask and the closing.

    Args:
        keep_ask: keep every sentence of the paragraph with the question.

    Raises:
        UserError: there is nothing left to leave out.
    """
    first, *middle, last = _paragraphs(card.body)
    kept, said = [first], list[int]()
    for paragraph in middle:
        words, places = _condensed(paragraph, card.facts, said, keep_ask)
        said += places
        kept += [words] if words else []
    body = "\n\n".join([*kept, last])
    if len(body) >= len(card.body):
        raise UserError("It is as short as I can make it. Edit it yourself, if less will do.")
    facts = tuple(fact for place, fact in enumerate(card.facts, 1) if place in said)
    return Text(body, facts or card.facts)


def _condensed(paragraph: str, facts: tuple[Fact, ...], said: list[int], keep_ask: bool) -> tuple[str, list[int]]:
    """The sentences of a paragraph that a short message needs, and the facts that they state."""
    parts, kept, new = sentences(paragraph), list[str](), list[int]()
    asks = [sentence for sentence in parts if "?" in sentence]
    for sentence in parts:
        places = [place for place in stated(sentence, facts) if place not in (*said, *new)]
        room = len(said) + len(new) < FEWEST_OBSERVATIONS
        if (places and room) or sentence in asks[-1:] or SORRY.search(sentence) or (keep_ask and asks):
            kept.append(sentence)
            new += places
    return " ".join(kept), new


def warmer(card: DraftCard) -> Text:
    """Greet and close more warmly, in words from a file.

    Raises:
        UserError: it does so already.
    """
    tones, name, sender = _tones(), card.contact.split()[0], card.sender_name.split()[0]
    first, *middle, last = _paragraphs(card.body)
    if any(opening in card.body for opening in tones["openings"]):
        raise UserError("It is as warm as I can make it. Edit it yourself for a personal word.")
    greeting = tones["greetings"][0].replace(FIRST_NAME, name) if greeting_of(first, name) else first
    closing = tones["closings"][0].replace(SENDER, sender)
    ending = [closing] if closing_of(last, sender) else [last, closing]
    return Text("\n\n".join([greeting, tones["openings"][0], *middle, *ending]), card.facts)


def mentioning(card: DraftCard, wish: str, options: list[Sayable]) -> Text:
    """Add what fits a wish best, before the ask.

    Raises:
        UserError: nothing that is known fits; the message says what could be mentioned.
    """
    best = max(options, key=lambda one: _fit(wish, one), default=None)
    if best is None or _fit(wish, best) < ALIKE:
        could = "; ".join(f"{one.fact.measure} ({one.fact.value})" for one in options[:MOST_OFFERED])
        raise UserError(
            f"I know nothing about “{wish[:80]}” that this message could say. "
            + (f"I could mention: {could}." if could else "There is nothing more that it could mention.")
        )
    parts = _paragraphs(card.body)
    ask = next((place for place in range(len(parts) - 1, 0, -1) if "?" in parts[place]), len(parts) - 1)
    return Text("\n\n".join([*parts[:ask], best.text, *parts[ask:]]), (*card.facts, best.fact))


def sayable(ctx: Context, session: Session, draft: Draft, card: DraftCard) -> list[Sayable]:
    """List what is true of the account today and not said in the draft yet: observations and open tickets."""
    account, as_of = session.get_one(Account, draft.account_id), scored_day(ctx, session)
    facts = message_facts(ctx, session, account, as_of)
    known = templates().get(draft.purpose) or next(iter(templates().values()))
    every = known.model_copy(update={"observations": tuple(observations()), "most": len(observations())})
    found = []
    for name in true_observations(every, facts):
        text = _said(every, facts, name)
        fact = fact_of(account, facts, name, as_of)
        if text not in card.body and fact.measure not in {one.measure for one in card.facts}:
            found.append(Sayable(text, fact, f"{fact.measure} {name.replace('_', ' ')} {text}"))
    waiting = (Ticket.account_id == account.id, col(Ticket.resolved_at).is_(None), col(Ticket.subject).is_not(None))
    tickets = session.exec(select(Ticket).where(*waiting).order_by(col(Ticket.opened_at).desc()).limit(5)).all()
    for ticket in tickets:
        subject = quoted(ticket.subject or "")
        fact = Fact(account.name, "open ticket", subject, "text", as_of, "ticket", "customer")
        if subject not in card.body:
            found.append(Sayable(TICKET.format(subject), fact, f"ticket request {subject}"))
    return found


def _said(template: Template, facts: dict[str, Any], name: str) -> str:
    bare = template.model_copy(update={"subject": "-", "body": "{{ observations }}"})
    message: Message = render(bare, facts, [name])
    return message.body


def _fit(wish: str, one: Sayable) -> float:
    """How well a wish fits: shared words count more than likeness."""
    wanted, there = _stems(wish), _stems(one.words)
    shared = len(wanted & there) / len(wanted) if wanted else 0.0
    first, second = embed([wish, one.words])
    return float(first @ second) + shared


def _stems(text: str) -> set[str]:
    words = re.findall(r"[a-zà-ÿ]{4,}", text.lower())
    return {word[:5] for word in words} - {"their", "they", "that", "about", "have", "your"}


def _paragraphs(body: str) -> list[str]:
    parts = [part for part in re.split(r"\n\s*\n", body.strip()) if part.strip()]
    return parts if len(parts) > 1 else [*parts, ""]


@cache
def _tones() -> dict[str, list[str]]:
    return tomllib.loads(TONES.read_text("utf-8"))


def _store(ctx: Context, card: DraftCard, seen_hash: str, how: str, text: Text) -> DraftCard:
    """Replace the text of the draft that the person saw, and record it as it was before."""
    if len(text.body) > LONGEST_BODY or PLACEHOLDER.search(text.body):
        raise UserError("The new text is too long, or a placeholder is left in it. Edit the draft instead.")
    with ctx.session() as session:
        draft = session.get_one(Draft, card.id)
        fresh = content_hash(draft.channel, draft.recipient, draft.sender, draft.subject, text.body)
        still = (
            col(Draft.id) == card.id,
            col(Draft.state).in_(OPEN),
            col(Draft.content_hash) == seen_hash,
            col(Draft.expires_at) > ctx.now(),
        )
        values = {"body": text.body, "content_hash": fresh, "facts": [fact.to_dict() for fact in text.facts]}
        if not changed_one(session, update(Draft).where(*still).values(**values)):
            raise StaleError("The text was edited since you saw it. Here is the newest version; please look again.")
        before = {"subject": card.subject, "body": card.body, "hash": seen_hash}
        after = {"subject": card.subject, "body": text.body, "hash": fresh, "how": how[:200]}
        session.add(
            Audit(
                at=ctx.now(), actor=ctx.actor.email, action="draft.rewrite", subject=f"draft:{card.id}",
                before=before, after=after,
            )
        )  # fmt: skip
        session.commit()
        return draft_card(session, session.get_one(Draft, card.id, populate_existing=True))
