"""The health card, and its buttons: all indicators, a CSM's own judgement and its end."""

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from sqlmodel import select

from bot.blocks.accounts import health_card
from bot.listeners import HANDLERS
from bot.listeners.health import on_overridden, on_override
from bot.local.limits import message_blocks, view
from bot.work import Item
from storage.models import Account, HealthOverride
from tests.tools.portfolio import DANA
from tools.context import Actor, Context
from tools.insights import explain_health

CHANNEL, THREAD = "C1", "1.0"


@dataclass
class FakeTend:
    """Tend as far as the buttons need it; what it would do is kept."""

    ctx: Context
    actor_: Actor = DANA
    put: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    posted: list[tuple[str, list[Any]]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def context(self, workspace_id: str) -> Context:
        return self.ctx

    def workspace_of(self, team: str) -> str:
        return "main"

    def actor(self, ctx: Context, user: str, team: str) -> Actor:
        return self.actor_

    @property
    def queue(self) -> Any:
        return SimpleNamespace(put=lambda workspace, kind, key, payload: self.put.append((kind, payload)))

    @property
    def messenger(self) -> Any:
        return SimpleNamespace(post_once=self._post, tell=self._tell, client_of=lambda workspace: None)

    def _post(self, ctx: Context, key: str, channel: str, text: str, blocks: list[Any], **_: Any) -> str:
        self.posted.append((text, message_blocks(blocks)))  # raises what Slack would
        return "1.1"

    def _tell(self, ctx: Context, channel: str, user: str, text: str, **_: Any) -> None:
        self.told.append(text)


@pytest.fixture
def tend(ctx: Context) -> FakeTend:
    return FakeTend(ctx)


@pytest.fixture
def account(ctx: Context) -> int:
    with ctx.session() as session:
        return session.exec(select(Account.id).where(Account.name == "Acme Group")).one() or 0


def press(tend: FakeTend, name: str, account: int) -> None:
    payload = {"team": "T1", "user": "U1", "channel": CHANNEL, "thread_ts": THREAD, "ts": THREAD, "account": account}
    HANDLERS[name](tend, Item(1, "main", name, "press:1", payload, 1))


def submit(tend: FakeTend, account: int, value: str | None = "85", note: str = "Renewed today") -> dict[str, Any]:
    state = {
        "band": {"band": {"selected_option": {"value": "healthy"}}},
        "value": {"value": {"value": value}},
        "note": {"note": {"value": note}},
        "days": {"days": {"selected_option": {"value": "30"}}},
    }
    about = {"account": account, "channel": CHANNEL, "thread_ts": THREAD}
    sent = {"private_metadata": json.dumps(about), "state": {"values": state}}
    answer: dict[str, Any] = {}
    on_overridden(answer.update, {"team": {"id": "T1"}, "user": {"id": "U1"}}, sent, {"tend": tend})
    return answer


def texts(blocks: list[Any]) -> str:
    return json.dumps(blocks, ensure_ascii=False)


def test_the_card_says_score_reasons_what_moved_it_and_how_sure_it_is(ctx: Context) -> None:
    card = explain_health(ctx, "Acme Group")
    blocks = message_blocks(health_card(card))
    said = texts(blocks)
    for part in ("*35* churning", "Pulls it down", "days in use a week: 3", "Coverage", "Six factors", "Override"):
        assert part in said, part


def test_every_indicator_is_a_table_in_the_thread(tend: FakeTend, account: int) -> None:
    press(tend, "indicators", account)
    text, blocks = tend.posted[0]
    assert text == "Every indicator of Acme Group"
    assert [block["type"] for block in blocks] == ["data_table"]


def test_the_modal_is_one_that_slack_takes(tend: FakeTend, account: int) -> None:
    opened: list[Any] = []
    body = {
        "team": {"id": "T1"}, "user": {"id": "U1"}, "channel": {"id": CHANNEL}, "trigger_id": "t",
        "actions": [{"action_id": "override_health", "value": json.dumps({"account": account}), "action_ts": "1"}],
        "container": {"message_ts": THREAD},
    }  # fmt: skip
    client = SimpleNamespace(views_open=lambda trigger_id, view: opened.append(view))
    on_override(lambda: None, body, {"tend": tend}, client)
    assert view(opened[0], "modal")["callback_id"] == "override_health"


def test_a_judgement_is_saved_shown_in_the_thread_and_ended(ctx: Context, tend: FakeTend, account: int) -> None:
    assert submit(tend, account) == {}
    kind, payload = tend.put[0]
    HANDLERS[kind](tend, Item(2, "main", kind, "override:1", payload, 1))
    assert tend.posted[0][0].startswith("Acme Group is set to 85 (healthy) by Dana Reyes")
    assert "End override" in texts(health_card(explain_health(ctx, "Acme Group")))
    press(tend, "end_override", account)
    assert tend.told == ["The computed score of Acme Group counts again."]


def test_a_mistake_is_shown_beside_its_field_and_saves_nothing(ctx: Context, tend: FakeTend, account: int) -> None:
    assert submit(tend, account, note="  ")["errors"] == {"note": "Say why: an override needs a note."}
    assert "lies in the band churning" in submit(tend, account, "20")["errors"]["value"]
    with ctx.session() as session:
        assert session.exec(select(HealthOverride)).all() == []
