"""The unsubscribe page over real HTTP: looking changes nothing, one click does, and the page proves the row."""

from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from sqlmodel import col, select

from bot.keys import signing_key
from bot.local.run import Running
from bot.unsubscribe import add_unsubscribe
from storage.models import Consent, Contact
from tests.bot.portfolio import context, core
from tools.context import SYSTEM
from tools.unsubscribing import make_token

EMAIL = "champion@p010.example"  # at Globex


@pytest.fixture
def address() -> Iterator[str]:
    api = FastAPI()
    add_unsubscribe(api, core())
    with Running(api, 0) as running:
        yield running.url


def contact() -> Contact:
    with context(SYSTEM).session() as session:
        return session.exec(select(Contact).where(Contact.email == EMAIL)).one()


def rows() -> list[Consent]:
    with context(SYSTEM).session() as session:
        return list(
            session.exec(select(Consent).where(Consent.contact_id == contact().id).order_by(col(Consent.id))).all()
        )


def token(message_class: str = "marketing") -> str:
    return make_token(signing_key(core().settings), "main", contact().id or 0, message_class)


def test_looking_at_the_page_unsubscribes_nobody_and_one_click_does_with_proof(address: str) -> None:
    link, before = f"{address}/unsubscribe/{token()}", len(rows())
    for _ in range(2):  # mail scanners follow links
        page = httpx.get(link)
        assert page.status_code == 200
        assert f"Stop these messages to {EMAIL}?" in page.text
    assert len(rows()) == before
    for _ in range(2):  # as mail programs do it, RFC 8058
        done = httpx.post(link, data={"List-Unsubscribe": "One-Click"})
        assert done.status_code == 200
    assert len(rows()) == before + 1
    newest = rows()[-1]
    assert (newest.granted, newest.message_class, newest.source) == (False, "marketing", "unsubscribe link")
    assert f"reference {newest.id}" in done.text
    assert "take it back" in httpx.post(link, data={"all": "1"}).text
    assert rows()[-1].message_class == "all"
    assert "Stop these messages" in httpx.post(link, data={"back": "1"}).text
    assert rows()[-1].granted


def test_a_link_of_somebody_else_a_broken_one_and_a_huge_form_change_nothing(address: str) -> None:
    before = len(rows())
    own, other = token(), make_token(b"x" * 32, "main", contact().id or 0, "marketing")
    for bad in (other, own[:-3], own.partition(".")[0], "nonsense", "../../etc/passwd"):
        answer = httpx.post(f"{address}/unsubscribe/{bad}", data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 404
        assert EMAIL not in answer.text
    assert httpx.post(f"{address}/unsubscribe/{own}", content=b"x" * 10_000).status_code == 413
    assert len(rows()) == before
