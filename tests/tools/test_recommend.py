"""What to do about an account: the fitting plays by urgency with its own numbers, started by one button."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import select

from bot.blocks import result_blocks
from bot.listeners.plays import ACTS
from bot.local.limits import message_blocks
from storage.models import Account, PlayRun, Signal
from tests.tools.portfolio import TODAY
from tools.context import Context
from tools.knowledge_base import KnowledgeBase
from tools.play_control import enrol, find_play
from tools.play_lists import account_plays, list_plays
from tools.play_outcomes import play_outcomes
from tools.recommend import recommend
from tools.tasks import list_tasks


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeBase:
    return KnowledgeBase(tmp_path_factory.mktemp("library"))


@pytest.fixture
def knowing(ctx: Context, base: KnowledgeBase) -> Context:
    """Acme Dental asked about cancelling, and its use has halved."""
    with ctx.session() as session:
        acme = session.exec(select(Account).where(Account.name == "Acme Dental")).one()
        for kind, evidence in (
            ("cancellation_intent", {"cancellation_mentions_30d": 2, "plan": "starter"}),
            ("usage_halved", {"usage_change_7d": -0.55}),
        ):
            day = TODAY - timedelta(days=1)
            session.add(Signal(account_id=acme.id or 0, kind=kind, severity=5, opened_on=day, evidence=evidence))
        session.commit()
    return replace(ctx, knowledge=base)


def test_the_most_urgent_play_comes_first_with_the_accounts_own_numbers(knowing: Context) -> None:
    found = recommend(knowing, "Acme Dental")
    titles = [play.title for play in found.plays]
    assert "They asked about cancelling" in titles[:2]
    assert found.plays[0].urgency == "within 24 hours"
    asked = next(play for play in found.plays if play.play == "cancellation_intent")
    assert asked.because == "Asked about cancelling since 3 May 2026; said they may cancel: 2"
    message_blocks(result_blocks(found))


def test_a_story_of_the_same_industry_is_offered(knowing: Context) -> None:
    found = recommend(knowing, "Acme Dental")
    assert found.story is not None
    case = knowing.library().cases[found.story.document.split("/")[1]]
    assert case.industry == "healthcare"


def test_a_started_play_runs_and_is_not_recommended_again(knowing: Context) -> None:
    first = recommend(knowing, "Acme Dental").plays[0]
    said = ACTS["start_play"](
        knowing, {"account": recommend(knowing, "Acme Dental").account_ids[0], "play": first.play}
    )
    assert said == f"“{first.title}” runs for Acme Dental from now on."
    again = recommend(knowing, "Acme Dental")
    assert first.title in again.running
    assert first.play not in [play.play for play in again.plays]
    running = account_plays(knowing, "Acme Dental")
    assert [run.play for run in running.running] == [first.play]
    message_blocks(result_blocks(running))
    run = running.running[0].id
    ACTS["pause_play"](knowing, {"run": run})
    assert account_plays(knowing, "Acme Dental").running[0].state == "paused"
    ACTS["resume_play"](knowing, {"run": run})
    ACTS["stop_play"](knowing, {"run": run})
    assert account_plays(knowing, "Acme Dental").running == ()


def test_where_a_play_worked_is_told(knowing: Context) -> None:
    play = recommend(knowing, "Acme Dental").plays[0].play
    enrol(knowing, "Birchwood Clinic", play)
    with knowing.session() as session:
        run = session.exec(select(PlayRun)).one()
        run.goal_met_on = TODAY
        session.add(run)
        session.commit()
    told = next(p for p in recommend(knowing, "Acme Dental").plays if p.play == play)
    assert (told.worked, told.of) == (("Birchwood Clinic",), 1)


def test_an_account_without_any_sign_is_left_in_peace(knowing: Context) -> None:
    found = recommend(knowing, "Granite Bank")
    assert all(play.urgency != "within 24 hours" for play in found.plays)
    message_blocks(result_blocks(found))


def test_empty_lists_say_so(knowing: Context) -> None:
    for found in (account_plays(knowing, "Granite Bank"), play_outcomes(knowing), list_tasks(knowing)):
        message_blocks(result_blocks(found))
    assert play_outcomes(knowing).text == "No play has run yet."
    library = list_plays(knowing, limit=200)
    assert library.total == len(knowing.library().plays) > 100
    message_blocks(result_blocks(library))
    assert find_play(knowing, "usage_halved").id == "usage_halved"
