"""The commands about knowledge: check what was written, look something up, index what has changed."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from bot.console import Json, core, friendly, out, print_json

knowledge_cli = typer.Typer(help="Plays, case studies, articles and your own documents.", no_args_is_help=True)


def register(cli: typer.Typer) -> None:
    """Add the commands to the command line."""
    cli.add_typer(knowledge_cli, name="knowledge")


@knowledge_cli.command()
def check(
    folder: Annotated[Path | None, typer.Argument(help="A folder of your own; left out, all that is in use.")] = None,
) -> None:
    """Check plays, case studies, articles and templates: every mistake with file, line and what to write instead."""
    from knowledge.documents import BUNDLED, library
    from tools.play_check import play_errors

    if folder is not None and not folder.is_dir():
        out.print(f"{folder} is no folder.", markup=False)
        raise typer.Exit(2)
    found = library((*BUNDLED, folder)) if folder else core().knowledge.library()
    errors = [*found.errors, *play_errors(found)]
    counts = (
        f"{len(found.plays)} plays, {len(found.cases)} case studies, {len(found.articles)} articles, "
        f"{len(found.templates)} templates"
    )
    for error in errors:
        out.print(str(error), markup=False)
    out.print(f"{counts}: {f'{len(errors)} mistakes' if errors else 'all sound'}.", markup=False)
    if errors:
        raise typer.Exit(1)


@knowledge_cli.command()
def search(question: str, as_json: Json = False) -> None:
    """Find passages that answer a question, with where they stand."""
    from tools.knowledge import search_knowledge

    with friendly():
        found = search_knowledge(core().context(), question)
    if as_json:
        print_json({"text": found.text, "hits": [{**vars(hit), "citation": hit.citation} for hit in found.hits]})
        return
    if not found.hits:
        out.print(found.text, markup=False)
        return
    table = Table("Where", "Passage")
    for hit in found.hits:
        table.add_row(hit.citation, " ".join(hit.text.split())[:300])
    out.print(table)


@knowledge_cli.command()
def index(as_json: Json = False) -> None:
    """Index what has changed in the documents; unchanged ones cost nothing."""
    from tools.knowledge import sync_documents

    with friendly():
        done = sync_documents(core().context())
    trouble = [str(problem) for problem in (*done.problems, *done.errors)]
    if as_json:
        print_json({**vars(done.synced), "problems": trouble})
        return
    counts = ", ".join(f"{count} {name}" for name, count in vars(done.synced).items())
    out.print(f"{counts}.", markup=False)
    for problem in trouble:
        out.print(problem, markup=False)
