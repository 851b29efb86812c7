"""Drafts go to the right contact, say true things about this account, and are made once per request."""

import threading
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import func, select

from storage.models import Account, Contact, Draft, DraftState, Goal, Opportunity
from tests.tools.portfolio import ago
from tools.context import Context
from tools.drafts import content_hash, draft_outreach, quoted
from tools.errors import UserError
from tools.purposes import Purpose


@pytest.mark.parametrize(
    ("account", "purpose", "recipient"),
    [
        ("Acme Group", "risk", "di@customer.example"),  # the executive sponsor first
        ("Acme Group", "check_in", "cy@customer.example"),  # the champion first
        ("Cedar Freight", "check_in", "gus@customer.example"),  # the champion opted out, the sponsor left
        ("Elm Street Bakery", "billing", "lu@customer.example"),
        ("Elm Street Bakery", "adoption", "kit@customer.example"),
    ],
)
def test_a_draft_goes_to_the_first_contact_by_role_who_may_be_written_to(
    ctx: Context, account: str, purpose: Any, recipient: str
) -> None:
    assert draft_outreach(ctx, account, purpose).recipient == recipient


def test_nobody_who_left_or_opted_out_is_ever_written_to(ctx: Context) -> None:
    with pytest.raises(UserError, match="no contact who can be written to"):
        draft_outreach(ctx, "Fairview Plumbing", "check_in")


@pytest.mark.parametrize(
    ("account", "purpose"),
    [
        ("Acme Group", "support"),
        ("Elm Street Bakery", "billing"),
        ("Acme Dental", "renewal"),
        ("Juniper Farms", "check_in"),
    ],
)
def test_the_situation_of_the_account_decides_the_purpose(ctx: Context, account: str, purpose: str) -> None:
    assert draft_outreach(ctx, account).purpose == purpose


def test_too_little_knowledge_is_said_instead_of_written_around(ctx: Context) -> None:
    with pytest.raises(UserError, match=r"I know too little about Iris Studio .* only 1 fact fits"):
        draft_outreach(ctx, "Iris Studio", "check_in")


FITTING = {
    "celebration": "Juniper Farms", "onboarding": "Juniper Farms", "testimonial": "Juniper Farms",
    "case_study": "Juniper Farms", "expansion": "Juniper Farms", "referral": "Juniper Farms",
}  # fmt: skip


@pytest.mark.parametrize("purpose", sorted(set(Purpose.__args__) - {"win_back"}))  # type: ignore[attr-defined]
def test_every_purpose_makes_a_whole_message_with_its_facts(ctx: Context, purpose: Any) -> None:
    account = FITTING.get(purpose, "Acme Group")
    card = draft_outreach(ctx, account, purpose)
    assert len(card.facts) >= 2
    assert card.body.startswith("Hi ")
    assert card.body.endswith("Dana")
    assert not any(mark in card.subject + card.body for mark in ("{{", "{%", "None", "  "))
    assert (card.sender, card.state) == ("dana@team.example", DraftState.DRAFTED)
    for word in ("health score", "churn", "at risk", "risk score", "loss"):
        assert word not in card.body.lower()


def test_an_account_that_left_is_won_back_with_what_it_wanted_and_nothing_else_is_written_to_it(ctx: Context) -> None:
    with ctx.session() as session:
        gone = session.exec(select(Account).where(Account.external_id == "a12")).one()
        contact = {"account_id": gone.id, "name": "Ned Orr", "email": "ned@gone.example", "role": "champion"}
        session.add(Contact(external_id="c20", **contact))
        goal = {"account_id": gone.id, "objective": "Ship twice a day", "stated_on": ago(300), "measured_on": ago(40)}
        session.add(Goal(external_id="g20", **goal))
        session.commit()
    card = draft_outreach(ctx, "Gone Limited")
    assert (card.purpose, card.recipient) == ("win_back", "ned@gone.example")
    assert "in your own words: Ship twice a day" in card.body
    with pytest.raises(UserError, match=r"Gone Limited left on 24 Apr 2026\. I can only draft to win it back"):
        draft_outreach(ctx, "Gone Limited", "check_in")
    with pytest.raises(UserError, match="Acme Group is a customer: there is nothing to win back"):
        draft_outreach(ctx, "Acme Group", "win_back")


