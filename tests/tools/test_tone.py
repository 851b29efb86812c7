"""Greeting and closing follow what a sender changes in their drafts, and go back when they change it back."""

import pytest

from tests.tools.portfolio import DANA, MORGAN
from tools import approvals
from tools.context import Context
from tools.drafts import DraftCard, draft_outreach
from tools.tone import Edit, Tone, closing_of, greeting_of, learned, standard_lines, toned

BODY = "Hi Cy,\n\nSomething true.\n\nShall we talk?\n\nBest,\nDana"


def edit(before: str = BODY, greeting: str = "Hi Cy,", closing: str = "Best,\nDana") -> Edit:
    return Edit(before, f"{greeting}\n\nSomething true.\n\nShall we talk?\n\n{closing}", "Cy", "Dana")


def tone(*edits: Edit) -> Tone:
    return learned(edits, standard_lines())


def test_what_was_changed_the_same_way_twice_is_learned_and_once_is_not() -> None:
    dear = edit(greeting="Dear Cy,", closing="Kind regards,\nDana R.")
    assert tone(dear) == Tone()
    assert tone(dear, edit(), dear) == Tone("Dear {first_name},", "Kind regards,\nDana R.")
    assert tone(dear, edit(greeting="Hello Cy,")) == Tone()


def test_only_the_last_five_edited_drafts_count() -> None:
    dear = edit(greeting="Dear Cy,")
    assert tone(dear, edit(), edit(), edit(), dear).greeting == "Dear {first_name},"
    assert tone(dear, edit(), edit(), edit(), edit(), dear).greeting == ""


def test_what_was_learned_stays_while_other_things_are_edited_and_goes_by_editing_it_back() -> None:
    dear = BODY.replace("Hi Cy,", "Dear Cy,")
    kept, back = edit(before=dear, greeting="Dear Cy,"), edit(before=dear)
    assert tone(kept, kept, kept, kept, kept).greeting == "Dear {first_name},"
    assert tone(back, kept, kept, kept, kept).greeting == "Dear {first_name},"
    assert tone(back, back, kept, kept, kept).greeting == ""


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("Hi Cy,", "Hi {first_name},"),
        ("Good morning!", "Good morning!"),
        ("Dear Ms Diaz,", ""),  # it fits nobody else
        ("Hello Diaz,", ""),
        ("I am writing about the invoice of May, as you asked", ""),
    ],
)
def test_a_greeting_is_taken_over_only_where_it_fits_others(line: str, found: str) -> None:
    assert greeting_of(f"{line}\n\nText.", "Cy") == found


def test_a_last_paragraph_that_is_no_closing_is_none() -> None:
    assert closing_of("Hi Cy,\n\nShall we talk?", "Dana") == ""
    assert closing_of(BODY, "Dana") == "Best,\n{sender}"


def test_only_the_templates_own_lines_are_replaced() -> None:
    own = Tone("Dear {first_name},", "Yours,\n{sender}")
    assert toned(BODY, own, "Cy", "Dana") == "Dear Cy,\n\nSomething true.\n\nShall we talk?\n\nYours,\nDana"
    assert toned("No greeting here.\n\nDana", Tone("Dear {first_name},"), "Cy", "Dana") == "No greeting here.\n\nDana"


def change(ctx: Context, card: DraftCard, old: str, new: str) -> None:
    assert old in card.body
    approvals.edit(ctx, card.id, card.content_hash, card.subject, card.body.replace(old, new))


def test_the_next_draft_of_the_same_sender_begins_and_ends_their_way(ctx: Context) -> None:
    for account, name in (("Acme Group", "Cy"), ("Acme Dental", "Ada")):
        card = draft_outreach(ctx, account, "check_in")
        change(ctx, card, f"Hi {name},", f"Good day {name},")
        change(ctx, approvals.get_draft(ctx, card.id), "Best,\nDana", "All the best,\nD. Reyes")
    body = draft_outreach(ctx, "Juniper Farms", "check_in").body
    assert body.startswith("Good day Max,\n\n")
    assert body.endswith("\n\nAll the best,\nD. Reyes")
    assert draft_outreach(ctx.acting(MORGAN), "Juniper Farms", "check_in").body.startswith("Hi Max,")
    assert DANA.email != MORGAN.email
