"""The command line: python -m bot COMMAND."""

import signal
import threading
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from bot import audit_cli, churn_cli, knowledge_cli, outbox_cli, scorecards_cli
from bot.console import Json, core, friendly, out, print_json, progress_bars
from bot.settings import Settings

cli = typer.Typer(
    help="Tend, a Slack assistant for customer-success teams.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@cli.command()
def demo(
    port: Annotated[int | None, typer.Option(help="Port of the page; default PORT.")] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
) -> None:
    """Run everything on this machine with a made-up portfolio: no token, no key."""
    from bot.demo import Demo, usable_port

    settings = Settings()
    running = Demo(settings, usable_port(settings.port if port is None else port))
    running.start()
    out.print(f"\n  Tend is running: [bold]{running.url}[/bold]\n")
    out.print("  You are Dana Reyes, a CSM. Ask Tend something in its messages, look at the digest in")
    out.print("  #customer-success, and step to the next day with the clock. Stop with Ctrl+C.\n")
    if browser:
        threading.Thread(target=webbrowser.open, args=(running.url,), daemon=True).start()
    _wait_for_stop()
    running.stop()


@cli.command()
def role(
    email: Annotated[str, typer.Argument(help="The colleague's address, as in their Slack profile.")],
    role: Annotated[str, typer.Argument(help="viewer, csm, approver or admin.")],
) -> None:
    """Give a colleague a role, for example the first admin, who can then do it in Slack: `/tend role`."""
    from tools.access import give_role

    with friendly():
        out.print(give_role(core().context(), email, role), markup=False)


@cli.command()
def serve() -> None:
    """Run against a real Slack workspace, with the settings of the environment or .env."""
    from bot.app import build

    settings = Settings()
    with friendly():
        settings.require_for_serving()
        tend = build(settings)
        tend.start()
        stop = _serve_http(tend) if settings.slack_mode == "http" else _serve_socket(tend)
    _wait_for_stop()
    out.print("Stopping: running work is finished first.")
    stop()
    tend.stop()


@cli.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(help="Folder with one CSV or Parquet file per entity.")],
    map: Annotated[Path | None, typer.Option(help="Map file for files in another format.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report only, write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Import accounts and everything about them, then score them. Importing again changes nothing."""
    from tools.imports import import_files

    with friendly(), progress_bars() as progress:
        report, scored = import_files(core().context(), folder, map, dry_run, progress)
    if as_json:
        print_json({"report": report.to_dict(), "scored": scored and vars(scored)})
        return
    for line in report.lines():
        out.print(line, markup=False)
    if scored:
        out.print(f"Scored {scored.accounts:,} accounts as of {scored.day} ({scored.days_written} days written).")


@cli.command()
def score(as_json: Json = False) -> None:
    """Score every account for the newest day of the data."""
    from tools.portfolio import portfolio_summary
    from tools.refresh import refresh

    built = core()
    with friendly(), progress_bars() as progress:
        done = refresh(built.context(), lambda n, total: progress("scoring", n, total))
        summary = portfolio_summary(built.context())
    if as_json:
        print_json({**vars(done), "summary": summary.text, "bands": [vars(band) for band in summary.bands]})
        return
    out.print(f"As of {done.day}: {summary.text}", markup=False)


@cli.command()
def ask(
    question: Annotated[str, typer.Argument(help="The question, as you would ask it in Slack.")],
    as_: Annotated[str | None, typer.Option("--as", help="Ask as this colleague: email or name.")] = None,
    as_json: Json = False,
) -> None:
    """Answer one question here, without Slack."""
    from bot.blocks.answers import answer_blocks
    from tools.context import SYSTEM
    from tools.people import actor_by_email

    built = core()
    with friendly():
        ctx = built.context()
        ctx = ctx.acting(actor_by_email(ctx, as_) if as_ else SYSTEM)
        answer = built.agent.answer(ctx, question, [])
    if as_json:
        blocks = answer_blocks(answer, question, "cli")
        print_json(
            {
                "text": answer.text,
                "mode": answer.mode,
                "tools": list(answer.calls),
                "facts": [fact.to_dict() for fact in answer.facts],
                "blocks": blocks,
                "choices": [vars(choice) for choice in answer.choices],
            }
        )
        return
    from bot.terminal import show

    show(out, answer)


@cli.command()
def digest(
    channel: Annotated[str, typer.Option(help="Slack channel id of the subscription.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show it here instead of posting it.")] = False,
    as_json: Json = False,
) -> None:
    """Compose today's digest of a channel, and post it unless this is a dry run."""
    from bot.blocks.digest import digest_blocks
    from storage.models import DigestSubscription
    from tools.digests import compose_digest, subscriptions

    built = core()
    with friendly():
        ctx = built.context()
        found = next((s for s in subscriptions(ctx) if s.channel == channel), None)
        subscription = found or DigestSubscription(channel=channel, created_by="command line")
        if not dry_run:
            _post_digest(subscription)
            return
        card = compose_digest(ctx, subscription, ctx.today())
    if as_json:
        print_json(
            {
                "text": card.text,
                "day": card.day,
                "as_of": card.as_of,
                "total": card.total,
                "accounts": [row.external_id for row in card.rows],
                "facts": [fact.to_dict() for fact in card.facts],
                "blocks": digest_blocks(card),
            }
        )
        return
    from bot.terminal import show_digest

    show_digest(out, card)


@cli.command()
def doctor(as_json: Json = False) -> None:
    """Check settings, database, model, Slack, mail and index; say what to do about each failure."""
    from bot.doctor import examine

    findings = []
    for finding in examine(Settings()):
        findings.append(finding)
        if not as_json:
            sign = "[green]✓[/green]" if finding.ok else "[yellow]–[/yellow]" if finding.optional else "[red]✗[/red]"
            out.print(f"{sign} [bold]{finding.name}[/bold]: ", end="")
            out.print(finding.said, markup=False)
            if not finding.ok:
                out.print(f"    {finding.fix}", markup=False)
    if as_json:
        print_json([vars(finding) for finding in findings])
    raise typer.Exit(0 if all(finding.ok or finding.optional for finding in findings) else 1)


def _post_digest(subscription: Any) -> None:
    from bot.app import build
    from bot.jobs import post_digest

    tend = build(Settings())
    ctx = tend.context()
    done = post_digest(tend, ctx, subscription, ctx.today().isoformat())
    out.print(f"Posted: {done['accounts']} accounts at risk.")


def _serve_http(tend: Any) -> Any:
    import uvicorn

    from bot.http import create_http

    settings = tend.settings
    config = uvicorn.Config(
        create_http(tend), host=settings.host, port=settings.port, access_log=False, log_level="warning"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    out.print(f"Tend listens on http://{settings.host}:{settings.port}/slack/events")

    def stop() -> None:
        server.should_exit = True
        thread.join(10)

    return stop


def _serve_socket(tend: Any) -> Any:
    from slack_bolt.adapter.socket_mode import SocketModeHandler

    from bot.settings import plain

    handler = SocketModeHandler(tend.bolt, plain(tend.settings.slack_app_token), web_client=tend.bolt.client)
    handler.connect()
    out.print("Tend is connected to Slack by Socket Mode.")
    return handler.close


def _wait_for_stop() -> None:
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    while not stop.wait(0.5):
        pass


scorecards_cli.register(cli)
churn_cli.register(cli)
knowledge_cli.register(cli)
outbox_cli.register(cli)
audit_cli.register(cli)

if __name__ == "__main__":
    cli()
