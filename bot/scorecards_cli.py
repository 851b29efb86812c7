"""The commands about scorecards: how honest they were, trying one, fitting weights, choosing."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.console import Json, core, friendly, out, print_json, progress_bars

REPLAYING = "replaying past days"


def register(cli: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (honesty, simulate, fit, scorecards):
        cli.command()(command)


def honesty(as_json: Json = False) -> None:
    """Say how far each scorecard could be trusted: the last year scored again, against who left."""
    from tools.honesty import honesty_report

    with friendly(), progress_bars() as progress:
        report = honesty_report(core().context(), lambda n, total: progress(REPLAYING, n, total))
    if as_json:
        print_json(_as_dict(report))
        return
    from bot.terminal_honesty import show_honesty

    show_honesty(out, report)


def simulate(
    file: Annotated[Path, typer.Argument(help="A scorecard file; compared with the card of its id, or the default.")],
    as_json: Json = False,
) -> None:
    """Show what another scorecard would change: accounts that change band, and the record of both."""
    from tools.scorecards import read_candidate
    from tools.simulation import simulate as simulated

    with friendly(), progress_bars() as progress:
        candidate = read_candidate(file)
        result = simulated(core().context(), candidate, progress=lambda n, total: progress(REPLAYING, n, total))
    if as_json:
        print_json(_as_dict(result))
        return
    from bot.terminal_honesty import show_simulation

    show_simulation(out, result)


def fit(
    card: Annotated[str, typer.Argument(help="The id of a scorecard; `scorecards` lists them.")],
    adopt: Annotated[bool, typer.Option("--adopt", help="Write the fitted scorecard as a file of your own.")] = False,
    as_json: Json = False,
) -> None:
    """Fit a scorecard's weights to who left, and compare them with the hand-set ones on later days."""
    from tools.fitting import adopt as adopted
    from tools.fitting import fit_scorecard
    from tools.scorecards import card_of_id

    with friendly(), progress_bars() as progress:
        built = core()
        ctx = built.context()
        result = fit_scorecard(ctx, card_of_id(ctx, card), lambda n, total: progress(REPLAYING, n, total))
    file = adopted(result, built.settings.data_dir / "scorecards") if adopt and result.card else None
    if as_json:
        print_json(_as_dict(result) | {"file": file})
    else:
        from bot.terminal_honesty import show_fit

        show_fit(out, result, file)
    raise typer.Exit(0 if result.card or not adopt else 1)


def scorecards(
    use: Annotated[str | None, typer.Option(help="Let this scorecard score from now on.")] = None,
    segment: Annotated[str | None, typer.Option(help="Only this segment; left out, every other one.")] = None,
    as_json: Json = False,
) -> None:
    """List the scorecards and which segment uses which; `--use` chooses one."""
    from tools.errors import UserError
    from tools.scorecards import list_scorecards, score_with_choice, use_scorecard

    done = None
    with friendly(), progress_bars() as progress:
        built = core()
        if segment and not use:
            raise UserError("Say which scorecard: `--use ID --segment SEGMENT`.")
        if use:
            done = use_scorecard(built.context(), use, segment)
            score_with_choice(built.context(), lambda n, total: progress("scoring", n, total))
        found = list_scorecards(built.context())
    if as_json:
        print_json(_as_dict(found) | ({"done": done} if done else {}))
        return
    from bot.terminal_honesty import show_scorecards

    show_scorecards(out, found, done)


def _as_dict(result: Any) -> dict[str, Any]:
    """A result and everything in it as plain values; scorecards as their files have them."""
    from scoring.scorecard import Scorecard

    shown: dict[str, Any] = asdict(result)
    shown["facts"] = [fact.to_dict() for fact in result.facts]
    for name, value in shown.items():
        if isinstance(value, Scorecard):
            shown[name] = value.model_dump(mode="json", by_alias=True)
    return shown
