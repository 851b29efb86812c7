"""The command that reads the audit out: `python -m bot audit export`."""

import sys
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from bot.console import core, friendly

commands = typer.Typer(help="Who did what, with the text before and after.", no_args_is_help=True)


class Form(StrEnum):
    """How lines are written."""

    CSV = "csv"
    JSONL = "jsonl"


def register(cli: typer.Typer) -> None:
    """Add the commands to the command line."""
    cli.add_typer(commands, name="audit")


@commands.callback()
def audit() -> None:
    """Who did what, with the text before and after."""


@commands.command()
def export(
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="From this day on.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only of this, such as draft:12.")] = None,
    form: Annotated[Form, typer.Option("--format", help="csv or jsonl.")] = Form.CSV,
) -> None:
    """Write the audit to standard output."""
    from tools.audit_log import audit_lines, audit_rows

    with friendly():
        rows = audit_rows(core().context(), since.date() if since else None, subject)
        for line in audit_lines(rows, form.value):
            sys.stdout.write(line)
