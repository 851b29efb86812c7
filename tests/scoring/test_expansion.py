"""Offers are read strictly, opportunities follow the rules to the point, prices stay within policy."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from scoring.churn.training import TooLittleDataError
from scoring.declared import DeclaredError
from scoring.expansion.offers import EVIDENCE, OFFERS, load_rules
from scoring.expansion.opportunities import (
    GROWTH,
    Decided,
    growth_scores,
    opportunities,
    unknown_plans,
    with_probability,
)
from scoring.expansion.pricing import advise, approver_of, highest
from scoring.expansion.propensity import chances, fit_propensity, judge, labelled

RULES = load_rules()
BASE = {"account_id": 1, "plan": "professional", "mrr": 980.0, "currency": "USD", "health": 85.0, "red_band": False}
NEAR = {"limit_use": 0.92, "overage_months": 3.0, "seats_bought": 20.0, "seat_use": 0.9, "active_users": 12.0}
NOBODY = Decided({}, {})


def found(**changes: object) -> dict[str, dict[str, object]]:
    """The opportunities of one account, by offer."""
    rows = opportunities(RULES, pl.DataFrame([{**BASE, **NEAR, **changes}]))
    return {row["offer"]: row for row in rows.iter_rows(named=True)}


def test_points_of_every_sign_that_holds_add_up() -> None:
    told = found()["business"]
    # near a limit 25 + three months above it 20 + more than ten people 8
    assert told["score"] == 53
    assert told["reasons"] == [
        "near a limit of the plan", "above the plan's limit three months in a row", "more than ten people use it",
    ]  # fmt: skip
    assert '"limit_use":0.92' in str(told["evidence"])


def test_what_speaks_against_an_account_takes_points_off() -> None:
    assert found(upgrade_mentions_90d=1.0)["business"]["score"] == 78
    assert found(upgrade_mentions_90d=1.0, health=50.0)["business"]["score"] == 53
    assert "business" not in found(health=50.0)


def test_revenue_comes_from_the_price_list_and_the_accounts_own_price() -> None:
    told = found(seat_growth_90d=0.2)
    assert told["business"]["uplift"] == pytest.approx(980 * (99 / 49 - 1))
    assert told["more_seats"]["uplift"] == pytest.approx((np.ceil(18 / 0.8) - 20) * 980 / 20)


def test_a_gap_in_the_price_list_and_another_currency_are_unknown_and_nothing_is_dropped() -> None:
    told = found(plan="business", upgrade_mentions_90d=1.0)
    assert told["enterprise"]["uplift"] is None
    flat = {"api_calls_per_day": 500.0, "api_days_share": 0.9, "usage_change_28d": 0.4}
    assert found(**flat)["custom_integrations"]["uplift"] == 20
    assert found(**flat, currency="EUR")["custom_integrations"]["uplift"] is None


def test_a_rate_that_the_team_gave_converts(tmp_path: Path) -> None:
    own = tmp_path / "offers.toml"
    own.write_text(OFFERS.read_text().replace("[rates]", "[rates]\nEUR = 0.9"))
    flat = {"api_calls_per_day": 500.0, "api_days_share": 0.9, "usage_change_28d": 0.4, "currency": "EUR"}
    rows = opportunities(load_rules(own), pl.DataFrame([{**BASE, **NEAR, **flat}]))
    assert rows.filter(pl.col("offer") == "custom_integrations")["uplift"].to_list() == [18]


@pytest.mark.parametrize(
    "state, reason",
    [
        ({"red_band": True}, "its health is in a red band"),
        ({"open_escalations": 1.0}, "an escalation is open"),
        ({"failed_payments_14d": 1.0}, "a payment failed"),
        ({"high_churn_risk": True}, "it is likely to leave"),
        ({"red_band": True, "open_escalations": 2.0}, "its health is in a red band, an escalation is open"),
    ],
)
def test_nothing_is_proposed_to_an_account_in_trouble_and_the_reason_is_said(state: dict[str, object], reason: str):
    assert {row["blocker"] for row in found(**state).values()} == {reason}
    assert {row["blocker"] for row in found().values()} == {None}


def test_a_blocked_account_is_shown_although_what_is_against_it_takes_points() -> None:
    told = found(red_band=True, health=20.0, churn_probability=0.5)["business"]
    assert told["blocker"] == "its health is in a red band"


def test_the_timing_follows_the_renewal_and_the_score() -> None:
    assert found()["business"]["timing"] == "this quarter"
    assert found(days_to_renewal=30.0)["business"]["timing"] == "with the renewal"
    strong = {"upgrade_mentions_90d": 1.0, "limit_use": 1.2}
    assert found(**strong)["business"]["timing"] == "now"


def test_unknown_values_and_columns_meet_no_condition() -> None:
    nothing = opportunities(RULES, pl.DataFrame([{"account_id": 1, "plan": "professional"}]))
    assert nothing.is_empty()
    assert opportunities(RULES, pl.DataFrame(schema={"account_id": pl.Int64})).is_empty()


def test_accounts_on_a_plan_that_the_offers_do_not_know_are_counted() -> None:
    table = pl.DataFrame({"plan": ["gold", "starter", "gold", None]})
    assert unknown_plans(RULES.book, table) == {"gold": 2}


def test_the_probability_moves_from_the_stated_one_to_what_was_accepted() -> None:
    rows = opportunities(RULES, pl.DataFrame([{**BASE, **NEAR, "upgrade_mentions_90d": 1.0, "limit_use": 1.2}]))
    one = rows.filter(pl.col("offer") == "business")
    stated = with_probability(one, RULES.book, NOBODY)
    assert stated["probability"][0] == pytest.approx(0.35)
    assert stated["low"][0] < 0.35 < stated["high"][0]
    learned = with_probability(one, RULES.book, Decided({"three weeks": 80}, {"three weeks": 10}))
    assert learned["probability"][0] == pytest.approx((10 + 0.35 * 20) / 100)
    assert learned["high"][0] - learned["low"][0] < stated["high"][0] - stated["low"][0]
    assert learned["expected"][0] == pytest.approx(learned["probability"][0] * learned["uplift"][0])


def test_a_forecast_of_growth_is_shared_out_over_the_growth_offers() -> None:
    rows = opportunities(RULES, pl.DataFrame([{**BASE, **NEAR, "seat_growth_90d": 0.2}]))
    told = with_probability(rows, RULES.book, NOBODY, pl.DataFrame({"account_id": [1], "chance": [0.3]}))
    growth = told.filter(pl.col("type").is_in(GROWTH))
    assert growth.height == 2
    assert growth["probability"].sum() == pytest.approx(0.3)
    others = told.filter(~pl.col("type").is_in(GROWTH))
    assert set(others["probability"]) <= {campaign.probability for campaign in RULES.book.campaigns}


def test_the_rules_best_growth_score_is_that_of_the_opportunity() -> None:
    table = pl.DataFrame([{**BASE, **NEAR}, {**BASE, "account_id": 2}])
    best = max(float(row["score"]) for row in found().values() if row["type"] in GROWTH)  # type: ignore[arg-type]
    assert growth_scores(RULES, table).to_list() == [best, 0.0]


# Files


@pytest.mark.parametrize(
    "old, new, message",
    [
        ('title = "More seats"', 'titel = "More seats"', r"line \d+: offers.0.*unknown key|line \d+: offers.0"),
        ("conversations = 1000", "conversations = 0", "the limit of conversations is 0"),
        ('plans = ["starter"]\nto', 'plans = ["startr"]\nto', "unknown plan 'startr', did you mean 'starter'"),
        ('to = "professional"', 'to = "pro"', "unknown plan 'pro'"),
        ("limit_use >= 0.6 OR advanced_feature_share >= 0.25", "limit_usage >= 0.6", "did you mean 'limit_use'"),
        ('currency = "USD"', 'currency = "Dollars"', "currency"),
        ("[rates]", "[rates]\nEUR = 0", "rate of EUR"),
        ("from = 60", "from = 90", "must fall"),
        ("price = 20\n", "", "it has no price"),
        ('id = "professional"', 'id = "more_seats"', "declared twice"),
    ],
)
def test_a_mistake_in_the_offers_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = OFFERS.read_text()
    assert old in text
    own = tmp_path / "offers.toml"
    own.write_text(text.replace(old, new, 1))
    with pytest.raises(DeclaredError, match=message):
        load_rules(own)


def test_a_mistake_in_the_evidence_names_its_line(tmp_path: Path) -> None:
    own = tmp_path / "evidence.toml"
    own.write_text(EVIDENCE.read_text().replace("overage_months >= 3", "overage >= 3"))
    line = own.read_text().splitlines().index('when = "overage >= 3"') + 1
    with pytest.raises(DeclaredError, match=f"evidence.toml, line {line}: points.1: unknown feature 'overage'"):
        load_rules(evidence=own)


# Prices


def advice(offer: str, **changes: object):  # type: ignore[no-untyped-def]
    known = RULES.book.offer(offer)
    assert known is not None
    return advise(RULES, known, pl.DataFrame([{**BASE, **changes}]), 1000.0)


def test_reasons_add_up_and_the_policy_bounds_them() -> None:
    told = advice("business", tenure_days=800.0, seats_bought=60.0)
    assert told.discount == pytest.approx(0.10)
    assert told.price == 900
    assert told.approver == "csm"
    assert told.margin == pytest.approx(1 - 0.22 / 0.9)
    more = {"tenure_days": 800.0, "seats_bought": 60.0, "goal_attainment": 0.5, "competitor_mentions_30d": 1.0}
    assert advice("business", **more).approver == "approver"
    starter = advice("more_seats", plan="starter", **more)
    assert (starter.wanted, starter.discount) == (pytest.approx(0.20), 0.10)


def test_an_account_above_its_limit_needs_no_discount() -> None:
    assert advice("business", tenure_days=800.0, limit_use=1.2).discount == 0


def test_the_reduction_of_prepayment_belongs_to_the_offer_and_nothing_comes_on_top() -> None:
    told = advice("annual_prepay", plan="business", tenure_days=800.0, seats_bought=60.0)
    assert told.discount == 0.25
    assert told.approver == "admin"


def test_nobody_may_give_more_than_the_policy() -> None:
    policy = RULES.book.policy
    offer = RULES.book.offer("professional")
    assert offer is not None
    assert highest(policy, offer, "starter") == 0.20
    assert [approver_of(policy, d) for d in (0.0, 0.10, 0.11, 0.20, 0.30)] == [
        "csm", "csm", "approver", "approver", "admin",
    ]  # fmt: skip


# Learned


def history(accounts: int = 300, days: int = 12) -> tuple[pl.DataFrame, pl.DataFrame, date]:
    """Accounts whose use tells whether they grow in the next quarter."""
    rng, until = np.random.default_rng(3), date(2026, 6, 30)
    rows, events = [], []
    for back in range(days, 0, -1):
        day = until - timedelta(days=45 * back)
        use = rng.normal(size=accounts)
        rows.append(pl.DataFrame({"account_id": range(accounts), "day": [day] * accounts, "limit_use": use}))
        grows = rng.random(accounts) < 1 / (1 + np.exp(4 - 2.5 * use))
        events += [(int(a), day + timedelta(days=20)) for a in np.flatnonzero(grows)]
    return pl.concat(rows), pl.DataFrame(events, schema=["account_id", "on"], orient="row"), until


def test_growth_is_the_next_one_after_the_day_within_the_quarter() -> None:
    day = date(2026, 1, 10)
    rows = pl.DataFrame({"account_id": [1, 2, 3, 4], "day": [day] * 4})
    on = pl.DataFrame({"account_id": [1, 2, 3], "on": [day, day + timedelta(90), day + timedelta(91)]})
    told = labelled(rows, on, date(2026, 12, 31)).sort("account_id")
    assert told["grew"].to_list() == [False, True, False, False]  # on the day itself it is known already
    assert labelled(rows, on, day + timedelta(days=89)).is_empty()


def test_who_grows_is_learned_and_calibrated_on_later_days() -> None:
    rows, events, until = history()
    told = judge(rows, events, until, pl.Series(np.zeros(rows.height)))
    assert told.model is not None
    assert told.rule is not None
    assert told.model.low > 0.7
    assert told.rule.value == pytest.approx(0.5)
    assert told.stated == pytest.approx(told.observed, rel=0.35)


def test_a_future_column_changes_nothing_that_was_known() -> None:
    rows, events, until = history()
    model = fit_propensity(rows, events, until)
    later = events.with_columns(pl.col("on") + pl.duration(days=4000))
    both = pl.concat([events, later])
    assert fit_propensity(rows, both, until).to_text() == model.to_text()
    assert ((chances(model, rows) > 0) & (chances(model, rows) < 1)).all()


def test_too_few_that_grew_are_said_with_the_count() -> None:
    rows, events, until = history()
    with pytest.raises(TooLittleDataError, match=r"\d+ of 300 accounts grew"):
        fit_propensity(rows, events.head(5), until)
