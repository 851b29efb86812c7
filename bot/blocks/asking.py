"""Asking back, offering questions, and showing where figures come from."""

from collections.abc import Iterable

from bot.blocks.parts import Block, actions, button, escape, section, table
from tools.errors import Choice
from tools.facts import Fact, day


def choices(question: str, options: Iterable[Choice], original: str, name: str) -> list[Block]:
    """Ask back with a button for each possible meaning."""
    picks = [
        button(option.label, f"choose:{place}", {"q": original[:1500], "name": name, "is": option.value})
        for place, option in enumerate(options)
    ]
    return [section(escape(question)), *([actions(*picks[:5])] if picks else [])]


def suggestions(text: str, prompts: Iterable[str]) -> list[Block]:
    """Say something, and offer questions to press."""
    picks = [button(prompt, f"ask:{place}", {"q": prompt}) for place, prompt in enumerate(prompts)]
    return [section(text), *([actions(*picks[:5])] if picks else [])]


def sources(facts: Iterable[Fact]) -> list[Block]:
    rows: list[list[str | tuple[float, str]]] = [
        [fact.subject, fact.measure, f"{fact.value} {fact.unit}", day(fact.as_of), fact.source]
        for fact in list(facts)[:100]
    ]
    return [table("Where the figures come from", ["About", "What", "Value", "As of", "Source"], rows)] if rows else []
