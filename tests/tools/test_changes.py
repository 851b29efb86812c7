"""What changed since a day, counted and named."""

import pytest

from tests.tools.portfolio import ago
from tools.changes import what_changed
from tools.context import Context
from tools.errors import UserError


def test_who_crossed_the_border_of_risk_and_who_only_moved(ctx: Context) -> None:
    found = what_changed(ctx, 30)
    assert found.since == ago(30)
    assert [row.name for row in found.recovered] == ["Granite Bank"]
    assert [row.name for row in found.fell] == ["Acme Group", "Juniper Farms"]
    assert [row.name for row in found.rose] == ["Birchwood Clinic"]
    assert found.left == ("Gone Limited",)
    assert found.counts == {"fresh": 0, "recovered": 1, "fell": 2, "rose": 1, "left": 1, "joined": 0}


def test_a_change_that_rests_on_other_data_is_none(ctx: Context) -> None:
    names = [row.name for row in (*what_changed(ctx, 30).fresh, *what_changed(ctx, 30).fell)]
    assert "Elm Street Bakery" not in names  # 90 to 72, with half the coverage before


def test_changes_can_be_those_of_one_colleague(ctx: Context) -> None:
    found = what_changed(ctx, 30, owner="Morgan Ames")
    assert [row.name for row in found.recovered] == ["Granite Bank"]
    assert found.counts["fell"] == 0
    assert "for Morgan Ames" in found.text


def test_a_time_before_all_scores_and_one_that_is_none_are_named(ctx: Context) -> None:
    with pytest.raises(UserError, match="no scores of 200 days ago"):
        what_changed(ctx, 200)
    with pytest.raises(UserError, match="1 to 366 days"):
        what_changed(ctx, 0)
