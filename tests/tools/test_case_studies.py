"""Case studies: ranked by what they are worth, written from the account's own figures, quoted only with permission."""

from dataclasses import replace

import pytest

from bot.grounding import ungrounded
from storage.models import Role
from tests.tools.portfolio import DANA, MORGAN
from tools.case_studies import UNPUBLISHED, case_study_candidates, draft_case_study
from tools.context import Actor, Context
from tools.errors import UserError
from tools.testimonial_records import approve_testimonial, collect_testimonial

FARMS = "Juniper Farms"


def quote(ctx: Context, name: bool) -> None:
    number = collect_testimonial(
        ctx, FARMS, "Max Nye", "It halved our paperwork.", may_use_name=name, may_use_quote=True
    )
    approve_testimonial(ctx.acting(Actor(MORGAN.email, MORGAN.name, Role.APPROVER)), number)


def test_who_has_an_outcome_is_ranked_and_who_has_none_is_left_out(ctx: Context) -> None:
    found = case_study_candidates(ctx)
    assert [row[0] for row in found.rows] == [FARMS]
    assert 0 < found.rows[0][1][0] <= 100  # type: ignore[operator]


def test_the_text_holds_nothing_but_facts_and_says_that_it_is_not_published(ctx: Context) -> None:
    made = draft_case_study(ctx, FARMS)
    assert UNPUBLISHED in made.markdown
    assert "- “Answer within an hour”: from 0 to 60." in made.markdown
    headings = [line for line in made.markdown.splitlines() if line.startswith("## ")]
    assert headings == ["## Challenge", "## Action", "## Result"]
    told = made.markdown.replace("#", "").replace(UNPUBLISHED, "")
    assert ungrounded(told, made.facts, names=None, material="Challenge Action Result") == []


@pytest.mark.parametrize("named", [True, False])
def test_a_quote_stands_in_it_only_when_it_may_be_used_with_the_name(ctx: Context, named: bool) -> None:
    quote(ctx, named)
    assert ("“It halved our paperwork.”\nMax Nye, Juniper Farms" in draft_case_study(ctx, FARMS).markdown) == named


def test_without_measured_results_nothing_is_written(ctx: Context) -> None:
    with pytest.raises(UserError, match="I know too little of what Acme Dental reached: 0 results"):
        draft_case_study(ctx, "Acme Dental")
    with pytest.raises(UserError, match="role"):
        draft_case_study(ctx.acting(replace(DANA, role=Role.VIEWER)), FARMS)
