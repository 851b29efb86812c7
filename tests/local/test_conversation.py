"""Messages, mentions, buttons, modals, commands and Home between people and a real Bolt app."""

import time
from collections.abc import Callable

import pytest
from slack_sdk.errors import SlackApiError

from bot.local.server import LocalWorkspace, SlackError
from tests.local.conftest import ANN, ANN_DM, EVE, GENERAL, GIL, JOINT, QUIET, Stage, ask_view


def eventually(check: Callable[[], object], timeout: float = 5) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + timeout
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def from_bot(text: str) -> Callable[[dict[str, object]], bool]:
    """Return a test for a message of the app."""
    return lambda message: message["user"] == "U0TEND" and message["text"] == text


def greeting(workspace: LocalWorkspace) -> str:
    """Mention the app and return the ts of its answer."""
    workspace.say(ANN, GENERAL, "<@U0TEND> hi")
    return str(workspace.wait_for(from_bot("Hello"), GENERAL)["ts"])


def test_a_mention_raises_both_events_and_the_answer_stands_in_its_thread(stage: Stage) -> None:
    ts = stage.workspace.say(ANN, GENERAL, "<@U0TEND> hi")
    answer = stage.workspace.wait_for(from_bot("Hello"), GENERAL)
    assert answer["thread_ts"] == ts
    eventually(lambda: len(stage.sample.seen["message"]) == 1)
    assert stage.sample.seen["app_mention"][0]["ts"] == stage.sample.seen["message"][0]["ts"] == ts
    assert stage.workspace.messages(GENERAL, ts)[0]["reply_count"] == 1


def test_a_direct_message_reaches_the_app_as_im(stage: Stage) -> None:
    stage.workspace.say(ANN, ANN_DM, "good morning")
    stage.workspace.wait_for(from_bot("You said: good morning"), ANN_DM)
    assert stage.sample.seen["message"][0]["channel_type"] == "im"


def test_a_channel_without_the_app_stays_private(stage: Stage) -> None:
    stage.workspace.say(ANN, QUIET, "<@U0TEND> can you hear me?")
    stage.workspace.say(ANN, ANN_DM, "now?")
    stage.workspace.wait_for(from_bot("You said: now?"), ANN_DM)
    assert not stage.sample.seen["app_mention"]


def test_people_of_another_organisation_are_recognisable(stage: Stage) -> None:
    stage.workspace.say(EVE, JOINT, "hello from outside")
    eventually(lambda: stage.sample.seen["message"])
    assert stage.sample.seen["message"][0]["user_team"] != "T0LOCAL"
    assert stage.client.users_info(user=EVE)["user"]["is_stranger"] is True
    assert stage.client.users_info(user=GIL)["user"]["is_ultra_restricted"] is True


def test_messages_of_one_person_arrive_in_order(stage: Stage) -> None:
    for number in range(10):
        stage.workspace.say(ANN, ANN_DM, str(number))
    eventually(lambda: len(stage.sample.seen["message"]) == 10)
    assert [event["text"] for event in stage.sample.seen["message"]] == [str(n) for n in range(10)]


def test_a_button_opens_a_modal_that_shows_errors_changes_and_closes(stage: Stage) -> None:
    workspace = stage.workspace
    assert workspace.click(ANN, GENERAL, greeting(workspace), "ask") == 200
    eventually(lambda: workspace.modal(ANN))
    view = workspace.modal(ANN) or {}
    refused = workspace.submit(ANN, view["id"], {"words": {"text": "wrong"}})
    assert refused["errors"] == {"words": "Say something else."}
    workspace.submit(ANN, view["id"], {"words": {"text": "more"}})
    assert (workspace.modal(ANN) or {})["title"]["text"] == "Once more"
    assert workspace.submit(ANN, view["id"], {"words": {"text": "fine"}}) == {}
    assert workspace.modal(ANN) is None


