"""Regular work: once per job, period and workspace, whatever restarts, doubles or was down."""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import update
from sqlmodel import col, select

from bot import mailbox_job
from bot.blocks.digest import digest_blocks
from bot.blocks.expansion import trial_news
from bot.cards import post_draft
from bot.extraction import reader
from bot.runtime import Tend
from scoring.mentions import load_mentions
from storage.database import changed_one, insert_new
from storage.models import DigestSubscription, Draft, DraftState, JobPeriod, User, WorkState
from tools import approvals, digests, draft_care, growth_model, knowledge, plays, reading, refresh, training, trials
from tools.context import Context

log = structlog.get_logger()
LEASE = timedelta(minutes=15)


@dataclass(frozen=True)
class Job:
    """A regular piece of work.

    Args:
        name: also its key in the table of periods.
        period: returns the period that is due now, or None; each runs once.
        function: does it and returns what it did, for the record.
        wanted: whether it is set up at all.
    """

    name: str
    period: Callable[[Context], str | None]
    function: Callable[[Tend, Context], dict[str, Any]]
    wanted: Callable[[Tend], bool] = lambda tend: True


def daily(ctx: Context) -> str:
    return ctx.today().isoformat()


def hourly(ctx: Context) -> str:
    return ctx.now().strftime("%Y-%m-%dT%H")


def weekly(ctx: Context) -> str:
    year, week, _ = ctx.today().isocalendar()
    return f"{year}-W{week:02}"


class StoppedError(RuntimeError):
    """Tend was told to stop in the middle of long work; the next start does it again."""


def train_churn(tend: Tend, ctx: Context) -> dict[str, Any]:
    if not tend.settings.train_weekly:
        return {"skipped": "TRAIN_WEEKLY is off"}

    def go_on(name: str, done: int, total: int) -> None:
        if tend.schedule and tend.schedule.stopping.is_set():
            raise StoppedError(f"stopped while {name}, {done} of {total}")

    history = training.learning_history(ctx, go_on)
    done = training.train(ctx, go_on, history)
    grown = growth_model.train_growth(ctx, history)
    return {"version": done.version, "adopted": done.adopted, "text": done.text, "growth": grown.text}


def read_texts(tend: Tend, ctx: Context) -> dict[str, Any]:
    """Have new texts read by the language model, if there is one, before their day is scored."""
    patterns = load_mentions()
    read, newest = reader(tend.settings, patterns), refresh.data_day(ctx)
    most = tend.settings.read_texts
    if read is None or newest is None or not most:
        return {"skipped": "no language model" if read is None else "no data, or READ_TEXTS is 0"}
    done = reading.read_by_model(ctx, newest, read, patterns, most)
    return asdict(done)


def score_all(tend: Tend, ctx: Context) -> dict[str, Any]:
    done = refresh.refresh(ctx)
    return {"day": done.day.isoformat(), "accounts": done.accounts, "days": done.days_written}


def run_plays(tend: Tend, ctx: Context) -> dict[str, Any]:
    """Go on with what runs, end what is over, and start what is called for, if plays start by themselves."""
    done = plays.run_plays(ctx, ctx.now(), None if tend.settings.run_plays else {})
    return {**done.counts, "errors": dict(done.errors), "told": tell_of_drafts(tend, ctx)}


def do_due_steps(tend: Tend, ctx: Context) -> dict[str, Any]:
    """Do the steps of plays that are due by now."""
    done = plays.run_due_steps(ctx, ctx.now())
    return {**done.counts, "told": tell_of_drafts(tend, ctx)}


def tell_of_drafts(tend: Tend, ctx: Context) -> int:
    """Bring each new draft of a play to the owner of its account, for approval. Returns how many."""
    with ctx.session() as session:
        waiting = (
            Draft.state == DraftState.DRAFTED,
            col(Draft.origin).startswith("play:"),
            col(Draft.expires_at) > ctx.now(),
        )
        rows = session.exec(
            select(Draft, User.slack_id).outerjoin(User, col(User.email) == Draft.created_by).where(*waiting)
        )
        new = [(draft.id or 0, slack) for draft, slack in rows.all() if not draft.cards and slack]
    client = tend.messenger.client_of(ctx.workspace_id) if new else None
    for draft_id, slack in new:
        assert client is not None
        channel = client.conversations_open(users=slack)["channel"]["id"]
        post_draft(tend, ctx, approvals.get_draft(ctx, draft_id), channel)
    return len(new)


