"""What the commands of the command line share: output, progress bars, errors in a sentence."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from bot.settings import Settings, SettingsError

out, err = Console(highlight=False), Console(stderr=True, highlight=False)
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of words.")]


def core() -> Any:
    """Build what needs no Slack from the environment."""
    from bot.app import build_core

    return build_core(Settings())


@contextmanager
def friendly() -> Iterator[None]:
    """Errors that the person can put right are said in a sentence; the exit code is 2."""
    from tools.errors import UserError

    try:
        yield
    except (UserError, SettingsError) as error:
        err.print(str(error), markup=False)
        sys.exit(2)


@contextmanager
def progress_bars() -> Iterator[Any]:
    """A progress bar per piece of work, on standard error so that output can be piped."""
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=err, transient=True
    ) as bar:
        tasks: dict[str, Any] = {}

        def report(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done, total=total)

        yield report


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, default=str, ensure_ascii=False))
