"""The workspace refuses what Slack refuses, in Slack's words."""

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler

from bot.local import limits
from bot.local.errors import SlackError
from bot.local.state import Lifetimes
from tests.local.conftest import ANN, ANN_DM, GENERAL, QUIET, Stage, button, section

PLAIN = {"type": "plain_text", "text": "x"}


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    """Return the error and its messages of a refused call."""
    with pytest.raises(SlackApiError) as refused:
        call()
    found = refused.value.response
    return found["error"], " ".join(found.get("response_metadata", {}).get("messages", []))


def data_table(rows: int, columns: int = 2) -> dict[str, Any]:
    """Return a data table."""
    row = [{"type": "raw_text", "text": "cell"}] * columns
    return {"type": "data_table", "caption": "Cells", "rows": [row] * rows}


def chart(series: int, points: int) -> dict[str, Any]:
    """Return a bar chart."""
    labels = [str(number) for number in range(points)]
    data = [{"label": label, "value": 1} for label in labels]
    named = [{"name": f"s{number}", "data": data} for number in range(series)]
    plot = {"type": "bar", "series": named, "axis_config": {"categories": labels}}
    return {"type": "data_visualization", "title": "Bars", "chart": plot}


REFUSED = {
    "/blocks/0/text/text": [section("x" * 3001)],
    "/blocks/0/fields": [{"type": "section", "fields": [PLAIN] * 11}],
    "/blocks/0/text/type": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}],
    "/blocks/0/elements": [{"type": "actions", "elements": [button("x", str(n)) for n in range(26)]}],
    "/blocks/0/elements/0/text/text": [{"type": "actions", "elements": [button("x" * 76, "a")]}],
    "/blocks/0/elements/0/value": [{"type": "actions", "elements": [button("x", "a", "x" * 2001)]}],
    "/blocks/0/elements/0/action_id": [{"type": "actions", "elements": [button("x", "a" * 256)]}],
    "/blocks/0/elements/0/type": [{"type": "actions", "elements": [{"type": "buton", "text": PLAIN}]}],
    "/blocks/0/type": [{"type": "alert", "text": PLAIN}],
    "/blocks/0": [section("x") | {"colour": "red"}],
    "/blocks/0/rows": [data_table(102)],
    "/blocks/0/rows/0": [data_table(2, 21)],
    "/blocks/0/chart/series": [chart(7, 2)],
    "/blocks/0/chart/axis_config/categories": [chart(1, 21)],
    "/blocks": [section("x")] * 51,
}


@pytest.mark.parametrize("place", REFUSED)
def test_blocks_beyond_a_limit_are_refused_with_their_place(place: str) -> None:
    with pytest.raises(SlackError, match="invalid_blocks") as refused:
        limits.message_blocks(REFUSED[place])
    assert f"[json-pointer:{place}]" in " ".join(refused.value.messages)


def test_over_long_blocks_are_refused_over_http_with_a_pointer(stage: Stage) -> None:
    blocks = REFUSED["/blocks/0/text/text"]
    error, messages = refusal(lambda: stage.client.chat_postMessage(channel=GENERAL, text="x", blocks=blocks))
    assert (error, "[json-pointer:/blocks/0/text/text]" in messages) == ("invalid_blocks", True)


@pytest.mark.parametrize(
    "blocks",
    [
        [section("x") | {"block_id": "same"}] * 2,
        [data_table(2)] * 2,
        [chart(1, 2)] * 3,
        [{"type": "markdown", "text": "x" * 7000}] * 2,
    ],
    ids=["same block id", "two data tables", "three charts", "too much markdown"],
)
def test_blocks_that_do_not_fit_together_are_refused(blocks: list[dict[str, Any]]) -> None:
    with pytest.raises(SlackError, match="invalid_blocks"):
        limits.message_blocks(blocks)


def test_more_text_than_a_message_holds_is_refused() -> None:
    with pytest.raises(SlackError, match="msg_blocks_too_long"):
        limits.message_blocks([section("x" * 2900)] * 5)


def test_native_tables_and_charts_within_the_limits_are_accepted(stage: Stage) -> None:
    blocks = [data_table(101), chart(6, 20), chart(1, 1)]
    assert stage.client.chat_postMessage(channel=GENERAL, text="x", blocks=blocks)["ok"]


@pytest.mark.parametrize("kind", ["markdown", "data_visualization", "context_actions", "card"])
def test_some_blocks_do_not_stand_in_modals(kind: str) -> None:
    view = {"type": "modal", "title": PLAIN, "blocks": [{"type": kind, "text": "x"}]}
    with pytest.raises(SlackError) as refused:
        limits.view(view, "modal")
    assert "unsupported type of block" in refused.value.messages[0]


def test_an_unknown_argument_is_named(stage: Stage) -> None:
    error, messages = refusal(lambda: stage.client.chat_postMessage(channel=GENERAL, text="x", colour="red"))
    assert error == "invalid_arguments"
    assert "colour" in messages


def test_an_unknown_method_is_refused(stage: Stage) -> None:
    assert refusal(lambda: stage.client.api_call("chat.shout"))[0] == "unknown_method"