def test_an_untouched_input_keeps_its_initial_value_and_an_emptied_one_is_refused_before_the_app(
    stage: Stage,
) -> None:
    workspace = stage.workspace
    workspace.click(ANN, GENERAL, greeting(workspace), "ask")
    eventually(lambda: workspace.modal(ANN))
    view = workspace.modal(ANN) or {}
    assert "words" in workspace.submit(ANN, view["id"], {"words": {"text": ""}})["errors"]
    workspace.submit(ANN, view["id"], {})
    assert stage.sample.seen["ask view"] == ["as it was"]


def test_a_response_url_whispers_to_the_person_who_pressed(stage: Stage) -> None:
    workspace = stage.workspace
    workspace.click(ANN, GENERAL, greeting(workspace), "whisper")
    whispered = workspace.wait_for(lambda message: message["text"] == "Just for you", GENERAL)
    assert whispered["ts"] in {each["ts"] for each in workspace.messages(GENERAL, viewer=ANN)}
    assert whispered["ts"] not in {each["ts"] for each in workspace.messages(GENERAL, viewer=GIL)}


def test_an_unknown_button_cannot_be_pressed(stage: Stage) -> None:
    with pytest.raises(SlackError, match="action_not_found"):
        stage.workspace.click(ANN, GENERAL, greeting(stage.workspace), "no such button")


def test_a_slash_command_answers_only_its_sender(stage: Stage) -> None:
    assert stage.workspace.command(ANN, GENERAL, "/tend", "help")["text"] == "You asked for help"
    shown = stage.workspace.messages(GENERAL, viewer=ANN)
    assert shown[-1]["text"] == "You asked for help"
    assert shown[-1]["is_ephemeral"]
    assert stage.workspace.messages(GENERAL, viewer=GIL) == []


def test_opening_home_lets_the_app_publish_it_and_its_buttons_work(stage: Stage) -> None:
    stage.workspace.open_home(ANN)
    eventually(lambda: stage.workspace.home(ANN))
    assert stage.workspace.click_home(ANN, "ask") == 200
    eventually(lambda: stage.workspace.modal(ANN))
    assert stage.sample.seen["ask"][0]["view"]["type"] == "home"


def test_a_trigger_opens_one_modal_and_only_for_three_seconds(stage: Stage) -> None:
    fresh, old = stage.workspace.state.new_trigger(ANN), stage.workspace.state.new_trigger(ANN)
    stage.client.views_open(trigger_id=fresh, view=ask_view())
    for trigger, error in ((fresh, "exchanged_trigger_id"), (old, "expired_trigger_id")):
        time.sleep(3.05 if trigger == old else 0)
        with pytest.raises(SlackApiError, match=error):
            stage.client.views_open(trigger_id=trigger, view=ask_view())


def test_a_modal_stack_holds_three_views_and_a_stale_hash_conflicts(stage: Stage) -> None:
    state = stage.workspace.state
    first = stage.client.views_open(trigger_id=state.new_trigger(ANN), view=ask_view())["view"]
    for _ in range(2):
        stage.client.views_push(trigger_id=state.new_trigger(ANN), view=ask_view())
    with pytest.raises(SlackApiError, match="push_limit_reached"):
        stage.client.views_push(trigger_id=state.new_trigger(ANN), view=ask_view())
    stage.client.views_update(view_id=first["id"], hash=first["hash"], view=ask_view("New"))
    with pytest.raises(SlackApiError, match="hash_conflict"):
        stage.client.views_update(view_id=first["id"], hash=first["hash"], view=ask_view("Newer"))


def test_an_app_that_is_not_there_is_reported_instead_of_silence(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(request_url="http://127.0.0.1:9/slack/events")
    assert stage.workspace.command(ANN, GENERAL, "/tend", "help") == {"error": "no_answer", "status": 502}
    assert "dispatch_failed" in stage.workspace.messages(GENERAL, viewer=ANN)[-1]["text"]
