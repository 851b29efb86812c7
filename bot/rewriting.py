"""The language model as a writer: it says a draft another way, and what it writes is checked before anyone sees it."""

import re
from collections.abc import Callable

import structlog

from bot.budget import Meter
from bot.grounding import Names, ungrounded
from bot.settings import Settings, plain
from knowledge.documents import prompt
from tools.claims import sentences
from tools.context import Context
from tools.drafts import DraftCard

log = structlog.get_logger()
SECONDS = 30.0
LONGEST = 4000  # characters of an answer; no email of ours is longer
WISHES = {
    "shorter": "make it shorter, as short as it can be while it stays polite",
    "warmer": "make it warmer and more personal in tone, not longer than a sentence more",
}
GREETINGS = "Dear Hello Hi Good Morning Afternoon Regards Wishes Kind Warm Best"  # before a name, no names themselves
SHARED = 0.5  # of the words of the question, that the new one has to keep


def rewriter(
    settings: Settings, ctx: Context, channel: str = "", names: Names | None = None
) -> Callable[[DraftCard, str, str], str | None] | None:
    """Return a function for `tools.rewriting.rewrite`, or None without a language model.

    Args:
        channel: whose daily budget the use counts to.
        names: the account names of the workspace: mentioning one needs a fact about it.
    """
    if not plain(settings.openai_api_key):
        return None

    def write(card: DraftCard, how: str, ruled: str) -> str | None:
        try:
            return _written(settings, Meter(ctx, settings, channel), names, card, how, ruled)
        except Exception as error:  # whatever the model's trouble is: the rules' text is there
            log.warning("rewriting_failed", error=type(error).__name__)
            return None

    return write


def _written(
    settings: Settings, meter: Meter, names: Names | None, card: DraftCard, how: str, ruled: str
) -> str | None:
    """Ask once, and once more with what is wrong; None when that is not right either."""
    from bot.model import Boundary, Exchange, chat_model

    key, url = plain(settings.openai_api_key), settings.openai_base_url
    inner = chat_model(settings.openai_model, key, url, SECONDS)
    model = Boundary(inner=inner, exchange=Exchange(meter, SECONDS))
    old = card.body if how.lower() in WISHES else ruled  # what is to be mentioned stands in the rules' text
    wish = WISHES.get(how.lower(), "let the paragraphs flow into each other; leave out nothing")
    messages = [("system", prompt("rewrite").format(how=wish)), ("user", f"«{old}»")]
    for _ in range(2):
        text = _asked(model, messages)
        wrong = problems(text, old, card, how, names)
        if not wrong:
            return text
        log.info("rewriting_not_grounded", parts=len(wrong))
        again = prompt("rewrite_again").format(problems="; ".join(wrong[:10]))
        messages = [*messages, ("assistant", text), ("user", again)]
    return None


def _asked(model: object, messages: list[tuple[str, str]]) -> str:
    from langsmith import tracing_context

    with tracing_context(enabled=False):  # whatever the environment says: customer data stays here
        said = model.invoke(messages)  # type: ignore[attr-defined]
    return str(said.text).strip().removeprefix("«").removesuffix("»").strip()


def problems(text: str, old: str, card: DraftCard, how: str, names: Names | None = None) -> list[str]:
    """Say what keeps a rewritten text from being shown: what no fact holds, a lost or second question, a lost name."""
    found = ungrounded(text, card.facts, old, names, f"{GREETINGS} {old} {card.contact} {card.sender_name}")
    asks, before = _questions(text), _questions(old)
    if before and not asks:
        found.append("the question is missing")
    if len(asks) > len(before):
        found.append("there is more than the one question")
    if before and asks and _shared(before[-1], asks[-1]) < SHARED:
        found.append(f"the question has to stay: {before[-1]}")
    if card.contact.split()[0] not in text or card.sender_name.split()[0] not in text:
        found.append("the greeting or the sender's name is missing")
    if how.lower() == "shorter" and len(text) >= len(old):
        found.append("it is not shorter")
    if len(text) > LONGEST:
        found.append("it is too long")
    return found


def _questions(text: str) -> list[str]:
    return [sentence for sentence in sentences(text) if "?" in sentence]


def _shared(before: str, after: str) -> float:
    """The share of a question's longer words, by their beginnings, that another one has, too."""
    wanted, there = ({word[:5] for word in re.findall(r"[a-z0-9]{4,}|\d+", q.lower())} for q in (before, after))
    return len(wanted & there) / len(wanted) if wanted else 1.0
