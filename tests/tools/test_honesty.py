"""The replay knows only what was known on the day, scores every card, and changes nothing by itself."""

import itertools
from datetime import timedelta

import pytest
from sqlmodel import select

from bot.runtime import Core
from scoring.scorecard import Scorecard, load_scorecard
from storage.models import Account, Audit, Role, Snapshot
from tests.tools import leavers
from tests.tools.leavers import FIRST, GAP, LEAVERS
from tools.context import Actor, Context
from tools.errors import NotAllowedError, UserError
from tools.fitting import adopt, fit_scorecard
from tools.honesty import honesty_report
from tools.replay import STEP, replay, replay_days
from tools.scorecards import card_of_id, list_scorecards, read_candidate, reweighted, score_with_choice, use_scorecard
from tools.simulation import simulate


def known(record_days: int, reach: int) -> int:
    """How many of the accounts left late enough for a score `record_days` before, if scores reach so far back."""
    return sum(FIRST + GAP * place <= reach - record_days for place in range(LEAVERS))


def test_accounts_that_fade_sixty_days_before_leaving_are_green_until_then(left: Core) -> None:
    seen: list[tuple[int, int]] = []
    report = honesty_report(left.context(), lambda done, total: seen.append((done, total)))
    days = replay_days(left.context())
    reach = (days[-1] - days[0]).days
    record = report.records[0]
    assert [(told.days, told.left, told.green, told.unscored) for told in record.before] == [
        (30, known(30, reach), 0, 0),
        (60, known(60, reach), known(60, reach), 0),
        (90, known(90, reach), known(90, reach), 0),
    ]
    assert report.text.startswith(f"Of the {known(60, reach)} accounts that left since")
    assert f"{known(60, reach)} were green 60 days before (matrix)" in report.text
    assert seen == [(n + 1, len(days)) for n in range(len(days))]
    assert {r.scorecard for r in report.records} == set(left.scorecards.cards)
    assert (report.in_use, report.days) == (("matrix",), len(days))
    assert record.lead_days is not None
    assert 0 < record.lead_days <= leavers.FADE


def test_the_figures_of_the_text_are_facts(left: Core) -> None:
    report = honesty_report(left.context())
    record = report.records[0]
    facts = {(fact.subject, fact.measure): fact.value for fact in report.facts}
    assert record.auc is not None
    assert facts[record.title, "AUC"] == record.auc.value
    assert facts[record.title, "of them green 60 days before"] == record.before[1].green
    assert facts[record.title, "median lead time"] == record.lead_days


def test_a_replayed_day_has_the_scores_that_were_stored_for_it(left: Core) -> None:
    ctx = left.context()
    days = [leavers.TODAY - timedelta(days=back) for back in (120, 30, 0)]
    [history] = replay(ctx, [ctx.scorecards.of(None)], days)
    with ctx.session() as session:
        stored = {(s.account_id, s.day): (s.value, s.band) for s in session.exec(select(Snapshot)) if s.day in days}
    assert {(a, d): (value, band) for a, d, value, band in history.iter_rows()} == stored


def test_what_happens_later_does_not_change_the_past(left: Core) -> None:
    ctx = left.context()
    day = leavers.TODAY - timedelta(days=100)
    [before] = replay(ctx, [ctx.scorecards.of(None)], [day])
    with ctx.session() as session:
        for account in session.exec(select(Account)).all():
            account.churned_on = account.churned_on or leavers.TODAY
            session.add(account)
        session.commit()
    [after] = replay(ctx, [ctx.scorecards.of(None)], [day])
    assert after.equals(before)


def test_days_are_evenly_apart_and_reach_back_as_far_as_the_facts(left: Core) -> None:
    days = replay_days(left.context())
    assert days[-1] == leavers.TODAY
    assert {(b - a).days for a, b in itertools.pairwise(days)} == {STEP}
    assert days[0] >= leavers.ago(leavers.DAYS) + timedelta(days=56)
    assert replay_days(left.context(), span=30)[0] == leavers.ago(30)


def test_with_few_losses_the_report_says_so(ctx: Context) -> None:
    report = honesty_report(ctx)
    assert report.records[0].auc is None
    assert "Too few losses to judge matrix" in report.text


def test_a_simulation_shows_who_moves_and_writes_nothing(left: Core) -> None:
    ctx = left.context()
    card = card_of_id(ctx, "matrix")
    given = card.model_dump(by_alias=True)
    given["bands"][0]["from"], given["bands"][1]["from"] = 99, 89
    harsher = Scorecard.model_validate(given)
    result = simulate(ctx, harsher)
    assert result.accounts == leavers.ACCOUNTS - LEAVERS
    assert len(result.moves) == result.accounts
    assert [move.arr for move in result.moves] == sorted((move.arr for move in result.moves), reverse=True)  # type: ignore[type-var]
    assert (result.moves[0].name, result.moves[0].arr) == ("Account 79", 179 * 12)
    assert result.counts[0][0] == "healthy"
    assert sum(number for *_, number in result.counts) == len(result.moves)
    assert result.before is not None
    assert result.after is not None
    assert result.after.before[1].green < result.before.before[1].green
    assert f"{result.accounts} of {result.accounts} accounts would change band" in result.text
    assert simulate(ctx, card).moves == ()
    assert list_scorecards(left.context()).text == "matrix scores every segment."


