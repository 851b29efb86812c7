"""The effect of a real, randomised email test (Hillstrom 2008, 64,000 customers) against what is published of it."""

import os
from pathlib import Path

import polars as pl
import pytest

from scoring.experiments import Mean, Share, mean_effect, share_effect

REPO = Path(__file__).parents[2]
FILE = Path(os.environ.get("TEND_SHARED", REPO.parent / "shared")) / "data" / "hillstrom" / "hillstrom.csv"
CONTROL = "No E-Mail"
VISITED = {"Mens E-Mail": 18.28, "Womens E-Mail": 15.14, CONTROL: 10.62}  # percent, as published
SPENT = {"Mens E-Mail": 1.42, "Womens E-Mail": 1.08, CONTROL: 0.65}  # dollars a customer, as published


def test_the_published_rates_come_out_and_both_emails_worked() -> None:
    if not FILE.is_file():
        pytest.skip("the data set hillstrom is not on this machine (TEND_SHARED names the folder that holds it)")
    groups = {name: rows for (name,), rows in pl.read_csv(FILE).group_by("segment")}
    shares = {name: Share(int(rows["visit"].sum()), rows.height) for name, rows in groups.items()}
    means = {name: Mean.from_values(rows["spend"].cast(pl.Float64).to_list()) for name, rows in groups.items()}
    assert {name: round(100 * share.value, 2) for name, share in shares.items()} == VISITED
    assert {name: round(mean.value, 2) for name, mean in means.items()} == SPENT
    for name in sorted(set(groups) - {CONTROL}):
        visits, spend = share_effect(shares[name], shares[CONTROL]), mean_effect(means[name], means[CONTROL])
        print(
            f"\n{name} against nothing: visits {100 * visits.difference:+.2f} points (95 % {100 * visits.low:+.2f} to "
            f"{100 * visits.high:+.2f}), spend {spend.difference:+.2f} (95 % {spend.low:+.2f} to {spend.high:+.2f})"
        )
        assert (visits.verdict, spend.verdict) == ("better", "better")
