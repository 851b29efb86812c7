"""What a CSM does on a Monday morning, in a real browser."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from bot.demo import Demo

expect.set_options(timeout=30_000)  # a loaded machine takes a while for the first answer
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DIGEST = re.compile(r"^At risk · \w+day")


@pytest.fixture
def page(chromium: str, demo: Demo) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1360, "height": 900})
        page.set_default_timeout(20_000)
        page.goto(demo.url)
        yield page
        browser.close()


def by_id(page: Any, name: str) -> Any:
    return page.get_by_test_id(name)


def test_ask_read_the_digest_edit_approve_and_find_the_mail_once(page: Page, demo: Demo) -> None:
    by_id(page, "dm-tend").click()
    by_id(page, "composer").fill("Which of my accounts are at risk this week, and why?")
    page.keyboard.press("Enter")
    expect(page.locator("table").first).to_be_visible()
    expect(page.get_by_text("core features in use").first).to_be_visible()

    by_id(page, "channel-customer-success").click()
    expect(page.get_by_text(DIGEST)).to_have_count(1)
    by_id(page, "next-day").click()
    expect(page.get_by_text(DIGEST)).to_have_count(2, timeout=60_000)

    page.get_by_role("button", name="Draft outreach").last.click()
    page.get_by_role("button", name=re.compile(r"\d+ repl(y|ies)")).last.click()
    thread = by_id(page, "thread-pane")
    expect(thread.get_by_role("button", name="Approve and send")).to_be_visible()
    thread.get_by_role("button", name="Edit").click()
    modal = by_id(page, "modal")
    modal.get_by_label("Subject").fill("A line from Dana")
    by_id(page, "modal-submit").click()
    expect(modal.get_by_text("What changed")).to_be_visible()
    by_id(page, "modal-submit").click()
    expect(thread.get_by_text("A line from Dana")).to_be_visible()
    thread.get_by_role("button", name="Approve and send").dblclick()
    expect(thread.get_by_text(re.compile(r"^\W*Sent$"))).to_be_visible()

    by_id(page, "mailbox").click()
    expect(by_id(page, "mail")).to_have_count(1)
    expect(by_id(page, "mail").first).to_contain_text("A line from Dana")
    assert len(demo.workspace.mailbox.messages) == 1
