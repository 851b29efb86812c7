"""Groups of accounts and accounts side by side: sums, shares, averages and differences that can be checked by hand."""

import pytest

from tools.context import Context
from tools.errors import UserError
from tools.facts import Fact
from tools.groups import compare_accounts, compare_groups


def value(facts: tuple[Fact, ...], subject: str, measure: str, unit: str | None = None) -> object:
    return next(f.value for f in facts if f.subject == subject and f.measure == measure and unit in (None, f.unit))


def test_groups_hold_every_customer_once_and_add_up_in_each_currency(ctx: Context) -> None:
    found = compare_groups(ctx, "segment")
    counts = [f.value for f in found.facts if f.measure == "accounts"]
    assert sum(map(int, counts)) == 11  # twelve, of which one has left
    assert value(found.facts, "enterprise", "ARR") == 12 * (12000 + 8000 + 20000)
    assert value(found.facts, "mid market", "ARR", "EUR") == 12 * 5000
    assert value(found.facts, "mid market", "share of ARR in EUR") == 1.0
    shares = [float(f.value) for f in found.facts if f.measure == "share of ARR in USD"]
    assert sum(shares) == pytest.approx(1)


def test_the_most_of_what_is_asked_for_comes_first(ctx: Context) -> None:
    assert compare_groups(ctx, "csm", "accounts").rows[0][0] == "Dana Reyes"
    assert compare_groups(ctx, "plan", "health").text.startswith("Accounts by plan, the most health first:")
    by_month = list(dict.fromkeys(row[0] for row in compare_groups(ctx, "renewal_month").rows))
    assert by_month[:3] == ["May 2026", "Jun 2026", "Jul 2026"]


def test_groups_can_be_filtered_and_left_out(ctx: Context) -> None:
    names = {row[0] for row in compare_groups(ctx, "segment", without=["enterprise"]).rows}
    assert names == {"smb", "mid market"}
    assert sum(int(f.value) for f in compare_groups(ctx, "plan", owner="me").facts if f.measure == "accounts") == 6
    assert compare_groups(ctx, "plan", segment="consumer").text == "No consumer accounts."


def test_two_accounts_are_compared_by_difference_and_ratio(ctx: Context) -> None:
    found = compare_accounts(ctx, ["Granite Bank", "Acme Group"])
    assert value(found.facts, "Granite Bank", "ARR more than Acme Group") == 96_000
    assert value(found.facts, "Granite Bank", "ARR as a multiple of Acme Group") == pytest.approx(5 / 3)
    assert value(found.facts, "Granite Bank", "health above Acme Group") == 46
    assert found.text == (
        "Granite Bank pays $96k more a year than Acme Group (1.7 times as much). "
        "Granite Bank is healthier by 46 points than Acme Group."
    )


def test_different_currencies_are_never_subtracted(ctx: Context) -> None:
    found = compare_accounts(ctx, ["Granite Bank", "Harbour Retail"])
    assert "pays" not in found.text
    assert "healthier by 43 points" in found.text


@pytest.mark.parametrize("accounts", [["Granite Bank"], ["a1", "a2", "a3", "a4", "a5", "a6"], ["a8", "Granite Bank"]])
def test_one_account_six_or_the_same_twice_are_refused(ctx: Context, accounts: list[str]) -> None:
    with pytest.raises(UserError, match=r"two to 5 accounts|the same account"):
        compare_accounts(ctx, accounts)
