"""Plays as blocks: what to do about an account, what runs there, the library, tasks, measured effects."""

from bot.blocks.accounts import health
from bot.blocks.parts import Block, actions, button, context, escape, section, shorten, table
from tools.facts import day, plural
from tools.play_lists import AccountPlays, PlayList, RunRow
from tools.play_outcomes import Outcomes
from tools.recommend import NextBest, Recommendation
from tools.tasks import TaskList

SHOWN = 10
MOST_ROWS = 100  # of Slack's tables


def next_best(found: NextBest) -> list[Block]:
    """Draw the fitting plays with the reason and one button to start each; then a story to share."""
    assert found.row is not None
    blocks = [section(f"*{escape(found.row.name)}* · {health(found.row)}")]
    if found.running:
        blocks.append(context(f":arrow_forward: running already: {escape(', '.join(found.running))}"))
    if not found.plays:
        return [*blocks, section("No play calls for it now.")]
    blocks += [block for play in found.plays for block in _play(found, play)]
    if found.story is not None:
        where = f"_{escape(found.story.title)}_ ({escape(found.story.location)})"
        blocks.append(context(f":book: a story to share: {where}"))
    more = f"{plural(found.more, 'further play')} would fit, less urgent" if found.more else ""
    draft = button("Draft outreach", "draft_outreach", {"account": found.row.id})
    return [*blocks, actions(draft), context(more)] if more else [*blocks, actions(draft)]


def _play(found: NextBest, play: Recommendation) -> list[Block]:
    assert found.row is not None
    worked = (
        f"\nreached its goal at {escape(', '.join(play.worked))} ({plural(play.of, 'similar account')})"
        if play.worked
        else ""
    )
    text = (
        f"*{escape(play.title)}* · {play.urgency}\n{escape(play.because)}\n"
        f"begins with: {escape(play.first_step)} · {plural(play.steps, 'step')}{worked}"
    )
    start = button("Start", "start_play", {"account": found.row.id, "play": play.play}, "primary")
    return [section(shorten(text, 2900), start)]


def account_plays(found: AccountPlays) -> list[Block]:
    """Draw what runs at an account with the next step, what waits and why, and what came of earlier plays."""
    if not (found.running or found.held_back or found.past):
        return [section(f"*{escape(found.account)}*: no play has run yet."), context("Ask what to do about it.")]
    blocks = [section(f"*Plays of {escape(found.account)}*")]
    for run in found.running:
        text = f"*{escape(run.title)}* · {escape(_ahead(run))}\n{escape(run.because)}"
        skip = [button("Skip this step", "skip_step", {"run": run.id, "step": run.next_step})] if run.next_step else []
        stop = button("Stop", "stop_play", {"run": run.id}, "danger")
        blocks += [section(text), actions(*([] if run.state == "held_out" else [_rest(run)]), *skip, stop)]
    waiting = [(play.replace("_", " "), because) for play, because in found.held_back[:SHOWN]]
    held = "\n".join(f"• {escape(play)}: {escape(because)}" for play, because in waiting)
    blocks += [section(f"*Held back*\n{shorten(held, 2500)}")] if held else []
    past = "\n".join(f"• {escape(run.title)}: {escape(run.outcome or run.state)}" for run in found.past[:SHOWN])
    return [*blocks, section(f"*Before*\n{shorten(past, 2500)}")] if past else blocks


def _ahead(run: RunRow) -> str:
    """The next step with its day, or how the run stands."""
    if run.next_step and run.next_at:
        return f"next: {run.next_step.replace('_', ' ')} on {day(run.next_at.date())}"
    return run.state


def _rest(run: RunRow) -> Block:
    paused = run.state == "paused"
    return button("Resume" if paused else "Pause", "resume_play" if paused else "pause_play", {"run": run.id})


def play_list(found: PlayList) -> list[Block]:
    """Draw the library of plays with their runs."""
    if not found.rows:
        return [section("No play fits that.")]
    rows: list[list[str | tuple[float, str]]] = [
        [
            row.title,
            row.urgency,
            (row.steps, str(row.steps)),
            (row.running, str(row.running)),
            (row.ended, str(row.ended)),
            (row.goal_met, str(row.goal_met)),
        ]
        for row in found.rows[:MOST_ROWS]
    ]
    blocks = [table(plural(found.total, "play"), ["Play", "Urgency", "Steps", "Running", "Ended", "Goal met"], rows)]
    broken = "; ".join(str(error) for error in found.errors[:3])
    return [*blocks, context(f":warning: cannot be used: {escape(broken)}")] if broken else blocks


def outcomes(found: Outcomes) -> list[Block]:
    """Draw how plays did against the hold-out that received nothing."""
    if not found.rows:
        return [section("No play has run yet."), context("An effect shows once plays have run with a hold-out.")]
    return [section(shorten(escape(found.text), 2900))]


def task_list(found: TaskList) -> list[Block]:
    """Draw open tasks, each with a button that finishes it."""
    if not found.rows:
        return [section(":white_check_mark: No task is open.")]
    blocks = [section(f"*{plural(found.total, 'task')}*" + (f", {found.overdue} overdue" if found.overdue else ""))]
    for task in found.rows[:SHOWN]:
        head = f"*{escape(task.account)}* · {escape(task.title)} · due {day(task.due_on)}"
        text = f"{head}\n{escape(shorten(task.text, 600))}"
        blocks.append(section(text, button("Done", "finish_task", {"task": task.id})))
    return blocks
