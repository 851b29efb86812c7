"""Effects against published intervals and worked examples; nothing is claimed from small groups."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.experiments import Effect, Mean, Share, effects, mean_effect, share_effect, stop_for_harm

SHARES = st.integers(1, 400).flatmap(lambda n: st.builds(Share, st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("share", "low", "high"),  # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3
    [(Share(81, 263), 0.2553, 0.3662), (Share(15, 148), 0.0624, 0.1605), (Share(0, 20), 0.0, 0.1611),
     (Share(1, 29), 0.0061, 0.1718)],
)  # fmt: skip
def test_the_interval_of_a_share_is_the_published_one(share: Share, low: float, high: float) -> None:
    assert share.interval == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),  # Newcombe, Statistics in Medicine 17 (1998) 873-890, table II, method 10
    [(Share(56, 70), Share(48, 80), 0.0524, 0.3339), (Share(9, 10), Share(3, 10), 0.1705, 0.8090),
     (Share(10, 10), Share(0, 20), 0.6791, 1.0)],
)  # fmt: skip
def test_the_interval_of_a_difference_of_shares_is_the_published_one(
    one: Share, other: Share, low: float, high: float
) -> None:
    found = share_effect(one, other)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_the_interval_of_a_difference_of_means_is_the_one_worked_out_by_hand() -> None:
    # Means 3 and 6, variances 2.5 and 10: standard error sqrt(0.5 + 2), freedom 2.5^2 / (0.5^2/4 + 2^2/4) = 5.88,
    # where Student's quantile lies between 2.447 (6) and 2.571 (5).
    found = mean_effect(Mean.from_values([1, 2, 3, 4, 5]), Mean.from_values([2, 4, 6, 8, 10]))
    assert found.difference == -3
    assert math.sqrt(2.5) * 2.447 < found.high - found.difference < math.sqrt(2.5) * 2.571


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        (Share(29, 29), Share(0, 500), "not enough data yet"),
        (Share(4, 500), Share(0, 500), "not enough data yet"),
        (Share(20, 100), Share(18, 100), "no clear difference"),
        (Share(60, 100), Share(30, 100), "better"),
        (Share(30, 100), Share(60, 100), "worse"),
        (Share(0, 0), Share(60, 100), "not enough data yet"),
    ],
)
def test_a_verdict_needs_enough_data_and_an_interval_beside_zero(one: Share, other: Share, verdict: str) -> None:
    assert share_effect(one, other).verdict == verdict


def test_means_of_small_groups_say_nothing_however_far_apart() -> None:
    assert not mean_effect(Mean(100, 1, 29), Mean(0, 1, 1000)).known
    assert not mean_effect(Mean.from_values([1.0]), Mean(0, 1, 1000)).known
    assert mean_effect(Mean(100, 1, 30), Mean(0, 1, 1000)).verdict == "better"
    assert mean_effect(Mean(1, 0, 50), Mean(1, 0, 50)).verdict == "no clear difference"


def test_harm_stops_only_when_the_whole_interval_is_worse_than_tolerated() -> None:
    assert stop_for_harm(share_effect(Share(30, 300), Share(60, 300)))
    assert not stop_for_harm(share_effect(Share(30, 300), Share(60, 300)), tolerated=0.1)
    assert not stop_for_harm(share_effect(Share(30, 300), Share(33, 300)))
    assert not stop_for_harm(Effect(-0.5, -0.6, -0.4, "not enough data yet"))


def test_every_variant_is_compared_with_the_control() -> None:
    found = effects({"a": Share(60, 100), "b": Share(31, 100), "none": Share(30, 100)}, "none")
    assert {name: effect.verdict for name, effect in found.items()} == {"a": "better", "b": "no clear difference"}
    with pytest.raises(KeyError):
        effects({"a": Share(1, 2)}, "none")


def test_an_impossible_share_is_refused() -> None:
    with pytest.raises(ValueError, match="3 of 2"):
        Share(3, 2)


@given(SHARES, SHARES)
def test_the_difference_lies_in_its_interval_and_the_other_way_round_it_is_the_mirror(one: Share, other: Share) -> None:
    found, mirror = share_effect(one, other), share_effect(other, one)
    assert -1 - 1e-9 <= found.low <= found.difference <= found.high <= 1 + 1e-9
    assert (mirror.low, mirror.high) == pytest.approx((-found.high, -found.low))
