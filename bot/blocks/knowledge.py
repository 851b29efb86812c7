"""What was looked up as blocks: passages with where they stand."""

import re

from bot.blocks.parts import Block, context, escape, section, shorten
from tools.knowledge import Passages, reviewed

LONGEST = 900  # characters of a passage
NAMES = {"play": "play", "case_study": "case study (sample)", "article": "article", "document": "your document"}
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def passages(found: Passages) -> list[Block]:
    """Draw each passage with its title, section, file and review date."""
    if not found.hits:
        return [section(escape(found.text))]
    blocks: list[Block] = []
    for hit in found.hits:
        where = f" › {escape(hit.section)}" if hit.section else ""
        blocks.append(section(f"*{escape(hit.title)}*{where}\n{shorten(_plain(hit.text), LONGEST)}"))
        blocks.append(context(NAMES.get(hit.kind, hit.kind), _place(hit.location), reviewed(hit)))
    return [*blocks, context(f":warning: {escape(found.notice)}")] if found.notice else blocks


def _place(location: str) -> str:
    """Where a passage stands; an address of the team's own documents is a link."""
    address = re.fullmatch(r"https?://[^\s<>|]+", location)
    return f"<{escape(location)}>" if address else escape(location)


def _plain(markdown: str) -> str:
    """Markdown as Slack shows it, links as their words: where they lead is not ours to vouch for."""
    text = escape(LINK.sub(r"\1", markdown))
    text = re.sub(r"\*\*(.+?)\*\*", r"*\1*", text)
    text = re.sub(r"^#{1,6}\s*(.+)$", r"*\1*", text, flags=re.M)
    return re.sub(r"^[-*]\s+", "• ", text, flags=re.M)