@pytest.mark.parametrize(("token", "error"), [("xoxb-other", "invalid_auth"), ("", "not_authed")])
def test_calls_without_the_right_token_are_refused(stage: Stage, token: str, error: str) -> None:
    client = WebClient(token, base_url=f"{stage.url}/api/")
    assert refusal(client.auth_test)[0] == error


def test_channels_messages_and_people_that_are_not_there_are_refused(stage: Stage) -> None:
    client = stage.client
    theirs = stage.workspace.say(ANN, GENERAL, "mine")
    assert refusal(lambda: client.chat_postMessage(channel="C0NO", text="x"))[0] == "channel_not_found"
    assert refusal(lambda: client.chat_postMessage(channel=QUIET, text="x"))[0] == "not_in_channel"
    assert refusal(lambda: client.chat_update(channel=GENERAL, ts="1.0", text="x"))[0] == "message_not_found"
    assert refusal(lambda: client.chat_update(channel=GENERAL, ts=theirs, text="x"))[0] == "cant_update_message"
    assert refusal(lambda: client.users_info(user="U0NO"))[0] == "user_not_found"
    assert refusal(lambda: client.api_call("chat.postMessage", json={"channel": GENERAL}))[0] == "no_text"


def test_an_update_takes_less_text_than_a_post_and_no_ephemeral(stage: Stage) -> None:
    client = stage.client
    ts = client.chat_postMessage(channel=GENERAL, text="x" * 5000)["ts"]
    assert refusal(lambda: client.chat_update(channel=GENERAL, ts=ts, text="x" * 4001))[0] == "msg_too_long"
    whispered = client.chat_postEphemeral(channel=GENERAL, user=ANN, text="psst")["message_ts"]
    assert refusal(lambda: client.chat_update(channel=GENERAL, ts=whispered, text="x"))[0] == "message_not_found"


def test_an_update_keeps_blocks_that_it_does_not_mention(stage: Stage) -> None:
    client = stage.client
    ts = client.chat_postMessage(channel=GENERAL, text="old", blocks=[section("kept")])["ts"]
    assert client.chat_update(channel=GENERAL, ts=ts, text="new")["message"]["blocks"]
    assert client.chat_update(channel=GENERAL, ts=ts, text="new", blocks=[])["message"]["blocks"] == []
    markdown = client.chat_postMessage(channel=GENERAL, markdown_text="**old**")["ts"]
    assert client.chat_update(channel=GENERAL, ts=markdown, text="new")["message"]["blocks"] == []


def test_a_rate_limit_is_honoured_by_the_client_and_recorded(stage: Stage) -> None:
    stage.workspace.fail_next("chat.postMessage", "ratelimited", retry_after=1)
    stage.client.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=1))
    started = time.monotonic()
    stage.client.chat_postMessage(channel=GENERAL, text="patient")
    assert time.monotonic() - started >= 1
    errors = [call.error for call in stage.workspace.calls if call.method == "chat.postMessage"]
    assert errors == ["ratelimited", None]


def test_strict_rates_stop_a_burst_of_posts_in_one_channel(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(strict_rates=True)
    error, _ = refusal(lambda: [stage.client.chat_postMessage(channel=GENERAL, text=str(n)) for n in range(9)])
    assert error == "ratelimited"


def test_a_stream_grows_and_ends_and_dies_when_it_takes_too_long(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(lifetimes=Lifetimes(stream=0.5))
    ts = stage.workspace.say(ANN, ANN_DM, "tell me")
    stream = stage.client.chat_stream(channel=ANN_DM, thread_ts=ts, buffer_size=1)
    for word in ("**Acme** ", "is ", "fine"):
        stream.append(markdown_text=word)
    stream.stop()
    assert stage.workspace.messages(ANN_DM, ts)[-1]["text"] == "**Acme** is fine"
    slow = stage.client.chat_stream(channel=ANN_DM, thread_ts=ts, buffer_size=1)
    slow.append(markdown_text="so")
    time.sleep(0.6)
    assert refusal(lambda: slow.append(markdown_text=" slow"))[0] == "message_not_in_streaming_state"
    assert stage.client.chat_update(channel=ANN_DM, ts=str(slow.ts), text="late")["ok"]


def test_an_uploaded_picture_is_shown_and_a_page_is_only_downloaded(stage: Stage) -> None:
    for name, kind in (("chart.png", "image/png"), ("page.html", "application/octet-stream")):
        shared = stage.client.files_upload_v2(channel=GENERAL, filename=name, content=b"bytes", title="T")
        with urllib.request.urlopen(shared["file"]["url_private"]) as answer:
            assert (answer.read(), answer.headers["content-type"]) == (b"bytes", kind)
    assert [each["files"][0]["name"] for each in stage.workspace.messages(GENERAL)] == [
        "chart.png",
        "page.html",
    ]


def test_a_response_url_works_five_times(stage: Stage) -> None:
    token = stage.workspace.state.new_response_url(GENERAL, ANN)
    body = json.dumps({"text": "again"}).encode()
    for _ in range(5):
        urllib.request.urlopen(f"{stage.url}/response/{token}", body)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{stage.url}/response/{token}", body)


def test_other_hosts_and_other_pages_are_kept_out(stage: Stage) -> None:
    named = urllib.request.Request(f"{stage.url}/", headers={"Host": "evil.example"})
    posted = urllib.request.Request(f"{stage.url}/local/say", b"{}", method="POST")
    for request in (named, posted):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(request)
