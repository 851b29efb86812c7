"""An answer as a message: its words, its results drawn from their data, how it came about, and how to go on."""

from collections.abc import Sequence

from bot.answers import MODEL, Answer
from bot.blocks import result_blocks
from bot.blocks.asking import choices
from bot.blocks.feedback import thumbs
from bot.blocks.parts import Block, actions, button, escape, fit, section
from tools.drafts import DraftCard
from tools.facts import day


def answer_blocks(answer: Answer, question: str, key: str, asked: str = "", then: Sequence[str] = ()) -> list[Block]:
    """Draw an answer; its drafts are messages of their own.

    Args:
        asked: what was asked, where the message itself has to say so.
        then: questions to go on with.
    """
    if answer.choices:
        return choices(answer.text, answer.choices, question, answer.ambiguous)
    shown = [result for result in answer.results if not isinstance(result, DraftCard)]
    if answer.results and not shown:
        return []  # the drafts speak for themselves
    blocks = [section(asked + escape(answer.text))]
    for result in shown:
        blocks += result_blocks(result)
    ending = [_footer(answer, key)] if answer.facts else []
    ending += [actions(*(button(text, f"ask:{n}", {"q": text}) for n, text in enumerate(then)))] if then else []
    return fit(blocks, [*ending, thumbs(key)])


def _footer(answer: Answer, key: str) -> Block:
    mode = "answered by language model, figures checked" if answer.mode == MODEL else f"answered by {answer.mode}"
    said = f"As of {day(max(fact.as_of for fact in answer.facts))} · {mode}"
    return section(f"_{escape(said)}_", button("Show sources", "sources", {"key": key}))
