"""Signatures, retries, Socket Mode, mail, and what survives a restart."""

import smtplib
import time
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest
from slack_bolt.adapter.socket_mode import SocketModeHandler

from bot.local.mailbox import Mailbox
from bot.local.store import Store
from tests.local.conftest import ANN, ANN_DM, GENERAL, Stage, actions, build_app, section
from tests.local.test_conversation import eventually, from_bot


def event(text: str = "hi") -> dict[str, str]:
    """Return a direct message as an event."""
    return {
        "type": "message",
        "channel": ANN_DM,
        "user": ANN,
        "text": text,
        "ts": "1.2",
        "event_ts": "1.2",
        "channel_type": "im",
    }


def mail(subject: str = "Hello") -> EmailMessage:
    """Return a mail with a text and an HTML part."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "ann@example.com", "bo@example.com", subject
    message["Message-ID"] = "<1@example.com>"
    message.set_content("plain words")
    message.add_alternative("<p>fine words</p>", subtype="html")
    return message


def send(url: str, message: EmailMessage) -> None:
    """Send a mail the ordinary way."""
    host, port = url.removeprefix("smtp://").split(":")
    with smtplib.SMTP(host, int(port), timeout=5) as server:
        server.send_message(message)


def test_a_failed_event_is_retried_with_the_same_id_and_its_number(stage: Stage) -> None:
    stage.sample.failures = 2
    stage.workspace.say(ANN, ANN_DM, "hello")
    stage.workspace.wait_for(from_bot("You said: hello"), ANN_DM)
    ids, headers = zip(*stage.sample.seen["deliveries"], strict=True)
    assert len(ids) == 3
    assert len(set(ids)) == 1
    assert [each["x-slack-retry-num"] for each in headers] == [None, "1", "2"]
    assert headers[1]["x-slack-retry-reason"] == "http_error"


def test_an_event_is_given_up_after_three_retries(stage: Stage) -> None:
    stage.sample.failures = 9
    stage.workspace.say(ANN, ANN_DM, "hello")
    eventually(lambda: len(stage.sample.seen["deliveries"]) == 4)
    time.sleep(0.3)
    assert len(stage.sample.seen["deliveries"]) == 4


@pytest.mark.parametrize(("signature", "status"), [("good", 200), ("bad", 401), ("stale", 401), ("none", 401)])
def test_only_a_good_signature_passes_the_app(stage: Stage, signature: str, status: int) -> None:
    assert stage.workspace.deliver_event(event(), signature=signature) == status  # type: ignore[arg-type]


def test_an_event_can_be_delivered_twice_with_one_id(stage: Stage) -> None:
    for number in (None, 1):
        stage.workspace.deliver_event(event(), event_id="Ev1", retry_num=number)
    assert [each[0] for each in stage.sample.seen["deliveries"]] == ["Ev1", "Ev1"]


def test_socket_mode_carries_events_commands_and_a_reconnect(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(request_url="http://127.0.0.1:9/nobody")
    handler = SocketModeHandler(build_app(stage.client, stage.sample), "xapp-local")
    handler.connect()
    try:
        stage.workspace.say(ANN, GENERAL, "<@U0TEND> hi")
        stage.workspace.wait_for(from_bot("Hello"), GENERAL)
        assert stage.workspace.command(ANN, GENERAL, "/tend", "help")["text"] == "You asked for help"
        stage.workspace.sockets.disconnect()
        eventually(lambda: stage.workspace.sockets.connected)
        stage.workspace.say(ANN, ANN_DM, "still there?")
        stage.workspace.wait_for(from_bot("You said: still there?"), ANN_DM)
    finally:
        handler.close()


def test_the_mailbox_receives_a_real_mail(stage: Stage) -> None:
    url = stage.workspace.mailbox.start()
    send(url, mail())
    (found,) = stage.workspace.mailbox.messages
    assert (found.subject, found.to, found.message_id) == ("Hello", "bo@example.com", "<1@example.com>")
    assert found.envelope_to == ("bo@example.com",)
    assert "plain words" in found.text
    assert "<p>fine words</p>" in found.html


def test_the_mailbox_fails_the_way_it_is_told() -> None:
    mailbox = Mailbox(Store())
    url = mailbox.start()
    try:
        for fault, code in (("temporary", 451), ("permanent", 554)):
            mailbox.fail_next(fault)  # type: ignore[arg-type]
            with pytest.raises(smtplib.SMTPDataError) as refused:
                send(url, mail())
            assert refused.value.smtp_code == code
        assert mailbox.messages == []
        mailbox.fail_next("drop_after_data")
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(url, mail("Unclear"))
        assert [each.subject for each in mailbox.messages] == ["Unclear"]
        mailbox.refuse()
        with pytest.raises(ConnectionRefusedError):
            send(url, mail())
    finally:
        mailbox.stop()


def test_everything_shown_survives_a_restart(make_stage: Callable[..., Stage], tmp_path: Path) -> None:
    file = tmp_path / "workspace.sqlite"
    first = make_stage(state_file=file)
    posted = first.client.chat_postMessage(channel=GENERAL, text="x", blocks=[section("kept"), actions()])
    first.client.reactions_add(channel=GENERAL, timestamp=posted["ts"], name="eyes")
    first.client.views_publish(user_id=ANN, view={"type": "home", "blocks": [section("home")]})
    send(first.workspace.mailbox.start(), mail())
    first.workspace.close()

    second = make_stage(state_file=file)
    (message,) = second.workspace.messages(GENERAL)
    assert message["reactions"][0]["name"] == "eyes"
    assert (second.workspace.home(ANN) or {})["blocks"][0]["text"]["text"] == "home"
    assert [each.subject for each in second.workspace.mailbox.messages] == ["Hello"]
    assert second.workspace.click(ANN, GENERAL, posted["ts"], "ask") == 200
    later = second.client.chat_postMessage(channel=GENERAL, text="later")["ts"]
    assert float(later) > float(posted["ts"])
