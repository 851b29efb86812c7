"""What people think of answers is kept once for each of them, with what the answer was made of, and summed up."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import select

from bot.answers import MODEL, NO_MODEL, RULES, Answer
from bot.memory import remember
from storage.models import Account, Feedback, Role
from tests.conftest import Stepped
from tools.accounts import account_brief
from tools.context import Actor, Context
from tools.errors import NotAllowedError, UserError
from tools.feedback import feedback_report, last_turn, record_feedback
from tools.portfolio import portfolio_summary

ADMIN = Actor("morgan@team.example", "Morgan", Role.ADMIN)


@pytest.fixture
def answered(ctx: Context) -> Context:
    """Three answers in one thread."""
    summary = portfolio_summary(ctx)
    with ctx.session() as session:
        name = session.exec(select(Account.name).where(Account.churned_on == None)).first()  # noqa: E711
    brief = account_brief(ctx, str(name))
    made = [(RULES, summary, "portfolio_summary"), (MODEL, brief, "account_brief"), (NO_MODEL, brief, "account_brief")]
    for place, (mode, result, tool) in enumerate(made):
        call = {"name": tool, "args": {}}
        answer = Answer(result.text, mode, (result,), (call,))
        remember(ctx, f"k{place}", "C1", "1.0", f"question {place}", answer)
    return ctx


def test_a_thumb_is_kept_with_the_answers_facts(answered: Context) -> None:
    record_feedback(answered, "k0", True)
    with answered.session() as session:
        row = session.exec(select(Feedback)).one()
    assert (row.good, row.question, row.mode, row.tools[0]["name"]) == (
        True,
        "question 0",
        "rules",
        "portfolio_summary",
    )
    assert len(row.facts) == len(portfolio_summary(answered).facts)


def test_thinking_again_replaces_and_a_late_thumb_keeps_the_reason(answered: Context) -> None:
    record_feedback(answered, "k0", True)
    record_feedback(answered, "k0", False, "wrong_figure", "we have 31 accounts")
    record_feedback(answered, "k0", False)
    with answered.session() as session:
        row = session.exec(select(Feedback)).one()
    assert (row.good, row.reason, row.words) == (False, "wrong_figure", "we have 31 accounts")
    record_feedback(answered, "k0", True)
    assert feedback_report(answered.acting(ADMIN)).good == 1


def test_an_unknown_answer_is_said_to_be_unknown(answered: Context) -> None:
    with pytest.raises(UserError, match="no record of that answer"):
        record_feedback(answered, "elsewhere", True)
    with pytest.raises(UserError):
        record_feedback(replace(answered, workspace_id="other"), "k0", True)


def test_the_report_gives_shares_by_mode_and_tool_and_the_questions_that_went_wrong(answered: Context) -> None:
    other = answered.acting(replace(answered.actor, email="tomasz@team.example"))
    record_feedback(answered, "k0", True)
    record_feedback(other, "k0", True)
    record_feedback(answered, "k1", False, "not_asked", "I asked for the plan")
    record_feedback(answered, "k2", False, "not_asked")
    report = feedback_report(answered.acting(ADMIN), 7)
    assert (report.judged, report.good) == (4, 2)
    assert report.text == "2 of 4 judged answers within 7 days got a thumbs up (50%)."
    assert report.reasons == (("not what I asked", 2),)
    assert {(s.name, s.judged, s.good) for s in report.tools} == {("portfolio_summary", 2, 2), ("account_brief", 2, 0)}
    assert {(s.name, s.judged, s.good) for s in report.modes} == {
        ("rules", 2, 2), ("language model", 1, 0), ("rules, language model not available", 1, 0)
    }  # fmt: skip
    assert [w.question for w in report.wrong] == ["question 2", "question 1"]
    assert report.wrong[1].words == "I asked for the plan"


def test_the_report_covers_the_days_asked_for(answered: Context, clock: Stepped) -> None:
    record_feedback(answered, "k0", True)
    clock.now += timedelta(days=8)
    assert feedback_report(answered.acting(ADMIN), 7).judged == 0
    assert feedback_report(answered.acting(ADMIN), 9).judged == 1


def test_the_report_is_for_admins(answered: Context) -> None:
    with pytest.raises(NotAllowedError):
        feedback_report(answered)


def test_the_last_answer_of_a_thread_is_the_newest_there(answered: Context) -> None:
    found = last_turn(answered, "C1", "1.0")
    assert found is not None
    assert found.question == "question 2"
    assert last_turn(answered, "C1", "2.0") is None
