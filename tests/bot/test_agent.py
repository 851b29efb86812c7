"""The agent with a language model behind a real HTTP server, well-behaved and otherwise."""

import re
import time
from typing import Any

import pytest
from sqlmodel import select

from bot.agent import Agent, build_lexicon
from bot.answers import MODEL, NO_MODEL, REWORDED, RULES, Answer, Turn
from bot.grounding import ungrounded
from bot.model import MEMORY_SHOWN
from bot.settings import Settings
from bot.telling import FACTS_SHOWN
from storage.models import Draft
from tests.bot.portfolio import ACCOUNTS, context
from tests.fakes_openai import FakeOpenAI, Reply, call, fake_openai, say
from tools.accounts import account_brief, find_accounts
from tools.drafts import DraftCard
from tools.insights import explain_health
from tools.portfolio import portfolio_summary

WHY = "why is Globex at risk?"
TOO_MANY_CALLS = "rules, the question needed too many calls of the language model"


def agent(fake: FakeOpenAI | None = None, seconds: float = 5) -> Agent:
    if fake is None:
        return Agent(Settings(_env_file=None, openai_api_key=None))
    return Agent(Settings(_env_file=None, openai_api_key="key", openai_base_url=fake.url), seconds)


def ask(fake: FakeOpenAI, question: str = WHY, turns: list[Turn] | None = None, key: str = "") -> Answer:
    return agent(fake, 1.5).answer(context(), question, turns or [], key)


def health_of(name: str) -> float:
    row = account_brief(context(), name).row
    assert row is not None
    assert row.health is not None
    return row.health


def assert_true(answer: Answer, question: str) -> None:
    """Every figure and name of the answer stands in its facts."""
    names = build_lexicon(context(), []).accounts
    material = " ".join(result.text for result in answer.results)
    assert not ungrounded(answer.text, answer.facts, question, names, material)


def test_a_tool_call_becomes_a_narrative_with_its_figures() -> None:
    words = f"Globex stands at {health_of('Globex'):.0f} points. Ask about its goals first."
    with fake_openai(call("explain_health", account="Globex"), say(words)) as fake:
        answer = ask(fake)
    assert (answer.mode, answer.text) == (MODEL, words)
    assert answer.results == (explain_health(context(), "Globex"),)
    assert fake.requests == 2
    assert fake.tokens > 100


def test_parallel_tool_calls_all_count() -> None:
    both = Reply(calls=(("account_brief", {"account": "Globex"}), ("account_brief", {"account": "Initech"})))
    with fake_openai(both, say("Globex needs you more than Initech.")) as fake:
        answer = ask(fake, "compare Globex and Initech")
    assert answer.mode == MODEL
    assert len(answer.results) == len(answer.account_ids) == 2


def test_the_thread_is_remembered() -> None:
    turns = [Turn("tell me about Globex", "Globex is critical.", (11,))]
    with fake_openai(call("explain_health", account="Globex"), say("Its goals pull it down.")) as fake:
        answer = ask(fake, "why?", turns)
    said = [message["content"] for message in fake.asked[0]["messages"]]
    assert said[1:] == ["tell me about Globex", "Globex is critical.", "why?"]
    assert answer.mode == MODEL


def shown_tools(asked: dict[str, Any]) -> dict[str, Any]:
    return {tool["function"]["name"]: tool["function"]["parameters"] for tool in asked["tools"]}


def test_the_model_sees_the_nearest_tools_but_no_hidden_argument() -> None:
    with fake_openai(say("Hello.")) as fake:
        ask(fake, "draft a renewal email to Globex; which accounts are at risk?")
    tools = shown_tools(fake.asked[0])
    assert len(tools) == 9  # and the one that asks for others
    assert "request_key" not in tools["draft_outreach"]["properties"]
    assert tools["find_accounts"]["properties"]["band"]["description"]
    assert not {name for name in tools if "send" in name or "approve" in name}


def test_the_model_is_shown_other_tools_when_it_asks_for_them() -> None:
    script = call("other_tools", need="where accounts stall on their journey"), call("bottlenecks"), say("See below.")
    with fake_openai(*script) as fake:
        answer = ask(fake, "tell me about Globex")
    before, after = (shown_tools(asked) for asked in fake.asked[:2])
    assert "bottlenecks" not in before
    assert set(before) < set(after)
    assert [c["name"] for c in answer.calls] == ["bottlenecks"]


def test_the_model_recovers_from_a_tool_that_does_not_exist() -> None:
    script = call("delete_account", account="Globex"), call("account_brief", account="Globex"), say("Globex renews.")
    with fake_openai(*script) as fake:
        answer = ask(fake, "when does Globex renew?")
    assert (answer.mode, [c["name"] for c in answer.calls]) == (MODEL, ["account_brief"])