def measure_trials(tend: Tend, ctx: Context) -> dict[str, Any]:
    """Measure the trials of premium features, and tell the owners what changed."""
    newest = refresh.data_day(ctx)
    news = trials.measure_trials(ctx, newest) if newest else []
    for each in news:
        tell_owner(tend, ctx, each.owner_email, f"trial:{each.trial.id}:{each.kind}", each.text, trial_news(each))
    return {"news": len(news)}


def tell_owner(tend: Tend, ctx: Context, email: str | None, key: str, text: str, blocks: list[Any]) -> None:
    """Write to the owner of an account in their own messages, once; nobody is told where Slack does not know them."""
    with ctx.session() as session:
        found = session.exec(select(User.slack_id).where(User.email == email)).first()
    if not found:
        log.warning("nobody_to_tell", key=key)
        return
    channel = tend.messenger.client_of(ctx.workspace_id).conversations_open(users=found)["channel"]["id"]
    tend.messenger.post_once(ctx, key, channel, text, blocks)


def expire_drafts(tend: Tend, ctx: Context) -> dict[str, Any]:
    expired, woken = draft_care.expire_drafts(ctx), draft_care.wake_snoozed(ctx)
    for card in (*expired, *woken):
        tend.refresh_cards(ctx, card.id)
    return {"expired": len(expired), "woken": len(woken)}


def has_mailbox(tend: Tend) -> bool:
    return tend.settings.imap_url is not None


JOBS = (
    Job("read_texts", daily, read_texts),
    Job("score", daily, score_all),
    Job("trials", daily, measure_trials),
    Job("plays", daily, run_plays),
    Job("play_steps", hourly, do_due_steps),
    Job("expire_drafts", hourly, expire_drafts),
    Job(mailbox_job.NAME, mailbox_job.five_minutes, mailbox_job.read_mailbox, has_mailbox),
)


def sync_documents(tend: Tend, ctx: Context) -> dict[str, Any]:
    """Index what has changed in the documents."""
    done = knowledge.sync_documents(ctx)
    return {**vars(done.synced), "problems": [str(problem) for problem in (*done.problems, *done.errors)][:20]}


SLOW_JOBS = (  # after the digests, which do not wait for minutes
    Job("documents", hourly, sync_documents),
    Job("train", weekly, train_churn),
)


def run_due(tend: Tend, ctx: Context, slow: bool = True) -> list[str]:
    """Run everything that is due in one workspace. Returns the names of what ran.

    Args:
        slow: what takes minutes, too; not while a person waits.
    """
    ran = [job.name for job in JOBS if job.wanted(tend) and _run(tend, ctx, job.name, job.period(ctx), job.function)]
    for subscription in digests.subscriptions(ctx):
        period = digest_period(ctx, subscription)
        if _run(tend, ctx, f"digest:{subscription.channel}", period, _digest(subscription, period or "")):
            ran.append(f"digest:{subscription.channel}")
    late = SLOW_JOBS if slow else ()
    return ran + [job.name for job in late if _run(tend, ctx, job.name, job.period(ctx), job.function)]


def digest_period(ctx: Context, subscription: DigestSubscription) -> str | None:
    """The local date once its hour has come; a day that was missed altogether is not made up for."""
    local = ctx.now().astimezone(ZoneInfo(subscription.time_zone))
    return local.date().isoformat() if local.hour >= subscription.hour else None


