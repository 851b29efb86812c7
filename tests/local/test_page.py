"""The browser page, driven by the keyboard in a real Chromium."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.local.conftest import ANN_DM, GENERAL, Stage

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = pytest.mark.skipif(not os.path.exists(CHROMIUM), reason=f"no Chromium at {CHROMIUM}")


@pytest.fixture
def page() -> Iterator[Page]:
    """Return a page of a fresh browser that fails the test on any script error."""
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        found = browser.new_page(viewport={"width": 1280, "height": 800})
        found.on("pageerror", lambda error: errors.append(str(error)))
        found.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        yield found
        browser.close()
    assert errors == []


def test_a_keyboard_is_enough_to_ask_press_fill_in_and_switch(make_stage: Callable[..., Stage], page: Page) -> None:
    days: list[int] = []

    def step(count: int) -> str:
        days.append(count)
        return "All jobs done"

    stage = make_stage(step_day=step, today=lambda: f"2026-11-{21 + len(days)}")
    page.goto(f"{stage.url}/#/{GENERAL}")
    page.wait_for_selector("body[data-ready]")

    page.get_by_test_id("composer").focus()
    page.keyboard.type("@te")
    page.keyboard.press("Tab")
    page.keyboard.type("<b>hi</b>")
    page.keyboard.press("Enter")
    thread = page.get_by_test_id("thread-pane")
    expect(thread.get_by_test_id("message").last).to_contain_text("Hello")
    expect(page.get_by_test_id("message").first).to_contain_text("@Tend <b>hi</b>")

    thread.get_by_role("button", name="Ask").focus()
    page.keyboard.press("Enter")
    modal = page.get_by_test_id("modal")
    expect(modal.get_by_label("Your text")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(modal.get_by_test_id("field-error")).to_have_text("Say something else.")
    page.keyboard.press("Escape")
    expect(modal).to_have_count(0)

    page.keyboard.press("Control+K")
    page.keyboard.type("messages")
    page.keyboard.press("Enter")
    page.get_by_test_id("composer").focus()
    page.keyboard.type("/te")
    expect(page.get_by_test_id("suggestions")).to_contain_text("/tend")
    page.keyboard.press("Enter")
    page.keyboard.type("help")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("message").last).to_contain_text("Only visible to you")

    page.get_by_test_id("next-day").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("clock")).to_contain_text("22 Nov 2026")
    page.get_by_test_id("home-tab").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("home")).to_contain_text("Your home")


def test_text_from_the_app_never_becomes_markup(stage: Stage, page: Page) -> None:
    evil = "<img src=x onerror=alert(1)> &lt;script&gt;alert(1)&lt;/script&gt; <javascript:alert(1)|click>"
    blocks: list[dict[str, Any]] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": evil}},
        {"type": "markdown", "text": f"# {evil}\n[x](javascript:alert(1))"},
    ]
    stage.client.chat_postMessage(channel=ANN_DM, text=evil, blocks=blocks)
    page.goto(f"{stage.url}/#/dm")
    message = page.get_by_test_id("message")
    expect(message).to_contain_text("<script>alert(1)</script>")
    assert message.locator("img, script, a").count() == 0


def test_another_person_sees_their_own_direct_message(stage: Stage, page: Page) -> None:
    stage.client.chat_postMessage(channel=ANN_DM, text="only for Ann")
    page.goto(f"{stage.url}/#/dm")
    expect(page.get_by_test_id("message")).to_contain_text("only for Ann")
    page.get_by_test_id("person-switch").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("people")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("person-switch")).to_contain_text("Gil Guest")
    expect(page.get_by_test_id("message")).to_have_count(0)