def test_the_model_recovers_from_arguments_of_the_wrong_type() -> None:
    script = call("find_accounts", limit="many", at_risk=[1]), call("find_accounts", at_risk=True), say("See below.")
    with fake_openai(*script) as fake:
        answer = ask(fake, "which accounts are at risk?")
    assert (answer.mode, len(answer.results)) == (MODEL, 1)


def test_the_model_recovers_from_a_name_that_fits_no_account() -> None:
    script = call("account_brief", account="Glob Ex International"), call("account_brief", account="Globex"), say("Ok.")
    with fake_openai(*script) as fake:
        answer = ask(fake, "tell me about Globex")
    assert (answer.mode, answer.choices) == (MODEL, ())


@pytest.mark.parametrize(
    "trouble",
    [
        Reply(calls=(("explain_health", '{"account": "Glo'),)),
        say(""),
        Reply(refusal="I will not."),
        Reply(status=429),
        Reply(status=500),
        Reply(status=401),
        Reply(status=429, retry_after="30"),
        Reply("Globex is critical.", cut="lost"),
        Reply("Globex is critical.", cut="quiet"),
        Reply("Globex is critical.", cut="length"),
        Reply("Globex is critical. " * 9, slowly=0.1),
        Reply(calls=(("explain_health", "[1]"),)),
        call("delete_account", account="Globex"),
        Reply(seconds=3.0, words="late"),
        Reply(body="<html>bad gateway</html>"),
        Reply(body='{"choices": []}'),
        Reply(body="{"),
        call("explain_health", account="Globex"),
        say("Globex has a health score of 12."),
        say("Globex is doing just fine."),
    ],
    ids=["no JSON", "empty", "refusal", "429", "500", "401", "429 for long", "lost stream", "stream without end",
         "too long", "drip", "no names", "unknown tool", "timeout", "HTML", "no choice", "half a body", "endless",
         "figure without tool", "no tool"],
)  # fmt: skip
def test_trouble_with_the_model_ends_in_the_answer_of_the_rules(trouble: Reply) -> None:
    with fake_openai(trouble) as fake:
        answer = ask(fake)
    assert answer.mode in (NO_MODEL, TOO_MANY_CALLS)
    assert answer.results == (explain_health(context(), "Globex"),)
    assert answer.text == answer.results[0].text


@pytest.mark.parametrize("busy", [Reply(status=429, retry_after="0.2"), Reply(status=503)])
def test_a_server_that_is_busy_for_a_moment_is_asked_again(busy: Reply) -> None:
    with fake_openai(busy, call("explain_health", account="Globex"), say("Globex is critical.")) as fake:
        answer = agent(fake).answer(context(), WHY, [])
    assert (answer.mode, fake.requests) == (MODEL, 3)


def test_a_server_that_wants_us_to_wait_for_long_is_not_waited_for() -> None:
    with fake_openai(Reply(status=429, retry_after="30")) as fake:
        started = time.monotonic()
        assert ask(fake).mode == NO_MODEL
    assert fake.requests == 1
    assert time.monotonic() - started < 5


def test_one_question_calls_so_many_tools_and_no_more() -> None:
    many = Reply(calls=tuple(("account_brief", {"account": row[0]}) for row in ACCOUNTS[:14]))
    with fake_openai(many, say("They differ.")) as fake:
        answer = ask(fake, WHY)
    assert (answer.mode, fake.requests) == (NO_MODEL, 1)


def test_long_results_and_a_long_thread_are_trimmed() -> None:
    turns = [Turn(f"question {n} " + "why " * 400, "because " * 400) for n in range(8)]
    with fake_openai(call("find_accounts", limit=30), say("See below.")) as fake:
        ask(fake, "list all customers", turns)
    first, second = (asked["messages"] for asked in fake.asked)
    memory = [message["content"] for message in first[1:-1]]
    assert 0 < sum(map(len, memory)) <= MEMORY_SHOWN
    assert memory[-2].startswith("question 7 ")
    result = second[-1]["content"]
    assert len(result) < FACTS_SHOWN + 1000
    assert re.search(r"\(\d+ more are in the table", result)


@pytest.mark.parametrize("second", [Reply(status=500), Reply(body="{"), say("")])
def test_trouble_after_the_tools_ends_in_an_answer_too(second: Reply) -> None:
    with fake_openai(call("explain_health", account="Globex"), second) as fake:
        answer = ask(fake)
    assert answer.mode in (NO_MODEL, REWORDED)
    assert answer.text == explain_health(context(), "Globex").text


INVENTED = ["Globex scores 12.", "Globex pays $999k.", "Globex renews on 3 March 2028.", "Zyxcorp is worse.",
            "Globex is worse than Initech."]  # fmt: skip


