"""Tend in a process of its own, which delivers on a word: `python -m tests.benchmarks.draining_server SETTINGS`."""

import json
import sys
import threading

from bot.app import build
from bot.http import create_http
from bot.local.run import Running
from bot.settings import Settings


def main() -> None:
    tend = build(Settings(**json.loads(sys.argv[1])))
    tend.queue.start()
    with Running(create_http(tend)) as running:
        print(running.url, flush=True)
        sys.stdin.readline()
        tend.delivery.start()
        threading.Event().wait()


if __name__ == "__main__":
    main()
