"""Regular work is done once per period, whatever races, fails, dies or changes the clock."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from slack_sdk import WebClient
from sqlalchemy import update
from sqlmodel import func, select

from bot import jobs
from bot.blocks.digest import digest_blocks
from bot.jobs import LEASE, Job, digest_period, post_digest, run_due
from bot.local.run import Running
from bot.local.server import Channel, LocalWorkspace, Person
from bot.messages import Messenger
from bot.settings import Settings
from storage.database import insert_rows
from storage.models import (
    Digest,
    DigestSubscription,
    Draft,
    DraftState,
    JobPeriod,
    PremiumTrial,
    ScoringRun,
    Snapshot,
    User,
    WorkState,
)
from tests.tools.portfolio import TODAY, ago
from tests.tools.portfolio import run as scoring_run
from tools import approvals, digests, trials
from tools.context import Context
from tools.drafts import draft_outreach
from tools.errors import UserError

CHANNEL, OTHER = "C0DIGEST", "C0OTHER"


class Office:
    """What jobs use of the running app: a real messenger, and the cards that were to be updated."""

    def __init__(self, client: WebClient) -> None:
        self.messenger = Messenger(lambda workspace_id: client, lambda *_: None)
        self.refreshed: list[int] = []
        self.client = client
        self.settings = Settings(_env_file=None, train_weekly=False)

    def refresh_cards(self, ctx: Context, draft_id: int) -> None:
        self.refreshed.append(draft_id)

    def posts(self, channel: str = CHANNEL) -> list[str]:
        return [message["text"] for message in self.client.conversations_history(channel=channel)["messages"]]


@pytest.fixture
def office() -> Iterator[Any]:
    dana = Person("U0DANA", "dana", "Dana Reyes", "dana@team.example")
    channels = [Channel(each, each[2:].lower(), ("U0DANA", "U0TEND")) for each in (CHANNEL, OTHER)]
    workspace = LocalWorkspace(request_url="http://127.0.0.1:9/", signing_secret="s", people=[dana], channels=channels)
    with Running(workspace.app) as server:
        yield Office(WebClient("xoxb-local", base_url=f"{server.url}/api/"))
    workspace.close()


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run one job of the test's own instead of the product's."""

    def use(function: Any, period: Any = jobs.daily) -> None:
        monkeypatch.setattr(jobs, "JOBS", (Job("job", period, function),))
        monkeypatch.setattr(jobs, "SLOW_JOBS", ())

    return use


def subscribe(ctx: Context, channel: str = CHANNEL, hour: int = 8, zone: str = "UTC") -> DigestSubscription:
    return digests.subscribe(ctx, channel, hour, zone)


def period(ctx: Context) -> JobPeriod:
    with ctx.session() as session:
        return session.exec(select(JobPeriod)).one()


def later(ctx: Context, **values: Any) -> None:
    with ctx.session() as session:
        session.execute(update(JobPeriod).values(**values))
        session.commit()


def kept(ctx: Context) -> int:
    with ctx.session() as session:
        return session.exec(select(func.count()).select_from(Digest)).one()


