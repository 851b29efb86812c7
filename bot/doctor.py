"""Check everything that Tend needs, each with what to do when it fails."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bot.settings import Settings, SettingsError, plain


@dataclass(frozen=True)
class Finding:
    """The outcome of one check; `fix` says what to do, `optional` that Tend runs without it."""

    name: str
    ok: bool
    said: str
    fix: str = ""
    optional: bool = False


def examine(settings: Settings) -> Iterator[Finding]:
    """Run every check, one after the other; a failure of one does not stop the rest."""
    for name, check, fix, optional in _CHECKS:
        try:
            said = check(settings)
        except Exception as error:  # whatever is wrong is what the person wants to read
            yield Finding(name, False, _short(error), fix, optional)
        else:
            yield Finding(name, True, said)


def _short(error: Exception) -> str:
    said = " ".join(str(error).split())
    return said[:400] if isinstance(error, SettingsError | LookupError) else f"{type(error).__name__}: {said}"[:300]


def _settings(settings: Settings) -> str:
    settings.require_for_serving()
    return f"complete for `serve` in {settings.slack_mode} mode"


def _database(settings: Settings) -> str:
    from storage.database import Database

    database = Database(settings.database)
    database.migrate()
    kind = database.engine.dialect.name
    database.engine.dispose()
    return f"{kind}, schema up to date"


def _accounts(settings: Settings) -> str:
    from bot.app import build_core
    from tools.portfolio import portfolio_summary

    core = build_core(settings)
    return " | ".join(portfolio_summary(ctx).text for ctx in core.contexts())


def _usage(settings: Settings) -> str:
    from bot.app import build_core

    core = build_core(settings)
    measures = core.usage.measures(core.contexts()[0].workspace_id)
    if not measures:
        raise LookupError("no usage facts yet")
    return f"{len(measures)} measures: {', '.join(measures[:6])}"


def _embedding(settings: Settings) -> str:
    from knowledge.embedding import embed

    return f"bundled model loads, {embed(['hello']).shape[1]} dimensions"


def _templates(settings: Settings) -> str:
    from knowledge.documents import observations, templates

    return f"{len(templates())} message templates, {len(observations())} observations"


def _library(settings: Settings) -> str:
    from tools.knowledge_base import KnowledgeBase

    found = KnowledgeBase(settings.data_dir).library()
    if found.errors:
        raise ValueError("; ".join(found.errors[:5]))
    return f"{len(found.plays)} plays, {len(found.cases)} case studies, {len(found.articles)} articles"


def _slack(settings: Settings) -> str:
    from bot.app import slack_client

    if not settings.slack_bot_token:
        raise LookupError("SLACK_BOT_TOKEN is not set")
    answer = slack_client(settings, plain(settings.slack_bot_token)).auth_test()
    return f"connected to {answer['team']} as {answer['user']}"


def _model(settings: Settings) -> str:
    if not settings.openai_api_key:
        raise LookupError("OPENAI_API_KEY is not set: Tend answers by its own rules")
    from openai import OpenAI

    client = OpenAI(
        api_key=plain(settings.openai_api_key), base_url=settings.openai_base_url, timeout=15, max_retries=0
    )
    client.chat.completions.create(model=settings.openai_model, messages=[{"role": "user", "content": "Say ok."}])
    return f"{settings.openai_model} answers"


def _mail(settings: Settings) -> str:
    from bot.senders.setup import email_sender

    if not settings.smtp_url:
        raise LookupError("SMTP_URL is not set: approved drafts would wait")
    email_sender(settings).check()
    return "the mail server accepts the connection"


_Check = tuple[str, Callable[[Settings], str], str, bool]
_CHECKS: tuple[_Check, ...] = (
    ("settings", _settings, "Set what is named in the environment or in .env (README, Settings).", False),
    (
        "database",
        _database,
        "Check DATABASE_URL, and that the server runs and the user may create tables.",
        False,
    ),
    ("accounts", _accounts, "Import some: python -m bot import FOLDER, or try make demo.", False),
    ("usage", _usage, "Import a usage file, or point USAGE_URL to your warehouse.", True),
    ("templates", _templates, "A file in knowledge/templates is broken: the message names it.", False),
    ("library", _library, "Mend the file named here; `python -m bot knowledge check` names all.", False),
    ("index", _embedding, "The files in knowledge/embedding are missing or damaged: check out again.", False),
    (
        "Slack",
        _slack,
        "Install the app from manifest.json and set the tokens (README, Connect Slack).",
        False,
    ),
    ("model", _model, "Set OPENAI_API_KEY (and OPENAI_BASE_URL for another server) to use one.", True),
    ("mail", _mail, "Set SMTP_URL, for example smtp://user:password@mail.example.com:587.", False),
)
