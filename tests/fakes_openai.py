"""An OpenAI-compatible server on loopback that says what a script tells it to."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer of the server: words, tool calls, or trouble.

    Args:
        words: the assistant's text.
        calls: name and arguments of each tool call; arguments that are a string go out as they are.
        refusal: the model declines.
        status: an HTTP error instead.
        body: sent as it is, instead of JSON.
        seconds: to wait before.
    """

    words: str | None = None
    calls: tuple[tuple[str, Any], ...] = ()
    refusal: str | None = None
    status: int = 200
    body: str | None = None
    seconds: float = 0.0

    def message(self) -> dict[str, Any]:
        """The assistant's message as the API has it."""
        message: dict[str, Any] = {"role": "assistant", "content": self.words, "refusal": self.refusal}
        if self.calls:
            message["tool_calls"] = [
                {"id": f"call_{place}", "type": "function", "function": {"name": name, "arguments": _arguments(given)}}
                for place, (name, given) in enumerate(self.calls)
            ]
        return message


def say(words: str) -> Reply:
    return Reply(words)


def call(name: str, **arguments: Any) -> Reply:
    return Reply(calls=((name, arguments),))


def _arguments(given: Any) -> str:
    return given if isinstance(given, str) else json.dumps(given)


@dataclass
class FakeOpenAI:
    """The server: plays its script, the last reply over and over, and keeps what it was asked."""

    script: list[Reply]
    asked: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    tokens: int = 0
    url: str = ""
    answers_questions: bool = False
    mind: Callable[[dict[str, Any]], Reply] | None = None

    @property
    def requests(self) -> int:
        return len(self.asked)

    def reply_to(self, body: dict[str, Any]) -> Reply:
        if self.answers_questions and body["messages"][0]["content"].startswith("You read one text"):
            return Reply('{"records": []}')  # the reader of customers' texts, which asks beside the script
        self.asked.append(body)
        if self.mind is not None:
            return self.mind(body)
        return self.script[min(len(self.asked), len(self.script)) - 1]

    def completion(self, reply: Reply, asked: dict[str, Any]) -> dict[str, Any]:
        """A whole response; tokens are counted as words."""
        prompt = len(json.dumps(asked["messages"]).split())
        completion = len(json.dumps(reply.message()).split())
        self.tokens += prompt + completion
        usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
        reason = "tool_calls" if reply.calls else "stop"
        choice = {"index": 0, "message": reply.message(), "finish_reason": reason}
        return {"id": f"chat-{self.requests}", "object": "chat.completion", "created": 0, "model": asked["model"],
                "choices": [choice], "usage": usage}  # fmt: skip


@contextmanager
def fake_openai(
    *script: Reply, answers_questions: bool = False, mind: Callable[[dict[str, Any]], Reply] | None = None
) -> Iterator[FakeOpenAI]:
    """Run the server while the block runs.

    Args:
        answers_questions: the script is for questions only; texts that are given to read hold nothing.
        mind: answers each request instead of a script.
    """
    fake = FakeOpenAI(list(script), answers_questions=answers_questions, mind=mind)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            fake.paths.append(self.path)
            if self.path != "/v1/chat/completions":
                self._send(404, "{}")
                return
            body = json.loads(asked)
            reply = fake.reply_to(body)
            time.sleep(reply.seconds)
            error = json.dumps({"error": {"message": "no", "type": "error", "code": "no"}})
            good = reply.body if reply.body is not None else json.dumps(fake.completion(reply, body))
            self._send(reply.status, good if reply.status == 200 else error)

        def _send(self, status: int, text: str) -> None:
            data = text.encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except (BrokenPipeError, ConnectionResetError):  # the client stopped waiting, as some tests want
                pass

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    # Asked every half second, as by default, each server would take that long to stop.
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
