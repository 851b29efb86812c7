"""A testimonial from the list of candidates to social proof, pressed and typed as in Slack."""

from typing import Any

from sqlmodel import select

from bot.demo import Demo
from storage.models import Account, Contact, Testimonial
from tests.e2e.conftest import CHANNEL, DANA
from tests.e2e.test_path import answers, buttons, eventually


def kept(demo: Demo) -> list[Testimonial]:
    with demo._context().session() as session:
        return list(session.exec(select(Testimonial)).all())


def customer(demo: Demo) -> tuple[str, str]:
    """An account that has a contact, and the contact's name."""
    with demo._context().session() as session:
        found: Any = session.exec(
            select(Account.name, Contact.name)
            .join(Contact, Contact.account_id == Account.id)  # type: ignore[arg-type]
            .where(Account.churned_on == None)  # noqa: E711
        ).first()
        return found[0], found[1]


def test_a_testimonial_is_entered_in_a_modal_and_waits_for_a_second_person(demo: Demo) -> None:
    account, contact = customer(demo)
    demo.workspace.command(DANA, CHANNEL, "/tend", f"testimonial {account}")
    channel = demo.workspace.open_dm(DANA)
    said = eventually(lambda: [m for m in answers(demo, channel) if m["text"] == f"Testimonials of {account}"])[0]
    value = buttons(said, "enter_testimonial")[0]["value"]
    demo.workspace.click(DANA, channel, said["ts"], "enter_testimonial", value)
    modal = eventually(lambda: demo.workspace.modal(DANA))
    values = {
        "contact": {"contact": contact}, "quote": {"quote": "It halved our paperwork."}, "rating": {"rating": "5"},
        "use": {"use": "paperwork"}, "allowed": {"allowed": ["quote"]},
    }  # fmt: skip
    demo.workspace.submit(DANA, modal["id"], values)
    row = eventually(lambda: kept(demo))[0]
    assert (row.quote, row.rating, row.may_use_quote, row.may_use_name) == ("It halved our paperwork.", 5, True, False)
    again = eventually(lambda: [m for m in answers(demo, channel) if buttons(m, "approve_testimonial")])[0]
    demo.workspace.click(DANA, channel, again["ts"], "approve_testimonial", f'{{"testimonial":{row.id}}}')
    refused = "needs the role “approver”"
    eventually(lambda: [m for m in answers(demo, channel, viewer=DANA) if refused in m["text"]])
    assert kept(demo)[0].state == "collected"
