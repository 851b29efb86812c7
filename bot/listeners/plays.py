"""Plays and journeys: start, pause, skip, stop; finish tasks; tell of a milestone that was met."""

import re
from collections.abc import Callable
from typing import Any

from slack_bolt import App

from bot import jobs
from bot.listeners.accounts import account_key
from bot.listeners.common import person, post_result, put_press, say_only_to
from bot.runtime import Tend
from bot.work import Item
from tools.context import Context
from tools.milestones import tell_milestone
from tools.play_control import enrol, pause, resume, skip_step, stop_run
from tools.recommend import recommend
from tools.tasks import finish_task

BY_BUTTON = "by button"
ACTS: dict[str, Callable[[Context, dict[str, Any]], str]] = {
    "start_play": lambda ctx, value: enrol(ctx, account_key(ctx, value["account"]), value["play"]).text,
    "pause_play": lambda ctx, value: pause(ctx, value["run"], BY_BUTTON).text,
    "resume_play": lambda ctx, value: resume(ctx, value["run"], BY_BUTTON).text,
    "stop_play": lambda ctx, value: stop_run(ctx, value["run"], BY_BUTTON).text,
    "skip_step": lambda ctx, value: skip_step(ctx, value["run"], value["step"], BY_BUTTON).text,
    "tell_milestone": lambda ctx, value: (
        tell_milestone(ctx, account_key(ctx, value["account"]), value["journey"], value["milestone"]).text
    ),
    "finish_task": lambda ctx, value: finish_task(ctx, value["task"]).text,
}


def register(app: App) -> None:
    for name in (*ACTS, "recommend"):
        app.action(re.compile(rf"^{name}(:\d+)?$"))(_listener(name))


def _listener(name: str) -> Any:
    def on_press(ack: Any, body: dict[str, Any], context: Any) -> Any:
        put_press(context, body, name)
        return ack()

    return on_press


def _handler(name: str) -> Callable[[Tend, Item], None]:
    def handle(tend: Tend, item: Item) -> None:
        ctx = person(tend, item)
        if ctx is not None:
            say_only_to(tend, ctx, item.payload, ACTS[name](ctx, item.payload))
            if name == "start_play":  # its first step may be due at once
                jobs.do_due_steps(tend, ctx)

    return handle


def show_next_best(tend: Tend, item: Item) -> None:
    """Say in the thread what to do about an account."""
    ctx = person(tend, item)
    if ctx is None:
        return
    found = recommend(ctx, account_key(ctx, item.payload["account"]))
    post_result(tend, ctx, item, "recommend", found)


HANDLERS = {**{name: _handler(name) for name in ACTS}, "recommend": show_next_best}
