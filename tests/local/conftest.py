"""A real Bolt app, served over HTTP, against a real local workspace."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from slack_bolt import App
from slack_bolt.adapter.fastapi import SlackRequestHandler
from slack_sdk import WebClient

from bot.local.run import Running, stop_all
from bot.local.server import Channel, LocalWorkspace, Person

SECRET = "a signing secret"
TOKEN = "xoxb-local"
ANN, GIL, EVE = "U0ANN", "U0GIL", "U0EVE"
GENERAL, QUIET, JOINT = "C0GENERAL", "C0QUIET", "C0JOINT"
ANN_DM = "D0ANN"
PEOPLE = (
    Person(ANN, "ann", "Ann Lee", "ann@example.com", title="Customer success manager"),
    Person(GIL, "gil", "Gil Guest", "gil@example.com", kind="guest"),
    Person(EVE, "eve", "Eve Outside", "eve@partner.example", kind="external"),
)
CHANNELS = (
    Channel(GENERAL, "general", (ANN, GIL, "U0TEND"), topic="Everything"),
    Channel(QUIET, "quiet", (ANN,)),
    Channel(JOINT, "joint", (ANN, EVE, "U0TEND"), shared=True),
)

Block = dict[str, Any]


def button(text: str, action_id: str, value: str = "1", **more: Any) -> Block:
    """Return a button."""
    label = {"type": "plain_text", "text": text}
    return {"type": "button", "text": label, "action_id": action_id, "value": value} | more


def section(text: str) -> Block:
    """Return a section."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def ask_view(title: str = "Ask") -> dict[str, Any]:
    """Return a modal with one required text input."""
    element = {"type": "plain_text_input", "action_id": "text", "initial_value": "as it was"}
    label = {"type": "plain_text", "text": "Your text"}
    return {
        "type": "modal",
        "callback_id": "ask",
        "title": {"type": "plain_text", "text": title},
        "submit": {"type": "plain_text", "text": "Send"},
        "blocks": [{"type": "input", "block_id": "words", "label": label, "element": element}],
    }


@dataclass
class Sample:
    """What the sample app saw, and how it should behave."""

    seen: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    failures: int = 0


def build_app(client: WebClient, sample: Sample) -> App:
    """Return a Bolt app that does a little of everything."""
    app = App(client=client, signing_secret=SECRET, token_verification_enabled=False)

    @app.event("app_mention")
    def mentioned(event: dict[str, Any], say: Callable[..., Any]) -> None:
        sample.seen["app_mention"].append(event)
        say(text="Hello", blocks=[section("Hello"), actions()], thread_ts=event["ts"])

    @app.event("message")
    def told(event: dict[str, Any], say: Callable[..., Any]) -> None:
        sample.seen["message"].append(event)
        if event["channel_type"] == "im":
            say(f"You said: {event['text']}")

    @app.event("app_home_opened")
    def opened(event: dict[str, Any], client: WebClient) -> None:
        sample.seen["app_home_opened"].append(event)
        view = {"type": "home", "blocks": [section("Your home"), actions()]}
        client.views_publish(user_id=event["user"], view=view)

    @app.action("ask")
    def ask(ack: Callable[..., Any], body: dict[str, Any], client: WebClient) -> None:
        ack()
        sample.seen["ask"].append(body)
        client.views_open(trigger_id=body["trigger_id"], view=ask_view())

    @app.action("whisper")
    def whisper(ack: Callable[..., Any], body: dict[str, Any], respond: Callable[..., Any]) -> None:
        ack()
        respond(text="Just for you", response_type="ephemeral", replace_original=False)

    @app.view("ask")
    def submitted(ack: Callable[..., Any], view: dict[str, Any]) -> None:
        text = view["state"]["values"]["words"]["text"]["value"]
        sample.seen["ask view"].append(text)
        if text == "wrong":
            ack(response_action="errors", errors={"words": "Say something else."})
        elif text == "more":
            ack(response_action="update", view=ask_view("Once more"))
        else:
            ack()

    @app.command("/tend")
    def command(ack: Callable[..., Any], command: dict[str, Any]) -> None:
        sample.seen["/tend"].append(command)
        ack(f"You asked for {command['text']}")

    return app


def actions() -> Block:
    """Return the buttons that the sample app answers to."""
    return {"type": "actions", "elements": [button("Ask", "ask"), button("Whisper", "whisper")]}


def served(app: App, sample: Sample) -> FastAPI:
    """Return the Bolt app behind HTTP; it fails as often as the sample says."""
    web, handler = FastAPI(), SlackRequestHandler(app)

    @web.post("/slack/events")
    async def endpoint(request: Request) -> Any:
        headers = {name: request.headers.get(name) for name in ("x-slack-retry-num", "x-slack-retry-reason")}
        body = await request.body()
        if b"event_callback" in body:
            sample.seen["deliveries"].append(((await request.json())["event_id"], headers))
        if sample.failures:
            sample.failures -= 1
            return PlainTextResponse("broken", 500)
        return await handler.handle(request)

    return web


@dataclass
class Stage:
    """A workspace and a sample app that talk to each other over HTTP."""

    workspace: LocalWorkspace
    client: WebClient
    sample: Sample
    url: str


@pytest.fixture
def make_stage(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    """Return a function that starts a workspace with a sample app behind it."""
    running: list[Running] = []
    workspaces: list[LocalWorkspace] = []

    def make(**options: Any) -> Stage:
        sample, proxy = Sample(), FastAPI()
        app_side = Running(proxy).start()
        request_url = options.pop("request_url", f"{app_side.url}/slack/events")
        workspace = LocalWorkspace(
            request_url=request_url,
            signing_secret=SECRET,
            people=PEOPLE,
            channels=CHANNELS,
            **{"retry_delays": (0.05, 0.1, 0.2)} | options,
        )
        slack_side = Running(workspace.app).start()
        client = WebClient(TOKEN, base_url=f"{slack_side.url}/api/")
        proxy.mount("/", served(build_app(client, sample), sample))
        running.extend([slack_side, app_side])
        workspaces.append(workspace)
        return Stage(workspace, client, sample, slack_side.url)

    yield make
    for each in workspaces:
        each.close()
    stop_all(running)


@pytest.fixture
def stage(make_stage: Callable[..., Stage]) -> Stage:
    """Return a workspace with a sample app."""
    return make_stage()
