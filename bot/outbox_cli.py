"""The commands about messages to customers: the outbox, addresses that nothing is sent to, consents."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from bot.console import Json, core, friendly, out, print_json

suppressions = typer.Typer(help="Addresses that nothing is sent to.", no_args_is_help=True)
consents = typer.Typer(help="What contacts allowed and refused.", no_args_is_help=True)
File = Annotated[Path, typer.Argument(help="A CSV file.", exists=True, dir_okay=False)]


def register(cli: typer.Typer) -> None:
    """Add the commands to the command line."""
    cli.command()(outbox)
    cli.add_typer(suppressions, name="suppressions")
    cli.add_typer(consents, name="consents")


def outbox(
    retry: Annotated[int | None, typer.Option(help="Send this message again: it failed, or is unclear.")] = None,
    as_json: Json = False,
) -> None:
    """List the messages that wait, failed or are unclear, with the reason; `--retry` sends one again."""
    from tools.outbox_desk import attempts_said, outbox_desk, send_again

    with friendly():
        ctx = core().context()
        if retry is not None:
            out.print(send_again(ctx, retry), markup=False)
            return
        desk = outbox_desk(ctx)
    if as_json:
        print_json({"text": desk.text, "counts": desk.counts, "entries": [vars(entry) for entry in desk.entries]})
        return
    out.print(desk.text, markup=False)
    table = Table("Message", "State", "To", "Subject", "Why", "Attempts")
    for entry in desk.entries:
        to = f"{entry.contact}, {entry.account} ({entry.channel})"
        table.add_row(str(entry.id), entry.state, to, entry.subject, entry.reason or "–", attempts_said(entry))
    if desk.entries:
        out.print(table)


@suppressions.command("import")
def import_suppressions(file: File) -> None:
    """Take in addresses that nothing is sent to any more: CSV with the columns channel, address, reason."""
    from tools.consent import import_suppressions as taken_in

    _imported(file, taken_in)


@suppressions.command("export")
def export_suppressions() -> None:
    """Print all of them as CSV."""
    from tools.consent import export_suppressions as written

    _print(written)


@consents.command("import")
def import_consents(file: File) -> None:
    """Take in consents: CSV with the columns contact, channel, class, granted, source, at."""
    from tools.consent_lists import import_consents as taken_in

    _imported(file, taken_in)


@consents.command("export")
def export_consents() -> None:
    """Print all of them, with source and time, as CSV."""
    from tools.consent_lists import export_consents as written

    _print(written)


def _imported(file: Path, take_in: Any) -> None:
    with friendly():
        done = take_in(core().context(), file.read_text("utf-8"))
    for error in done.errors:
        out.print(f"{file.name}, {error}", markup=False)
    out.print(f"{done.added:,} new, {done.known:,} known already, {len(done.errors):,} left out.", markup=False)
    raise typer.Exit(1 if done.errors else 0)


def _print(write: Any) -> None:
    with friendly():
        print(write(core().context()), end="")