def test_between_cards_of_other_bands_only_a_change_of_colour_counts(left: Core) -> None:
    ctx = left.context()
    result = simulate(ctx, card_of_id(ctx, "five_dimensions"), card_of_id(ctx, "matrix"))
    assert "would change colour" in result.text
    assert not any((move.before, move.after) == ("healthy", "champion") for move in result.moves)


def test_a_card_of_one_segment_is_compared_on_that_segment(left: Core) -> None:
    use_scorecard(left.context(), "four_pillars", "smb")
    ctx = left.context()
    assert simulate(ctx, card_of_id(ctx, "four_pillars")).accounts == (leavers.ACCOUNTS - LEAVERS) // 2


def test_fitted_weights_are_adopted_as_a_file_and_only_when_asked(left: Core) -> None:
    ctx = left.context()
    folder = left.settings.data_dir / "scorecards"
    result = fit_scorecard(ctx, card_of_id(ctx, "matrix"))
    assert result.card is not None
    assert result.found is not None
    assert result.found.fitted_auc is not None
    assert result.found.fitted_auc.value > 0.9  # fading use tells who leaves
    assert sum(fitted for *_, fitted in result.weights) == pytest.approx(100)
    assert f"on {result.found.held_out_lost} losses since" in result.text
    assert not folder.exists()
    file = adopt(result, folder)
    assert load_scorecard(file) == result.card
    again = leavers.open_(left.settings.data_dir).context()
    assert card_of_id(again, "matrix_fitted") == result.card


def test_with_few_losses_nothing_is_fitted(ctx: Context) -> None:
    result = fit_scorecard(ctx, card_of_id(ctx, "matrix"))
    assert (result.card, result.weights) == (None, ())
    assert "Too few losses to fit the weights of matrix" in result.text


def test_a_chosen_scorecard_scores_its_segment_and_has_a_past_at_once(left: Core) -> None:
    said = use_scorecard(left.context(), "four_pillars", "smb")
    assert said == "“Four pillars” (four_pillars) now scores the segment smb."
    ctx = left.context()
    assert score_with_choice(ctx) > 5
    with ctx.session() as session:
        days = {s.day for s in session.exec(select(Snapshot).where(Snapshot.scorecard == "four_pillars"))}
        logged = session.exec(select(Audit).where(Audit.action == "scorecard.chosen")).one()
    assert {leavers.TODAY, leavers.ago(30)} <= days
    assert (logged.before, logged.after) == ({}, {"smb": "four_pillars"})
    use_scorecard(left.context(), "nine_signals")
    lines = {line.id: line.segments for line in list_scorecards(left.context()).lines if line.segments}
    assert lines == {"nine_signals": ("*",), "four_pillars": ("smb",)}


@pytest.mark.parametrize(
    ("scorecard", "segment", "said"),
    [
        ("matrx", None, "no scorecard “matrx”; did you mean “matrix”"),
        ("zzz", None, "there are: five_dimensions, four_pillars, matrix"),
        ("matrix", "smbb", "no segment “smbb”; did you mean “smb”"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    left: Core, scorecard: str, segment: str | None, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        use_scorecard(left.context(), scorecard, segment)


def test_only_an_admin_chooses(left: Core) -> None:
    for role in (Role.VIEWER, Role.CSM, Role.APPROVER):
        with pytest.raises(NotAllowedError):
            use_scorecard(left.context(actor=Actor("dana@team.example", "Dana", role)), "matrix")


def test_other_weights_must_name_factors_and_sum_to_100(left: Core) -> None:
    card = card_of_id(left.context(), "matrix")
    assert card.weights.sum() == pytest.approx(100)  # worked out before, and not to be kept
    made = reweighted(card, {"Product Adoption": 35, "business outcomes": 15})
    assert (made.factors[0].weight, made.title) == (35, "Six factors, changed")
    assert made.weights.tolist() == pytest.approx([i.share * f.weight for f in made.factors for i in f.indicators])
    assert made.weights[0] == pytest.approx(35 * 0.7)
    with pytest.raises(UserError, match=r"must sum to 100; these sum to 110: product adoption 35, usage"):
        reweighted(card, {"product adoption": 35})
    with pytest.raises(UserError, match=r"no factor “produkt adoption”; did you mean “product adoption”"):
        reweighted(card, {"produkt adoption": 35})
    with pytest.raises(UserError, match=r"must lie above 0"):
        reweighted(card, {"product adoption": 0, "business outcomes": 50})


def test_a_candidate_with_a_mistake_is_refused_in_a_sentence(left: Core) -> None:
    folder = left.settings.data_dir
    with pytest.raises(UserError, match=r"cannot read .*none\.toml"):
        read_candidate(folder / "none.toml")
    (folder / "bad.toml").write_text('id = "x"')
    with pytest.raises(UserError, match=r"bad\.toml"):
        read_candidate(folder / "bad.toml")