def post_digest(tend: Tend, ctx: Context, subscription: DigestSubscription, day: str) -> dict[str, Any]:
    """Compose and post one channel's digest of a local date; posting it again changes nothing."""
    card = digests.compose_digest(ctx, subscription, datetime.fromisoformat(day).date())
    tend.messenger.post_once(
        ctx, f"digest:{subscription.channel}:{day}", subscription.channel, card.text, digest_blocks(card)
    )
    digests.keep_digest(ctx, subscription, card)
    return {"accounts": card.total, "new": len(card.fresh), "worse": len(card.worse)}


def _digest(subscription: DigestSubscription, period: str) -> Callable[[Tend, Context], dict[str, Any]]:
    def run(tend: Tend, ctx: Context) -> dict[str, Any]:
        return post_digest(tend, ctx, subscription, period)

    return run


def _run(
    tend: Tend,
    ctx: Context,
    name: str,
    period: str | None,
    function: Callable[[Tend, Context], dict[str, Any]],
) -> bool:
    attempt = _claim(ctx, name, period) if period else None
    if period is None or attempt is None:
        return False
    try:
        result = function(tend, ctx)
    except Exception as error:
        log.error("job_failed", job=name, period=period, error=type(error).__name__)
        _settle(ctx, name, period, attempt, WorkState.FAILED, {"error": type(error).__name__})
        return False
    _settle(ctx, name, period, attempt, WorkState.DONE, result)
    return True


def _claim(ctx: Context, job: str, period: str) -> int | None:
    """Take a period that nobody has taken, that failed, or whose runner vanished; leases use the real clock.

    Returns which attempt it is, or None when there is nothing to do.
    """
    now = datetime.now(UTC)
    row = {
        "job": job,
        "period": period,
        "state": WorkState.RUNNING,
        "attempts": 1,
        "started_at": now,
        "lease_until": now + LEASE,
    }
    with ctx.session() as session:
        attempt = 1 if insert_new(session, JobPeriod, row, ["job", "period"]) else _retake(session, job, period, now)
        session.commit()
    return attempt


def _retake(session: Any, job: str, period: str, now: datetime) -> int | None:
    mine = (col(JobPeriod.job) == job, col(JobPeriod.period) == period)
    known = session.exec(select(JobPeriod).where(*mine)).one()
    gone = known.state == WorkState.RUNNING and known.lease_until < now
    # A failed run waits a little longer each time, so that an outage is not hammered.
    failed = known.state == WorkState.FAILED and known.started_at < now - timedelta(minutes=2**known.attempts)
    if not (gone or failed) or known.attempts >= 6:
        return None
    values = {
        "state": WorkState.RUNNING,
        "attempts": known.attempts + 1,
        "started_at": now,
        "lease_until": now + LEASE,
    }
    claim = update(JobPeriod).where(*mine, col(JobPeriod.attempts) == known.attempts)
    return known.attempts + 1 if changed_one(session, claim.values(**values)) else None


def _settle(ctx: Context, job: str, period: str, attempt: int, state: WorkState, result: dict[str, Any]) -> None:
    """Record the outcome, unless the lease ran out and another runner has the period now."""
    with ctx.session() as session:
        mine = (col(JobPeriod.job) == job, col(JobPeriod.period) == period, col(JobPeriod.attempts) == attempt)
        values = {"state": state, "result": result, "finished_at": datetime.now(UTC)}
        changed_one(session, update(JobPeriod).where(*mine).values(**values))
        session.commit()


class Schedule:
    """Wakes `run_due` every half minute; any number of processes may have one."""

    def __init__(self, tend: Tend) -> None:
        from apscheduler.schedulers.background import BackgroundScheduler

        self._tend = tend
        self.stopping = threading.Event()
        self._scheduler = BackgroundScheduler(timezone="UTC")
        self._scheduler.add_job(
            self.wake, "interval", seconds=30, max_instances=1, coalesce=True, next_run_time=datetime.now(UTC)
        )

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        self.stopping.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def wake(self) -> None:
        for ctx in self._tend.contexts():
            try:
                run_due(self._tend, ctx)
            except Exception as error:  # one workspace in trouble does not stop the others
                log.error("schedule_error", workspace=ctx.workspace_id, error=type(error).__name__)
