"""An OpenAI-compatible server on loopback that says what a script tells it to."""

import json
import re
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
        retry_after: header of an HTTP error.
        cut: "lost" breaks the connection in the middle of a stream, "quiet" ends it without its end, "length" says
            that the most tokens were reached.
        slowly: seconds between two parts of a stream.
    """

    words: str | None = None
    calls: tuple[tuple[str, Any], ...] = ()
    refusal: str | None = None
    status: int = 200
    body: str | None = None
    seconds: float = 0.0
    retry_after: str | None = None
    cut: str = ""
    slowly: float = 0.0

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

    def parts(self, reply: Reply, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The same response as a stream: a word at a time, arguments in halves, the reason, the usage."""
        whole = self.completion(reply, asked)
        frame = {**whole, "object": "chat.completion.chunk", "usage": None}
        message = reply.message()
        for word in re.findall(r"\S+\s*", message["content"] or ""):
            yield _chunk(frame, {"content": word})
        if message["refusal"]:
            yield _chunk(frame, {"refusal": message["refusal"]})
        for place, made in enumerate(message.get("tool_calls", [])):
            given = made["function"]["arguments"]
            first = {**made, "index": place, "function": {**made["function"], "arguments": given[: len(given) // 2]}}
            rest = {"index": place, "function": {"arguments": given[len(given) // 2 :]}}
            yield _chunk(frame, {"role": "assistant", "tool_calls": [first]})
            yield _chunk(frame, {"tool_calls": [rest]})
        if reply.cut not in ("lost", "quiet"):
            yield _chunk(frame, {}, "length" if reply.cut == "length" else whole["choices"][0]["finish_reason"])
            yield {**frame, "choices": [], "usage": whole["usage"]}


def _chunk(frame: dict[str, Any], delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


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
        protocol_version = "HTTP/1.1"

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
            if body.get("stream") and reply.status == 200 and reply.body is None:
                self._stream(reply, body)
                return
            good = reply.body if reply.body is not None else json.dumps(fake.completion(reply, body))
            self._send(reply.status, good if reply.status == 200 else error, reply.retry_after)

        def _stream(self, reply: Reply, body: dict[str, Any]) -> None:
            try:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for part in fake.parts(reply, body):
                    self._event(json.dumps(part))
                    time.sleep(reply.slowly)
                if reply.cut != "lost":
                    self._event("[DONE]")
                    self.wfile.write(b"0\r\n\r\n")
                else:
                    self.close_connection = True
            except (BrokenPipeError, ConnectionResetError):
                pass

        def _event(self, text: str) -> None:
            data = f"data: {text}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            self.wfile.flush()

        def _send(self, status: int, text: str, retry_after: str | None = None) -> None:
            data = text.encode()
            try:
                self.send_response(status)
                if retry_after:
                    self.send_header("Retry-After", retry_after)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except (BrokenPipeError, ConnectionResetError):  # the client stopped waiting, as some tests want
                pass

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that went away is no error here: some tests want it."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    # Asked every half second, as by default, each server would take that long to stop.
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