def test_growth_is_not_spoken_of_where_something_forbids_it(ctx: Context) -> None:
    with ctx.session() as session:
        farms = session.exec(select(Account).where(Account.external_id == "a11")).one()
        session.add(
            Opportunity(
                account_id=farms.id or 0, offer="seats", type="seats", score=70, probability=0.4, timing="now",
                blocker="a payment failed", opened_on=ago(1), day=ago(0), low=0.3, high=0.5,
                reasons="[]", evidence="{}",
            )
        )  # fmt: skip
        session.commit()
    with pytest.raises(UserError, match="I hold back anything about growth with Juniper Farms: a payment failed"):
        draft_outreach(ctx, "Juniper Farms", "expansion")


def test_the_text_speaks_of_this_account(ctx: Context) -> None:
    bodies = {
        name: draft_outreach(ctx, name, "check_in").body for name in ("Acme Group", "Juniper Farms", "Acme Dental")
    }
    assert len(set(bodies.values())) == 3
    assert "80% less" in bodies["Acme Group"]
    assert "less over the last four weeks" not in bodies["Acme Dental"]


def test_a_drop_in_use_and_the_days_of_use_are_not_said_twice(ctx: Context) -> None:
    body = draft_outreach(ctx, "Acme Group", "check_in").body
    assert body.count("days a week") == 1


def test_what_is_said_of_a_goal_is_true_of_that_goal(ctx: Context) -> None:
    """The other goal is far beyond its target, so the two together would look reached."""
    body = draft_outreach(ctx, "Juniper Farms", "check_in").body
    assert "Answer within an hour. By the latest figures you are 60% of the way there." in body
    assert "is reached" not in draft_outreach(ctx, "Juniper Farms", "celebration").body


def test_a_customers_words_are_quoted_without_mark_up(ctx: Context) -> None:
    body = draft_outreach(ctx, "Acme Group", "support").body
    assert "“Export bfails/b again”" in body
    assert quoted("a\nb  <!channel> “x”" + "y" * 200) == "a b !channel x" + "y" * 105 + "…"


def test_the_same_request_gives_the_same_draft(ctx: Context) -> None:
    first = draft_outreach(ctx, "Acme Group", request_key="event-1")
    assert draft_outreach(ctx, "Acme Group", request_key="event-1").id == first.id
    assert draft_outreach(ctx, "Acme Group", request_key="event-2").id != first.id
    assert draft_outreach(ctx, "Acme Group").id != draft_outreach(ctx, "Acme Group").id


def test_the_same_request_in_several_threads_gives_one_draft(ctx: Context) -> None:
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(draft_outreach(ctx, "Acme Group", request_key="event-1").id))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 5
    assert len(set(found)) == 1
    with ctx.session() as session:
        assert session.exec(select(func.count()).select_from(Draft)).one() == 1


def test_a_request_of_another_workspace_with_the_same_key_is_another_request(ctx: Context) -> None:
    from tests.tools.portfolio import fill

    other = replace(ctx, workspace_id="another")
    fill(other)
    mine = draft_outreach(ctx, "Acme Group", request_key="event-1")
    assert draft_outreach(other, "Acme Group", request_key="event-1").id != mine.id


def test_a_draft_lives_for_a_week(ctx: Context) -> None:
    card = draft_outreach(ctx, "Acme Group")
    assert card.expires_at.date() == ago(-7)


def test_the_fingerprint_changes_with_everything_that_an_approval_is_for() -> None:
    exact = ("email", "ann@customer.example", "dana@team.example", "Subject", "Body")
    changed = {content_hash(*(*exact[:n], exact[n] + "x", *exact[n + 1 :])) for n in range(5)}
    moved = content_hash("email", "ann@customer.example", "dana@team.example", "SubjectB", "ody")
    assert len(changed | {content_hash(*exact), moved}) == 7


def test_another_language_of_the_contact_is_said_on_the_card(ctx: Context) -> None:
    assert "language" not in draft_outreach(ctx, "Acme Group", "check_in").text
    with ctx.session() as session:
        for person in session.exec(select(Contact)).all():
            person.language = "de"
            session.add(person)
        session.commit()
    card = draft_outreach(ctx, "Acme Group", "check_in")
    assert card.text.endswith("Their language is “de”; the draft is in English.")
    assert card.language == "de"
