"""Every purpose can be asked for in plain words, in the mode without a language model."""

from typing import get_args

import pytest

from bot.agent import build_lexicon
from bot.asked import asks_for_draft
from bot.offline import plan_calls
from tests.bot.portfolio import context
from tools.purposes import Purpose, purposes

ASKED = {
    "ask Globex for a testimonial": "testimonial",
    "please ask Globex if we may have a testimonial": "testimonial",
    "request a testimonial from Globex": "testimonial",
    "draft a testimonial request to Globex": "testimonial",
    "ask Globex for a case study": "case_study",
    "write to Globex about a case study": "case_study",
    "invite Globex to refer us": "referral",
    "ask Globex to recommend us": "referral",
    "survey Globex": "survey",
    "send a survey to Globex": "survey",
    "executive letter to Globex": "executive",
    "draft a note from our CEO to Globex": "executive",
    "write to Globex about growing": "expansion",
    "draft an apology to Globex": "support",
    "draft a payment reminder for Globex": "billing",
    "congratulate Globex": "celebration",
    "draft a check-in for Globex": "check_in",
    "draft a renewal email to Globex": "renewal",
    "write a welcome email to Globex": "onboarding",
    "email Globex about training": "adoption",
    "draft a message to save Globex": "risk",
    "win back Globex": "win_back",
    "bring Globex back": "win_back",
}


@pytest.mark.parametrize(("question", "purpose"), ASKED.items())
def test_a_purpose_is_understood(question: str, purpose: str) -> None:
    calls = plan_calls(question, build_lexicon(context(), [])).tool_calls
    assert [(call["name"], call["args"]) for call in calls] == [
        ("draft_outreach", {"account": "Globex", "purpose": purpose})
    ]
    assert asks_for_draft(question)


def test_every_purpose_is_among_what_was_asked() -> None:
    assert set(ASKED.values()) == set(get_args(Purpose)) == set(purposes())


@pytest.mark.parametrize("question", [
    "which surveys did Globex answer?", "survey results of Globex", "did Globex refer anybody?",
    "when did we get the contract back from Globex?", "does Globex have a case study?",
])  # fmt: skip
def test_a_question_about_such_matters_asks_for_no_message(question: str) -> None:
    calls = plan_calls(question, build_lexicon(context(), [])).tool_calls
    assert "draft_outreach" not in [call["name"] for call in calls]
    assert not asks_for_draft(question)


def test_an_account_that_left_is_named_as_it_was() -> None:
    calls = plan_calls("win back Gone Limited", build_lexicon(context(), [])).tool_calls
    assert calls == [{"name": "draft_outreach", "args": {"account": "Gone Limited", "purpose": "win_back"}}]
