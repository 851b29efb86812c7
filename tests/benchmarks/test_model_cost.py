"""What Tend adds to a slow language model: its own time, and how many tokens it has the model read."""

import dataclasses
import json
import statistics
import time
from pathlib import Path
from typing import Any

from bot.agent import Agent
from bot.model import chat_model, schema_of
from bot.settings import Settings
from knowledge.documents import prompt
from tests.benchmarks.asking import answers, ask, running
from tests.bot.portfolio import context
from tests.bot.test_offline_questions import QUESTIONS
from tests.fakes_openai import FakeOpenAI, Reply, call, fake_openai, say
from tools.errors import UserError
from tools.registry import TOOLS, Tool

SECONDS, CALLS, ROUNDS = 2.0, 2, 6
ASKED = [q for q in QUESTIONS if len(q["calls"]) == 1 and "recent" not in q][::4]
WORDS = "See below."


def test_a_slow_model_is_hardly_made_slower(tmp_path: Path) -> None:
    script = [Reply(calls=(("portfolio_summary", {}),), seconds=SECONDS), Reply(WORDS, seconds=SECONDS)]
    with (
        fake_openai(*script * (ROUNDS + 1), answers_questions=True) as fake,
        running(tmp_path, openai_api_key="key", openai_base_url=fake.url) as demo,
    ):
        times = []
        for round_ in range(ROUNDS + 1):
            started = time.perf_counter()
            asked = ask(demo, "summarise my portfolio")
            while not any(block["type"] == "context_actions" for m in answers(demo, asked) for block in m["blocks"]):
                time.sleep(0.005)  # the thumbs come with the end of the stream
            if round_:
                times.append(time.perf_counter() - started)
    own = statistics.median(times) / (SECONDS * CALLS) - 1
    print(f"\nown overhead: {own:.1%} of {CALLS} calls of {SECONDS:.0f} s ({ROUNDS} questions)")
    assert own < 0.10


def tokens(fake: FakeOpenAI) -> int:
    """Of all that was sent: messages and tools, four characters each."""
    return sum(len(json.dumps([a["messages"], a.get("tools", [])], ensure_ascii=False)) for a in fake.asked) // 4


def naive(fake: FakeOpenAI, question: str) -> None:
    """An agent as its documentation shows it: every function as a tool, and whole results as JSON."""
    from langchain.agents import create_agent
    from langchain_core.tools import StructuredTool

    def made(tool: Tool) -> Any:
        def call(**arguments: Any) -> str:
            try:
                found = tool.function(context(), **{k: v for k, v in arguments.items() if v is not None})
            except UserError as error:
                return str(error)
            return json.dumps(dataclasses.asdict(found), default=str)

        description, schema = schema_of(tool)
        return StructuredTool.from_function(call, name=tool.name, description=description, args_schema=schema)

    ctx = context()
    system = prompt("system").format(today=ctx.today().isoformat(), name=ctx.actor.name, role=ctx.actor.role)
    agent: Any = create_agent(
        chat_model("m", "key", fake.url, 10.0), [made(tool) for tool in TOOLS], system_prompt=system
    )
    agent.invoke({"messages": [("user", question)]})


def test_the_model_reads_half_of_what_a_naive_agent_has_it_read() -> None:
    ours, theirs, found = [], [], 0
    for question in ASKED:
        wanted = question["calls"][0]
        script = call(wanted["name"], **wanted["args"]), say(WORDS)
        with fake_openai(*script) as fake:
            Agent(Settings(_env_file=None, openai_api_key="key", openai_base_url=fake.url), 10).answer(
                context(), question["question"], []
            )
            found += wanted["name"] in {tool["function"]["name"] for tool in fake.asked[0]["tools"]}
            ours.append(tokens(fake))
        with fake_openai(*script) as fake:
            naive(fake, question["question"])
            theirs.append(tokens(fake))
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    print(
        f"\ntokens read per question: {statistics.mean(ours):,.0f} against {statistics.mean(theirs):,.0f} of a naive "
        f"agent, median ratio {ratio:.2f}; the right tool is among those sent for {found} of {len(ASKED)} questions"
    )
    assert ratio <= 0.5
    assert found >= 0.95 * len(ASKED)