def test_a_period_runs_once_when_threads_race_for_it(ctx: Context, only: Any) -> None:
    ran: list[int] = []
    start = threading.Barrier(6)
    only(lambda tend, ctx: ran.append(1) or {})

    def wake() -> None:
        start.wait()
        run_due(None, ctx)  # type: ignore[arg-type]

    threads = [threading.Thread(target=wake) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ran == [1]
    assert (period(ctx).state, period(ctx).attempts) == (WorkState.DONE, 1)


def known_to_slack(ctx: Context) -> None:
    with ctx.session() as session:
        session.execute(update(User).where(User.email == "dana@team.example").values(slack_id="U0DANA"))  # type: ignore[arg-type]
        session.commit()


def test_a_draft_of_a_play_reaches_the_owner_once(office: Any, ctx: Context) -> None:
    known_to_slack(ctx)
    own, asked = draft_outreach(ctx, "Acme Group", "check_in"), draft_outreach(ctx, "Acme Group", "risk")
    with ctx.session() as session:
        session.execute(update(Draft).where(Draft.id == own.id).values(origin="play:usage_halved"))  # type: ignore[arg-type]
        session.commit()
    assert jobs.tell_of_drafts(office, ctx) == 1
    assert jobs.tell_of_drafts(office, ctx) == 0
    channel = office.client.conversations_open(users="U0DANA")["channel"]["id"]
    assert office.posts(channel) == [own.text]
    assert asked.text not in office.posts(channel)


def test_an_owner_whom_slack_does_not_know_is_not_written_to(office: Any, ctx: Context) -> None:
    own = draft_outreach(ctx, "Acme Group", "check_in")
    with ctx.session() as session:
        session.execute(update(Draft).where(Draft.id == own.id).values(origin="play:usage_halved"))  # type: ignore[arg-type]
        session.commit()
    assert jobs.tell_of_drafts(office, ctx) == 0


def test_news_of_a_trial_reach_the_owner_once(office: Any, ctx: Context, clock: Any) -> None:
    known_to_slack(ctx)
    trials.start_trial(ctx, "Acme Dental", "Premium trial")
    with ctx.session() as session:
        session.execute(update(PremiumTrial).values(ends_on=ago(0)))
        session.commit()
    assert jobs.measure_trials(office, ctx) == {"news": 1}
    assert jobs.measure_trials(office, ctx) == {"news": 0}
    channel = office.client.conversations_open(users="U0DANA")["channel"]["id"]
    assert office.posts(channel) == ["The premium trial of Acme Dental has ended (use not known)."]


def test_the_next_period_runs_again(ctx: Context, only: Any, clock: Any) -> None:
    only(lambda tend, ctx: {"n": 1}, jobs.hourly)
    ran = []
    for _ in range(3):
        ran.append(run_due(None, ctx))  # type: ignore[arg-type]
        clock.now += timedelta(minutes=30)
    assert ran == [["job"], [], ["job"]]


def test_periods_of_two_workspaces_do_not_meet(ctx: Context, only: Any) -> None:
    from dataclasses import replace

    only(lambda tend, ctx: {})
    assert [run_due(None, each) for each in (ctx, replace(ctx, workspace_id="w2"))] == [["job"], ["job"]]  # type: ignore[arg-type]


def test_a_failed_period_is_tried_again_later_but_not_for_ever(ctx: Context, only: Any) -> None:
    ran: list[int] = []

    def fails(tend: Any, ctx: Context) -> dict[str, Any]:
        ran.append(1)
        raise ConnectionError("private words")

    only(fails)
    for _ in range(20):
        assert run_due(None, ctx) == []  # type: ignore[arg-type]
        assert run_due(None, ctx) == []  # type: ignore[arg-type]
        later(ctx, started_at=datetime.now(UTC) - timedelta(hours=2))
    assert len(ran) == 6
    assert (period(ctx).state, period(ctx).result) == (WorkState.FAILED, {"error": "ConnectionError"})


def test_a_period_that_failed_once_can_still_succeed(ctx: Context, only: Any) -> None:
    errors = [ConnectionError()]

    def works_later(tend: Any, ctx: Context) -> dict[str, Any]:
        if errors:
            raise errors.pop()
        return {"done": True}

    only(works_later)
    assert run_due(None, ctx) == []  # type: ignore[arg-type]
    later(ctx, started_at=datetime.now(UTC) - timedelta(minutes=3))
    assert run_due(None, ctx) == ["job"]  # type: ignore[arg-type]
    assert (period(ctx).state, period(ctx).result) == (WorkState.DONE, {"done": True})


def test_a_period_whose_runner_vanished_is_taken_after_its_lease(ctx: Context, only: Any) -> None:
    only(lambda tend, ctx: {})
    run_due(None, ctx)  # type: ignore[arg-type]
    later(ctx, state=WorkState.RUNNING, lease_until=datetime.now(UTC) + LEASE)
    assert run_due(None, ctx) == []  # type: ignore[arg-type]
    later(ctx, lease_until=datetime.now(UTC) - timedelta(seconds=1))
    assert run_due(None, ctx) == ["job"]  # type: ignore[arg-type]


def test_a_runner_that_was_overtaken_does_not_reopen_what_the_other_finished(ctx: Context, only: Any) -> None:
    ran: list[str] = []

    def slow_then_fails(tend: Any, ctx: Context) -> dict[str, Any]:
        ran.append("run")
        if len(ran) == 1:
            later(ctx, lease_until=datetime.now(UTC) - timedelta(seconds=1))
            assert run_due(None, ctx) == ["job"]  # type: ignore[arg-type]  # another process takes over
            raise ConnectionError
        return {"done": True}

    only(slow_then_fails)
    run_due(None, ctx)  # type: ignore[arg-type]
    assert (period(ctx).state, period(ctx).result) == (WorkState.DONE, {"done": True})


def test_one_failing_job_does_not_stop_the_digest(ctx: Context, only: Any, office: Any) -> None:
    def fails(tend: Any, ctx: Context) -> dict[str, Any]:
        raise ConnectionError

    only(fails)
    subscribe(ctx)
    assert run_due(office, ctx) == [f"digest:{CHANNEL}"]


def test_the_digest_is_posted_once_per_channel_and_date(ctx: Context, office: Any, clock: Any) -> None:
    subscribe(ctx)
    subscribe(ctx, OTHER, hour=10)
    run_due(office, ctx)
    run_due(office, ctx)
    assert (len(office.posts()), len(office.posts(OTHER))) == (1, 0)
    clock.now += timedelta(hours=1)
    run_due(office, ctx)
    assert (len(office.posts()), len(office.posts(OTHER))) == (1, 1)
    assert office.posts()[0] == "7 accounts at risk, €60k + $261k ARR."


def test_a_digest_says_what_changed_since_the_last_one(ctx: Context, office: Any, clock: Any) -> None:
    subscription = subscribe(ctx)
    run_due(office, ctx)
    clock.now += timedelta(days=1)
    with ctx.session() as session:
        for row in session.exec(select(Snapshot).where(Snapshot.day == TODAY)).all():
            value = {38.0: 90.0, 55.0: 49.0, 85.0: 70.0}.get(row.value or 0, row.value)  # a9, a4, a1
            band = ctx.scorecards.of(None).band(value)
            session.add(Snapshot(account_id=row.account_id, day=ago(-1), scorecard="matrix", value=value, band=band))
        insert_rows(session, ScoringRun, [scoring_run(ago(-1))])
        session.commit()
    card = digests.compose_digest(ctx, subscription, ago(-1))
    names = {row.id: row.name for row in card.rows}
    assert [names[each] for each in card.fresh] == ["Acme Dental"]
    assert [names[each] for each in card.worse] == ["Cedar Freight"]
    assert [(each.name, each.left) for each in card.recovered] == [("Harbour Retail", False)]


@pytest.mark.parametrize("times", [1, 2])
def test_a_digest_whose_process_died_after_posting_is_kept_and_not_posted_again(
    ctx: Context, office: Any, times: int
) -> None:
    subscription = subscribe(ctx)
    card = digests.compose_digest(ctx, subscription, TODAY)
    key = f"digest:{CHANNEL}:{TODAY}"
    office.messenger.post_once(ctx, key, CHANNEL, card.text, digest_blocks(card))  # and then the process dies
    assert kept(ctx) == 0
    for _ in range(times):
        post_digest(office, ctx, subscription, TODAY.isoformat())
    assert (len(office.posts()), kept(ctx)) == (1, 1)


def test_a_digest_whose_process_died_while_posting_is_found_again(ctx: Context, office: Any) -> None:
    from storage.models import SlackMessage

    subscription = subscribe(ctx)
    post_digest(office, ctx, subscription, TODAY.isoformat())
    with ctx.session() as session:  # it was posted, but its place was not stored any more
        session.execute(update(SlackMessage).values(ts=None))
        session.commit()
    post_digest(office, ctx, subscription, TODAY.isoformat())
    assert len(office.posts()) == 1


def test_a_post_that_slack_refused_is_made_by_the_next_run(ctx: Context, office: Any) -> None:
    subscription = subscribe(ctx)
    refusing = WebClient("xoxb-local", base_url="http://127.0.0.1:9/api/")
    broken = type("Broken", (), {"messenger": Messenger(lambda workspace_id: refusing, lambda *_: None)})
    with pytest.raises(OSError, match="refused"):
        post_digest(broken(), ctx, subscription, TODAY.isoformat())  # type: ignore[arg-type]
    post_digest(office, ctx, subscription, TODAY.isoformat())
    assert len(office.posts()) == 1


def due_times(ctx: Context, clock: Any, hour: int, start: str, hours: int) -> list[tuple[str, str]]:
    """Look every half hour: each new period with the UTC time at which it came due."""
    subscription = DigestSubscription(channel=CHANNEL, hour=hour, time_zone="Europe/Berlin", created_by="dana")
    found: dict[str, str] = {}
    clock.now = datetime.fromisoformat(start).replace(tzinfo=UTC)
    for _ in range(hours * 2):
        due = digest_period(ctx, subscription)
        if due:
            found.setdefault(due, clock.now.strftime("%d %H:%M"))
        clock.now += timedelta(minutes=30)
    return list(found.items())


def test_the_digest_keeps_its_local_hour_when_the_clocks_change(ctx: Context, clock: Any) -> None:
    assert due_times(ctx, clock, 8, "2026-03-28T00:00", 72) == [
        ("2026-03-28", "28 07:00"),
        ("2026-03-29", "29 06:00"),  # summer time begins
        ("2026-03-30", "30 06:00"),
    ]


def test_an_hour_that_the_clocks_skip_or_repeat_gives_one_digest(ctx: Context, clock: Any) -> None:
    assert due_times(ctx, clock, 2, "2026-03-28T22:00", 5)[0] == ("2026-03-28", "28 22:00")
    assert due_times(ctx, clock, 2, "2026-03-28T23:00", 5) == [("2026-03-29", "29 01:00")]  # 2:00 is 3:00
    assert due_times(ctx, clock, 2, "2026-10-24T22:00", 8) == [("2026-10-25", "25 00:00")]  # 2:00 comes twice


def test_a_digest_is_of_the_date_that_was_claimed_even_past_midnight(ctx: Context, office: Any, clock: Any) -> None:
    """Between claiming and posting, the local day may end."""
    subscribe(ctx, hour=8)
    clock.now = datetime(2026, 5, 4, 23, 59, 59, tzinfo=UTC)
    run = jobs._digest(subscribe(ctx, hour=8), "2026-05-04")
    clock.now += timedelta(seconds=2)
    run(office, ctx)
    with ctx.session() as session:
        assert session.exec(select(Digest.day)).all() == [TODAY]


@pytest.mark.parametrize(("hour", "zone", "said"), [(24, "UTC", "not an hour"), (8, "Mars/Base", "time zone")])
def test_a_digest_that_could_never_be_posted_is_refused(ctx: Context, hour: int, zone: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        digests.subscribe(ctx, CHANNEL, hour, zone)


def test_a_channel_has_one_digest_that_can_be_moved_and_stopped(ctx: Context) -> None:
    subscribe(ctx, hour=8)
    subscribe(ctx, hour=9)
    assert [each.hour for each in digests.subscriptions(ctx)] == [9]
    assert digests.unsubscribe(ctx, CHANNEL)
    assert not digests.unsubscribe(ctx, CHANNEL)
    assert digests.subscriptions(ctx) == []


def test_drafts_that_nobody_decided_expire_and_their_cards_say_so(ctx: Context, office: Any, clock: Any) -> None:
    card = draft_outreach(ctx, "Acme Group", "check_in")
    other = draft_outreach(ctx, "Juniper Farms", "check_in")
    approvals.approve(ctx, other.id, other.content_hash)
    clock.now += timedelta(days=7)
    assert "expire_drafts" in run_due(office, ctx)
    assert office.refreshed == [card.id]
    assert approvals.get_draft(ctx, card.id).state == DraftState.EXPIRED
    assert approvals.get_draft(ctx, other.id).state == DraftState.APPROVED
