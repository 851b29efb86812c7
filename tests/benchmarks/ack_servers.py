"""The two servers that the acknowledgement benchmark compares: `python -m tests.benchmarks.ack_servers KIND …`."""

import json
import sys
import threading
import time
from typing import Any

from slack_bolt import App
from slack_bolt.adapter.fastapi import SlackRequestHandler

from bot.answers import Answer
from bot.local.run import Running
from bot.settings import Settings

SLOW_SECONDS = 30.0


class SlowAgent:
    """Stands for a slow language model: an answer takes longer than the benchmark."""

    mode = "rules"

    def answer(self, *_: Any) -> Answer:
        time.sleep(SLOW_SECONDS)
        return Answer("done", "rules")


def bare(settings: Settings) -> Any:
    """A Bolt app as its documentation shows it: FastAPI adapter, one listener that does nothing."""
    from fastapi import FastAPI, Request
    from slack_sdk import WebClient

    client = WebClient(token="xoxb-local", base_url=settings.slack_api_url)
    app = App(client=client, signing_secret="s" * 16, token_verification_enabled=False)
    app.event("app_mention")(lambda event: None)
    handler, api = SlackRequestHandler(app), FastAPI()

    @api.post("/slack/events")
    async def events(request: Request) -> Any:
        return await handler.handle(request)

    return api


def tend(settings: Settings) -> Any:
    from bot.app import build
    from bot.http import create_http

    built = build(settings)
    built.agent = SlowAgent()  # type: ignore[assignment]
    built.start(schedule=False)
    for thread in threading.enumerate():
        if thread.name == "warm-up":  # the imports of the first seconds are not what is measured
            thread.join()
    return create_http(built)


def main() -> None:
    kind, options = sys.argv[1], json.loads(sys.argv[2])
    settings = Settings(**options)
    with Running({"bare": bare, "tend": tend}[kind](settings)) as running:
        print(running.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