@pytest.mark.parametrize("words", INVENTED)
def test_an_invention_is_corrected_once(words: str) -> None:
    with fake_openai(call("explain_health", account="Globex"), say(words), say("Globex is critical.")) as fake:
        answer = ask(fake)
    assert (answer.mode, answer.text, fake.requests) == (MODEL, "Globex is critical.", 3)
    assert "no tool result holds" in fake.asked[2]["messages"][-1]["content"]


@pytest.mark.parametrize("words", INVENTED)
def test_an_invention_that_stays_is_replaced_by_the_tools_own_wording(words: str) -> None:
    with fake_openai(call("explain_health", account="Globex"), say(words)) as fake:
        answer = ask(fake)
    assert (answer.mode, answer.text) == (REWORDED, explain_health(context(), "Globex").text)
    assert fake.requests == 3
    assert_true(answer, WHY)


def test_an_invention_beside_a_failed_tool_call_does_not_go_out() -> None:
    both = Reply(calls=(("account_brief", {"account": "Globex"}), ("account_brief", {"account": "Acme"})))
    with fake_openai(both, say("Globex scores 3 and Acme scores 4.")) as fake:
        answer = ask(fake, "compare globex and acme")
    assert "scores 3" not in answer.text
    assert answer.text.startswith(account_brief(context(), "Globex").text)


def test_an_endless_loop_is_cut_off() -> None:
    with fake_openai(call("portfolio_summary")) as fake:
        answer = ask(fake, "portfolio summary")
    assert fake.requests <= 6
    assert answer.text == portfolio_summary(context()).text


def test_model_and_rules_make_one_draft_of_one_question() -> None:
    with fake_openai(call("draft_outreach", account="Globex", purpose="renewal")) as fake:
        answer = ask(fake, "draft a renewal email to Globex", key="q:one-draft")
    assert answer.mode == TOO_MANY_CALLS
    with context().session() as session:
        kept = [d for d in session.exec(select(Draft)) if (d.request_key or "").startswith("q:one-draft")]
    assert len(kept) == 1


def test_trouble_after_a_draft_makes_no_second_one_in_other_words() -> None:
    script = call("draft_outreach", account="Globex", purpose="check-in"), Reply(status=500)
    with fake_openai(*script) as fake:
        answer = ask(fake, "draft a renewal email to Globex", key="q:other-words")
        again = ask(fake, "draft a renewal email to Globex", key="q:other-words")  # as after a crash
    assert [type(result) for result in answer.results] == [type(result) for result in again.results] == [DraftCard]
    with context().session() as session:
        kept = [d for d in session.exec(select(Draft)) if (d.request_key or "").startswith("q:other-words")]
    assert len(kept) == 1


def test_an_ambiguous_name_is_asked_back_with_choices_in_both_modes() -> None:
    with fake_openai(call("account_brief", account="Acme"), say("Which Acme do you mean?")) as fake:
        by_model = ask(fake, "brief me on acme")
    by_rules = agent().answer(context(), "brief me on acme", [])
    for answer in (by_model, by_rules):
        assert {choice.label for choice in answer.choices} == {"Acme Dental", "Acme Group", "Acme Logistics"}
        assert answer.ambiguous.lower() == "acme"


def test_no_trace_goes_out_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    from langsmith import utils

    with fake_openai(call("account_brief", account="Globex"), say("Globex is critical.")) as fake:
        for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"):
            monkeypatch.setenv(name, "true")
        for name in ("LANGSMITH_ENDPOINT", "LANGCHAIN_ENDPOINT"):
            monkeypatch.setenv(name, fake.url)
        monkeypatch.setenv("LANGSMITH_API_KEY", "key")
        utils.get_env_var.cache_clear()
        ask(fake, "tell me about Globex")
        agent().answer(context(), "tell me about Globex", [])
        from langchain_core.tracers.langchain import wait_for_all_tracers

        wait_for_all_tracers()
        assert set(fake.paths) == {"/v1/chat/completions"}
    utils.get_env_var.cache_clear()


def test_without_a_key_the_rules_answer_every_part_of_a_question() -> None:
    answer = agent().answer(context(), "Show my at-risk accounts. Summarise the portfolio. What is the weather?", [])
    assert answer.mode == RULES
    assert [c["name"] for c in answer.calls] == ["find_accounts", "portfolio_summary"]
    assert "I can't answer that" in answer.text


def test_without_a_key_the_list_is_the_same_as_the_tools() -> None:
    answer = agent().answer(context(), "enterprise accounts renewing in the next 60 days", [])
    wanted = find_accounts(context(), segment="enterprise", renewal_within_days=60, sort="renewal")
    assert answer.results == (wanted,)
    assert "Globex" in {row.name for row in wanted.rows}
