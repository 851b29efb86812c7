"""Journeys as blocks: where an account is, what blocks it, what comes next; where accounts stall."""

from bot.blocks.accounts import health
from bot.blocks.parts import Block, actions, button, context, escape, section, shorten, table
from tools.facts import day, plural
from tools.journeys import JourneyCard, JourneyProgress
from tools.stages import Bottlenecks, StageList, spoken

PARTS, NAMED = 3, 4
BAR = 10  # pieces of a progress bar


def journey_card(card: JourneyCard) -> list[Block]:
    """Draw one account's journey: the stage and its odds, progress, blockers, next best actions."""
    assert card.row is not None
    if card.stage is None or not card.history:
        return [section(escape(card.text))]
    now = card.history[0]
    since = f"since {day(now.entered_on)}" + (" (inferred)" if now.inferred else "")
    blocks = [section(f"*{escape(card.row.name)}* · *{escape(spoken(card.stage))}* {since} · {health(card.row)}")]
    if card.next_stage and card.probability is not None:
        span = f"{card.low:.0%}–{card.high:.0%}" if card.low is not None and card.high is not None else ""
        then = spoken(card.next_stage)
        blocks.append(context(f"{card.probability:.0%} ({span}) of such accounts reach {then} in time"))
    elif card.next_stage:
        blocks.append(context(f"next: {spoken(card.next_stage)}; not enough history yet to say how likely"))
    blocks += [section(shorten(_part(part), 2900)) for part in card.parts[:PARTS]]
    past = " ← ".join(f"{spoken(stay.stage)} {day(stay.entered_on)}" for stay in card.history[1:NAMED])
    act = actions(
        button("What to do", "recommend", {"account": card.row.id}, "primary"),
        button("Draft outreach", "draft_outreach", {"account": card.row.id}),
        *_to_tell(card),
    )
    return [*blocks, act, context(f"before: {escape(past)}")] if past else [*blocks, act]


def _to_tell(card: JourneyCard) -> list[Block]:
    """A button for each milestone that no data can tell of."""
    assert card.row is not None
    found = {name: (part.journey, title) for part in card.parts for name, title in part.to_tell}
    return [
        button(
            shorten(f"Met: {title}", 70), f"tell_milestone:{place}",
            {"account": card.row.id, "journey": journey, "milestone": name},
        )
        for place, (name, (journey, title)) in enumerate(list(found.items())[:NAMED])
    ]  # fmt: skip


def _part(part: JourneyProgress) -> str:
    done = "" if part.completion is None else f" {_bar(part.completion)} {part.completion:.0%}"
    lines = [f"*{escape(part.title)}*, day {part.day}{done}"]
    for mark, names in ((":white_check_mark:", part.met), (":warning: late:", part.late), ("▫ open:", part.open)):
        if names:
            lines.append(f"{mark} {escape('; '.join(names[:NAMED]))}")
    if part.blockers:
        lines.append(f":no_entry_sign: in the way: {escape('; '.join(part.blockers[:NAMED]))}")
    return "\n".join(lines)


def _bar(share: float) -> str:
    filled = round(share * BAR)
    return "█" * filled + "░" * (BAR - filled)


def bottlenecks(found: Bottlenecks) -> list[Block]:
    """Draw each stage: accounts there, those that stall, conversion and time."""
    rows: list[list[str | tuple[float, str]]] = [
        [
            spoken(stage.stage),
            (stage.now, str(stage.now)),
            (stage.stalled, str(stage.stalled)),
            _share(stage.flows[-1].share if stage.flows else None),
            _days(stage.flows[-1].median_days if stage.flows else None),
            (stage.typical_days, f"{stage.typical_days}"),
        ]
        for stage in found.stages
    ]
    heads = ["Stage", "There now", "Stalled", "Went on", "Median days", "Typical"]
    if not rows:
        return [section(escape(found.text))]
    small = context("stalled = longer than one and a half times the typical time; the flow is that of half a year")
    return [table("Where accounts stall", heads, rows), small]


def _share(value: float | None) -> str | tuple[float, str]:
    return "–" if value is None else (value, f"{value:.0%}")


def _days(value: float | None) -> str | tuple[float, str]:
    return "–" if value is None else (value, f"{value:.0f}")


def stage_list(found: StageList) -> list[Block]:
    """Draw the accounts of a stage, the longest there first."""
    if not found.rows:
        return [section(escape(found.text))]
    rows: list[list[str | tuple[float, str]]] = [
        [row.account, (row.days, plural(row.days, "day")), "stalled" if row.stalled else ""] for row in found.rows
    ]
    return [table(plural(found.total, "account"), ["Account", "In this stage", ""], rows)]
