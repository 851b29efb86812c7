"""Risk segments as the table says, what an attempt is worth, and a forecast in an account's own numbers."""

from pathlib import Path

import pytest

from scoring.churn.periods import OWN
from scoring.churn.words import drivers, subject
from scoring.risk import RISK, load_risk


@pytest.mark.parametrize(
    ("probability", "segment", "respond", "cost"),
    [
        (1.0, "high", "immediately", 1200),
        (0.70, "high", "immediately", 1200),
        (0.6999, "medium", "within 48 hours", 400),
        (0.40, "medium", "within 48 hours", 400),
        (0.3999, "low", "within a week", 150),
        (0.20, "low", "within a week", 150),
        (0.1999, "minimal", "normal cadence", 0),
        (0.0, "minimal", "normal cadence", 0),
    ],
)
def test_segments_begin_where_the_table_says(probability: float, segment: str, respond: str, cost: float) -> None:
    found = load_risk().of(probability)
    assert (found.name, found.respond, found.cost) == (segment, respond, cost)


def test_what_an_attempt_is_worth() -> None:
    # 0.5 x 10,000 a year x 30 % saved - 400 for one attempt
    assert load_risk().expected_value(0.5, 10_000) == pytest.approx(0.5 * 10_000 * 0.3 - 400)
    assert load_risk().expected_value(0.8, 100) == pytest.approx(24 - 1200)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("from = 0.40", "from = 0.80", "must fall"),
        ("from = 0.0\n", "from = 0.1\n", "end at 0"),
        ('alarm = "medium"', 'alarm = "loud"', "names no segment: loud"),
        ("saved = 0.3", "saved = 30", "saved"),
        ("cost = 400", "price = 400", "price"),
    ],
)
def test_a_table_that_is_wrong_is_refused_by_name(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "risk.toml"
    text = RISK.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=said):
        load_risk(file)


def test_all_inputs_of_one_matter_are_one_driver_and_their_effects_sum() -> None:
    effects = {"rate:sessions": 0.3, "idle:sessions": 0.2, OWN[0]: 0.1, "days_to_renewal": 0.4, "nps": -0.05}
    now = {"rate:sessions": 3.0, "days_to_renewal": 20.0, "nps": None}
    before = {"rate:sessions": 8.5, "days_to_renewal": 50.0, "nps": 4.0}
    found = {driver.name: driver for driver in drivers(effects, now, before)}
    assert {name: round(driver.effect, 6) for name, driver in found.items()} == {
        "rate:sessions": 0.5,
        "days_to_renewal": 0.5,
        "nps": -0.05,
    }
    assert found["rate:sessions"].text == "sessions a day: 8.5 → 3 in 30 days"
    assert found["days_to_renewal"].text == "time to renewal: 50 days → 20 days in 30 days"
    assert found["nps"].text == "latest NPS answer: unknown"
    assert [subject(name) for name in ("change:API calls", OWN[1])] == ["rate:API calls", "days_to_renewal"]
