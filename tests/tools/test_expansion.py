"""The day's opportunities on both databases, proposals within policy and with four eyes, trials, hours, value."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from sqlmodel import select

from bot.blocks import result_blocks
from bot.local.limits import message_blocks
from scoring.expansion.offers import OFFERS
from storage.models import Account, Draft, Opportunity, OpportunityState, PremiumTrial, Role, Subscription, TrialState
from tests.tools.portfolio import MORGAN, TODAY, ago
from tools import approvals
from tools.context import Actor, Context
from tools.errors import NotAllowedError, StaleError, UserError
from tools.expansion import account_opportunities, find_opportunities
from tools.hours import best_hours
from tools.opportunities import expansion_events, update_opportunities
from tools.proposals import draft_proposal, price_advice, settle
from tools.trials import list_trials, measure_trials, settle_trial, start_trial

STRONG = {"limit_use": 1.3, "overage_months": 3.0, "upgrade_mentions_90d": 1.0, "health": 88.0, "tenure_days": 800.0}


def ids(ctx: Context) -> dict[str, int]:
    with ctx.session() as session:
        return dict(session.exec(select(Account.name, Account.id)).all())  # type: ignore[arg-type]


def offered(ctx: Context, *rows: dict[str, object], day: int = 0) -> int:
    """Find the opportunities of some accounts on a day."""
    known = ids(ctx)
    with ctx.session() as session:
        plans = {a.name: a.plan for a in session.exec(select(Account)).all()}
        filled = [
            {"scorecard": "matrix", "band": "healthy", "loss_probability": 0.02, "plan": plans[str(r["name"])],
             "account_id": known[str(r["name"])], **{k: v for k, v in r.items() if k != "name"}}
            for r in rows
        ]  # fmt: skip
        found = update_opportunities(ctx, session, pl.DataFrame(filled), TODAY + timedelta(days=day))
        session.commit()
        return found


def strong(name: str, **changes: object) -> dict[str, object]:
    return {"name": name, **STRONG, **changes}


def stored(ctx: Context) -> list[Opportunity]:
    with ctx.session() as session:
        return list(session.exec(select(Opportunity)).all())


def test_open_opportunities_are_found_anew_each_day_and_keep_the_day_they_began(ctx: Context) -> None:
    assert offered(ctx, strong("Acme Dental"), strong("Birchwood Clinic")) == 2
    assert offered(ctx, strong("Acme Dental", limit_use=1.5), day=1) == 1
    (only,) = stored(ctx)
    assert (only.offer, only.opened_on, only.day) == ("professional", TODAY, TODAY + timedelta(days=1))
    assert json.loads(only.evidence)["limit_use"] == 1.5


def test_the_list_ranks_by_expected_revenue_and_never_adds_currencies(ctx: Context) -> None:
    offered(ctx, strong("Acme Dental"), strong("Birchwood Clinic"), strong("Dunmore Law"))
    found = find_opportunities(ctx)
    expected = [row.expected or 0 for row in found.rows]
    assert expected == sorted(expected, reverse=True)
    assert {currency for currency, _ in found.pipeline} == {"USD", "EUR"}
    assert sum(dict(found.pipeline).values()) == pytest.approx(sum(expected))
    assert [row.account for row in find_opportunities(ctx, owner="Morgan").rows] == ["Birchwood Clinic", "Dunmore Law"]
    assert find_opportunities(ctx, offer="Business plan").total == 2
    assert find_opportunities(ctx, industry="healthcare", plan="starter").total == 1
    with pytest.raises(UserError, match="There is no offer “gold plan”"):
        find_opportunities(ctx, offer="gold plan")


def test_an_account_in_trouble_is_held_back_with_the_reason_everywhere(ctx: Context) -> None:
    offered(ctx, strong("Acme Dental", open_escalations=1.0), strong("Dunmore Law"))
    assert [row.account for row in find_opportunities(ctx).rows] == ["Dunmore Law"]
    held = find_opportunities(ctx, held_back=True)
    assert [(row.account, row.held_back) for row in held.rows] == [("Acme Dental", "an escalation is open")]
    assert held.text == "I hold back: 1 account: an escalation is open."
    card = account_opportunities(ctx, "Acme Dental")
    assert card.text == "I would not propose anything to Acme Dental now: an escalation is open."
    for act in (draft_proposal, start_trial):
        with pytest.raises(UserError, match=r"I hold back .* an escalation is open"):
            act(ctx, "Acme Dental")


def test_red_bands_and_the_high_risk_segment_block(ctx: Context) -> None:
    offered(ctx, strong("Acme Dental", band="churning"), strong("Dunmore Law", loss_probability=0.75))
    held = {row.account: row.held_back for row in find_opportunities(ctx, held_back=True).rows}
    assert held == {"Acme Dental": "its health is in a red band", "Dunmore Law": "it is likely to leave"}


def with_facts(ctx: Context) -> None:
    """Enough that is true of the accounts to write to them."""
    with ctx.session() as session:
        for account in session.exec(select(Account)).all():
            account.seats_bought, account.seats_used = 10, 10
            account.limits = {"seats": 10}
            session.add(account)
        session.commit()


def test_a_proposal_is_drafted_once_with_the_accounts_own_numbers_and_marks_the_offer_when_approved(
    ctx: Context,
) -> None:
    with_facts(ctx)
    offered(ctx, strong("Acme Group", plan="business"))
    card = draft_proposal(ctx, "Acme Group", request_key="r1")
    assert draft_proposal(ctx, "Acme Group", request_key="r1").id == card.id
    assert "enterprise plan" in card.subject.lower()
    assert len(card.facts) >= 4
    approvals.approve(ctx, card.id, card.content_hash)
    assert [o.state for o in stored(ctx)] == [OpportunityState.PROPOSED]
    assert offered(ctx, strong("Acme Group", plan="business"), day=1) == 0  # it is on its way
    assert (
        settle(ctx, card.account_ids[0], "enterprise", accepted=True) == "Noted: Acme Group accepted Enterprise plan."
    )
    with pytest.raises(StaleError):
        settle(ctx, card.account_ids[0], "enterprise", accepted=False)


def test_a_refused_offer_is_not_made_again_before_its_time(ctx: Context) -> None:
    with_facts(ctx)
    offered(ctx, strong("Acme Group", plan="business"))
    card = draft_proposal(ctx, "Acme Group")
    approvals.approve(ctx, card.id, card.content_hash)
    settle(ctx, card.account_ids[0], "enterprise", accepted=False)
    assert offered(ctx, strong("Acme Group", plan="business"), day=89) == 0
    assert offered(ctx, strong("Acme Group", plan="business"), day=91) == 1


def test_a_discount_beyond_ones_own_limit_needs_a_second_person_of_the_right_role(ctx: Context) -> None:
    with_facts(ctx)
    offered(ctx, strong("Acme Group", plan="business"))
    card = draft_proposal(ctx, "Acme Group", discount=0.2)
    assert (card.approver_role, card.four_eyes) == ("approver", True)
    assert "needs a second person" in json.dumps(result_blocks(card))
    with pytest.raises(NotAllowedError, match="needs the role “approver”"):
        approvals.approve(ctx, card.id, card.content_hash)
    own = ctx.acting(Actor(ctx.actor.email, ctx.actor.name, Role.ADMIN))
    with pytest.raises(NotAllowedError, match="needs a second pair of eyes: another approver"):
        approvals.approve(own, card.id, card.content_hash)
    other = ctx.acting(replace(MORGAN, role=Role.APPROVER))
    assert approvals.approve(other, card.id, card.content_hash).state == "approved"


def test_a_discount_above_the_policy_is_refused_by_name(ctx: Context) -> None:
    with_facts(ctx)
    offered(ctx, strong("Acme Dental"))
    with pytest.raises(UserError, match="25% on Professional plan is above the policy: at most 20%"):
        draft_proposal(ctx, "Acme Dental", discount=0.25)
    with ctx.session() as session:
        assert session.exec(select(Draft)).all() == []


def test_an_offer_that_is_not_for_the_plan_is_refused(ctx: Context) -> None:
    with pytest.raises(UserError, match="Business plan is for accounts on professional; Acme Dental is on starter"):
        draft_proposal(ctx, "Acme Dental", "business plan")


def test_advice_on_a_price_names_its_reasons(ctx: Context) -> None:
    offered(ctx, strong("Acme Dental"))
    card = price_advice(ctx, "Acme Dental")
    assert card.advice is not None
    assert card.offer == "Professional plan"
    assert card.advice.list_price == pytest.approx(400 * (49 / 19 - 1))
    assert f"Margin {card.advice.margin:.0%}" in card.text


def test_offers_that_cannot_be_read_are_named_and_stop_nothing_else(ctx: Context, tmp_path: Path) -> None:
    own = tmp_path / "offers.toml"
    own.write_text(OFFERS.read_text().replace("from = 60", "from = 95"))
    broken = replace(ctx, offers_file=own)
    with pytest.raises(UserError, match="The offers cannot be read: offers"):
        find_opportunities(broken)


def test_another_workspace_sees_nothing(ctx: Context) -> None:
    offered(ctx, strong("Acme Dental"))
    with ctx.database.session("other") as session:
        assert session.exec(select(Opportunity)).all() == []


def test_growth_is_read_from_the_history_of_subscriptions(ctx: Context) -> None:
    known = ids(ctx)
    periods = [
        ("s1", "Acme Dental", "starter", 5, 95.0, 300), ("s2", "Acme Dental", "starter", 8, 152.0, 200),
        ("s3", "Acme Dental", "professional", 8, 392.0, 100), ("s4", "Acme Dental", "professional", 8, 380.0, 50),
        ("t1", "Dunmore Law", "trial", 2, 0.0, 300), ("t2", "Dunmore Law", "starter", 2, 38.0, 280),
    ]  # fmt: skip
    with ctx.session() as session:
        for key, name, plan, seats, mrr, back in periods:
            session.add(Subscription(external_id=key, account_id=known[name], plan=plan, seats=seats, mrr=mrr,
                                     start_on=ago(back)))  # fmt: skip
        session.commit()
        found = expansion_events(session).filter(
            pl.col("account_id").is_in([known["Acme Dental"], known["Dunmore Law"]])
        )
    assert sorted(found.rows()) == sorted([(known["Acme Dental"], ago(200)), (known["Acme Dental"], ago(100))])


# Trials


def started(ctx: Context) -> PremiumTrial:
    start_trial(ctx, "Acme Dental", "Premium trial")
    with ctx.session() as session:
        return session.exec(select(PremiumTrial)).one()


def test_a_trial_runs_once_and_is_measured_by_the_days_on_which_it_was_used(ctx: Context) -> None:
    trial = started(ctx)
    assert trial.ends_on == TODAY + timedelta(days=30)
    with pytest.raises(StaleError, match="running for Acme Dental already"):
        start_trial(ctx, "Acme Dental", "Premium trial")
    days = [TODAY + timedelta(days=n) for n in range(20)]
    used = pl.DataFrame({"account": ["a1"] * 20, "day": days, "features_used": [5.0] * 12 + [2.0] * 8,
                         "core_features_used": [2.0] * 20})  # fmt: skip
    ctx.usage.write("main", used)
    assert [n.kind for n in measure_trials(ctx, TODAY + timedelta(days=10))] == []
    (news,) = measure_trials(ctx, TODAY + timedelta(days=19))
    assert (news.kind, news.owner_email) == ("propose", "dana@team.example")
    assert news.trial.used_share == pytest.approx(12 / 20)
    assert measure_trials(ctx, TODAY + timedelta(days=19)) == []
    assert [n.kind for n in measure_trials(ctx, TODAY + timedelta(days=28))] == ["remind"]
    assert [n.kind for n in measure_trials(ctx, TODAY + timedelta(days=30))] == ["ended"]
    assert measure_trials(ctx, TODAY + timedelta(days=31)) == []
    assert list_trials(ctx).by_offer == (("Premium trial", 1, 0, 1),)


def test_a_trial_that_ends_in_a_larger_plan_counts_as_converted(ctx: Context) -> None:
    started(ctx)
    with ctx.session() as session:
        account = session.exec(select(Account).where(Account.name == "Acme Dental")).one()
        account.plan = "business"
        session.add(account)
        session.commit()
    assert [n.kind for n in measure_trials(ctx, TODAY + timedelta(days=5))] == ["converted"]
    assert list_trials(ctx).text.endswith("Premium trial: 1 of 1 became a purchase.")


def test_a_person_can_settle_a_trial_once(ctx: Context) -> None:
    trial = started(ctx)
    assert settle_trial(ctx, trial.id or 0, converted=True).endswith("became a purchase.")
    with pytest.raises(StaleError):
        settle_trial(ctx, trial.id or 0, converted=False)
    with ctx.session() as session:
        assert session.exec(select(PremiumTrial.state)).all() == [TrialState.CONVERTED]


def test_a_trial_that_is_none_or_not_for_the_plan_is_refused(ctx: Context) -> None:
    with pytest.raises(UserError, match="More seats is no trial"):
        start_trial(ctx, "Acme Dental", "more seats")
    with pytest.raises(UserError, match="Trials for an account on enterprise: none"):
        start_trial(ctx, "Acme Group")
    viewer = ctx.acting(replace(MORGAN, role=Role.VIEWER))
    with pytest.raises(NotAllowedError):
        start_trial(viewer, "Acme Dental")


# Time and value


def test_the_next_hours_go_where_they_are_worth_most_and_never_beyond(ctx: Context) -> None:
    offered(ctx, strong("Acme Dental"), strong("Dunmore Law"))
    found = best_hours(ctx, hours=12)
    rates = [effort.rate for effort in found.efforts]
    assert rates
    assert rates == sorted(rates, reverse=True)
    assert found.hours == sum(effort.hours for effort in found.efforts) <= 12
    assert len({effort.account_id for effort in found.efforts}) == len(found.efforts)
    assert {effort.kind for effort in best_hours(ctx, hours=100).efforts} == {"keep", "grow"}
    assert best_hours(ctx, hours=0).efforts == ()


@pytest.mark.parametrize(
    "ask",
    [find_opportunities, lambda ctx: account_opportunities(ctx, "Acme Dental"), best_hours, list_trials,
     lambda ctx: price_advice(ctx, "Acme Dental"), lambda ctx: account_opportunities(ctx, "Granite Bank"),
     lambda ctx: find_opportunities(ctx, held_back=True)],
)  # fmt: skip
def test_every_answer_keeps_to_slacks_limits(ctx: Context, ask: Callable) -> None:
    offered(ctx, strong("Acme Dental"), strong("Dunmore Law", open_escalations=1.0))
    started(ctx)
    message_blocks(result_blocks(ask(ctx)))
