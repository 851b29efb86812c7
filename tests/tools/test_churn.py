"""Training on a team's own history, and what is told of one account: forecast, reasons, what if, the record."""

import json
import re
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from sqlmodel import select

from bot import jobs
from bot.blocks import result_blocks
from bot.blocks.accounts import line
from bot.local.limits import message_blocks
from bot.runtime import Core
from scoring.churn import training
from scoring.churn.backtest import HORIZONS
from scoring.risk import load_risk
from storage.models import Account, ModelVersion, Prediction
from tests.tools import leavers
from tests.tools.leavers import LEAVERS, TODAY
from tools.accounts import find_accounts
from tools.churn import TOLD, _movable, churn_risk
from tools.errors import UserError
from tools.facts import day
from tools.forecasts import CHAMPION, RETIRED, model_versions, read_model, store_forecasts, use_version
from tools.leaving import keeping_value, who_leaves
from tools.model_card import model_card
from tools.refresh import features_on, refresh
from tools.training import backtest_report, learning_history, train

FADED = "L40"  # the first account that is still there
FORECASTS = ("within_30", "within_60", "within_90")


@contextmanager
def enough() -> Iterator[None]:
    """Let the few losses here be enough to train and judge on, to see how all of it works together."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "FEWEST_LOST", 10)
        yield


@pytest.fixture(scope="module")
def trained_folder(left_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The accounts of which half have left, with a model trained on them."""
    folder = tmp_path_factory.mktemp("trained") / "left"
    core = leavers.open_(shutil.copytree(left_folder, folder))
    with enough():
        done = train(core.context())
    assert done.adopted, done.text
    with core.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    core.database.engine.dispose()
    return folder


@pytest.fixture
def trained(trained_folder: Path, tmp_path: Path) -> Iterator[Core]:
    core = leavers.open_(shutil.copytree(trained_folder, tmp_path / "trained"))
    yield core
    core.database.engine.dispose()


def versions(core: Core) -> dict[int, str]:
    return {version.number: version.state for version in model_versions(core.context())}


def test_a_model_that_beats_chance_forecasts_the_newest_day_at_once(trained: Core) -> None:
    ctx = trained.context()
    (version,) = model_versions(ctx)
    assert (version.state, version.number, version.data_until) == (CHAMPION, 1, TODAY)
    assert version.metrics["lost"] >= 30
    with ctx.session() as session:
        told = session.exec(select(Prediction)).all()
    assert {(t.day, t.model_version) for t in told} == {(TODAY, 1)}
    assert len(told) == leavers.ACCOUNTS - LEAVERS
    assert all(0 <= t.within_30 <= t.within_60 <= t.within_90 <= 1 for t in told)


def test_lists_rank_by_the_forecast_and_not_by_the_rate_of_the_band(trained: Core) -> None:
    ctx = trained.context()
    with ctx.session() as session:
        told = {t.account_id: t.within_60 for t in session.exec(select(Prediction)).all()}
    rows = find_accounts(ctx, limit=100).rows
    assert {row.id: row.loss_probability for row in rows} == pytest.approx(told)
    risk = [row.revenue_at_risk or 0 for row in rows]
    assert risk == sorted(risk, reverse=True)


def test_forecasts_of_a_day_are_written_once_and_never_of_days_that_the_model_knows(trained: Core) -> None:
    ctx = trained.context()
    usage: Any = ctx.usage.table("main")
    with ctx.session() as session:
        table = features_on(session, usage, TODAY, measures=True)
        before = [t.model_dump() for t in session.exec(select(Prediction)).all()]
        store_forecasts(session, table.with_columns(pl.lit(1e9).alias("days_since_use")), TODAY)
        assert [t.model_dump() for t in session.exec(select(Prediction)).all()] == before
        assert store_forecasts(session, table, TODAY - timedelta(days=1)) == 0


def test_the_past_is_described_as_of_each_day_by_the_function_that_describes_today(left: Core) -> None:
    ctx = left.context()
    history = learning_history(ctx)
    usage: Any = ctx.usage.table("main")
    then = sorted(history.rows["day"].unique())[-3]
    with ctx.session() as session:
        live = features_on(session, usage, then, measures=True)
    learned = history.rows.filter(pl.col("day") == then).select(live.columns)
    assert learned.sort("account_id").equals(live.sort("account_id"))
    assert not {"churned_on", "status_changed", "churn_reason"} & set(history.rows.columns)
    assert set(history.rows["status"].unique()) == {"active"}  # that it left later is not known on the day


def test_what_only_the_future_knows_does_not_change_the_past(left: Core) -> None:
    ctx = left.context()
    before = learning_history(ctx).rows
    with ctx.session() as session:
        for account in session.exec(select(Account)).all():
            account.churn_reason = f"left {account.churned_on}"
            account.seats_used = 1 if account.churned_on else 9
            account.renewal_on = account.churned_on or TODAY + timedelta(days=300)
            session.add(account)
        session.commit()
    assert learning_history(ctx).rows.equals(before)


def test_a_forecast_is_explained_in_the_accounts_own_numbers(trained: Core) -> None:
    card = churn_risk(trained.context(), FADED)
    assert card.row is not None
    assert card.segment is not None
    assert card.segment == load_risk().of(card.within[1])
    assert card.text.startswith(f"Account 40 leaves within {TOLD} days with a probability of ")
    assert card.within == tuple(sorted(card.within))
    assert card.expected_value == pytest.approx(load_risk().expected_value(card.within[1], card.row.arr or 0))
    survived = [chance for _, chance in card.curve]
    assert survived == sorted(survived, reverse=True)
    assert card.remaining == pytest.approx((card.row.arr or 0) / 12 * sum(survived[:-1]))
    assert card.drivers
    with trained.context().session() as session:
        stored = session.exec(select(Prediction).where(Prediction.account_id == card.row.id)).one()
    assert card.within == pytest.approx([getattr(stored, name) for name in FORECASTS], abs=1e-6)


def test_what_if_only_puts_back_what_a_csm_can_move(trained: Core) -> None:
    assert _movable("usage_level")
    assert _movable("rate:sessions")
    assert not any(map(_movable, ("days_to_renewal", "tenure_days", "arr", "tickets_90d", "seats_bought")))


def test_an_account_that_left_is_said_to_have_left(trained: Core) -> None:
    card = churn_risk(trained.context(), "L0")
    assert card.within == ()
    assert card.text == f"Account 0 is no longer a customer: it left on {day(leavers.left_on(0))}."


def test_without_a_model_no_probability_is_made_up(left: Core) -> None:
    card = churn_risk(left.context(), FADED)
    assert card.within == ()
    assert card.text.startswith("There is no churn model yet, so I give no probability for Account 40.")
    assert model_card(left.context()).text.startswith("No churn model forecasts: none was trained yet")


@pytest.mark.parametrize("trained_first", [True, False])
def test_the_card_keeps_to_slacks_limits(request: pytest.FixtureRequest, trained_first: bool) -> None:
    core = request.getfixturevalue("trained" if trained_first else "left")
    blocks = result_blocks(churn_risk(core.context(), FADED))
    message_blocks(blocks)
    assert ("*Why*" in json.dumps(blocks)) == trained_first


def test_too_little_history_says_so_and_keeps_what_there_is(left: Core) -> None:
    ctx = left.context()
    with ctx.session() as session:
        for account in session.exec(select(Account)).all()[3:]:
            account.churned_on = None
            session.add(account)
        session.commit()
    done = train(ctx)
    assert not done.adopted
    assert done.text.startswith("No signal in your data yet: ")
    assert "it takes 30 losses" in done.text
    assert versions(left) == {}


def test_training_again_keeps_both_and_one_can_go_back(trained: Core) -> None:
    ctx = trained.context()
    with enough():
        assert train(ctx).version == 2
    assert versions(trained)[2] in (CHAMPION, "challenger")
    use_version(ctx, 1)
    assert [number for number, state in versions(trained).items() if state == CHAMPION] == [1]
    with pytest.raises(UserError, match=r"There is no churn model 9\. There are: 1, 2"):
        use_version(ctx, 9)


def test_a_changed_model_file_is_refused_and_scoring_goes_on(trained: Core) -> None:
    ctx = trained.context()
    with ctx.session() as session:
        version = session.exec(select(ModelVersion)).one()
        version.model = version.model.replace("0.05", "0.06", 1).replace("1", "2", 1)
        session.add(version)
        for told in session.exec(select(Prediction)).all():
            session.delete(told)
        session.commit()
        usage: Any = ctx.usage.table("main")
        assert store_forecasts(session, features_on(session, usage, TODAY, measures=True), TODAY) == 0
    with pytest.raises(UserError, match="train anew"):
        churn_risk(ctx, FADED)
    with pytest.raises(UserError, match="train anew"):
        use_version(ctx, 1)
    assert refresh(ctx).day == TODAY


def test_the_model_card_holds_old_forecasts_against_what_happened(trained: Core) -> None:
    ctx = trained.context()
    assert "not old enough yet" in model_card(ctx).text
    old = TODAY - timedelta(days=70)
    with ctx.session() as session:
        gone = session.exec(
            select(Account).where(Account.churned_on > old, Account.churned_on <= old + timedelta(60))
        ).all()  # type: ignore[operator]
        stay = session.exec(select(Account).where(Account.churned_on == None)).all()  # noqa: E711
        flagged, missed = gone[0], gone[1:]
        for account in (*gone, *stay):
            chance = 0.9 if account is flagged else 0.1
            session.add(
                Prediction(
                    account_id=account.id, day=old, model_version=1, within_30=0.0, within_60=chance, within_90=chance
                )
            )
        session.commit()
    total = len(gone) + len(stay)
    said = next(line for line in model_card(ctx).text.splitlines() if line.startswith("Of the "))
    expected = round(0.9 + 0.1 * (total - 1))
    found = re.search(
        r", (\d+) left within 60 days; it missed (\d+)\. It expected about (\d+) losses, (\d+) came", said
    )
    assert found is not None
    left, misses, stated, came = map(int, found.groups())
    assert said.startswith(f"Of the {round(0.1 * total)} accounts it flagged on")
    assert left >= 1
    assert left + misses == came == len(missed) + 1
    assert stated == expected


def test_the_model_card_names_inputs_that_have_moved_since_training(trained: Core) -> None:
    ctx = trained.context()
    calm = model_card(ctx).text.splitlines()[-1]
    model = read_model(model_versions(ctx)[0])
    with ctx.session() as session:
        table = features_on(session, ctx.usage.table("main"), TODAY, measures=True)
    usual, name = model.drift(table), "days_since_use"
    moved = table.with_columns(pl.lit(1e9).alias(name))
    assert model.drift(moved)[name] > usual[name] + 1
    assert set(model.drift(table.clear()).values()) == {0.0}
    assert "inputs" in calm


def test_the_model_in_use_stands_in_the_table_with_its_record_since_it_was_trained(trained: Core) -> None:
    ctx = trained.context()
    with enough():
        assert not any(r.forecaster == "previous" for r in backtest_report(ctx).result.records)  # no day since
        with ctx.session() as session:
            version = session.exec(select(ModelVersion)).one()
            version.data_until = TODAY - timedelta(days=150)
            session.add(version)
            session.commit()
        told = [r for r in backtest_report(ctx).result.records if r.forecaster == "previous"]
    assert {(r.first, r.last) for r in told} == set(HORIZONS)
    within = next(r for r in told if (r.first, r.last) == (0, 60))
    assert within.rows > 0
    assert within.auc is not None
    assert within.auc.value > 0.8


def test_who_leaves_adds_up_and_orders_by_probability_or_worth(trained: Core) -> None:
    ctx = trained.context()
    with ctx.session() as session:
        told = {t.account_id: t.within_60 for t in session.exec(select(Prediction)).all()}
    found = who_leaves(ctx, limit=100)
    chances = [row.loss_probability or 0 for row in found.rows]
    assert chances == sorted(told.values(), reverse=True)
    assert found.expected == pytest.approx(sum(told.values()))
    assert sum(count for _, count in found.segments) == len(told)
    assert dict(found.segments) == Counter(
        {s.name: 0 for s in load_risk().segments} | Counter(load_risk().of(chance).name for chance in told.values())
    )
    worth = [keeping_value(row) or 0 for row in who_leaves(ctx, sort="expected_value", limit=100).rows]
    assert worth == sorted(worth, reverse=True)
    message_blocks(result_blocks(found))
    nobody = who_leaves(ctx, plan="no such plan")
    assert nobody.text == "No account with a forecast meets this."
    message_blocks(result_blocks(nobody))


def test_the_weekly_job_trains_once_a_week_and_stops_when_told(left: Core, monkeypatch: pytest.MonkeyPatch) -> None:

    tend: Any = SimpleNamespace(
        settings=SimpleNamespace(train_weekly=True), schedule=SimpleNamespace(stopping=threading.Event())
    )
    ctx = left.context()
    tend.schedule.stopping.set()
    with pytest.raises(jobs.StoppedError):
        jobs.train_churn(tend, ctx)
    assert versions(left) == {}
    monkeypatch.setattr(jobs, "JOBS", ())
    tend.schedule.stopping.clear()
    with enough():
        assert jobs.run_due(tend, ctx) == ["documents", "train"]
        assert jobs.run_due(tend, ctx) == []
    assert versions(left) == {1: CHAMPION}
    assert RETIRED not in versions(left).values()


def test_a_green_account_that_is_likely_to_leave_is_at_risk(trained: Core) -> None:
    ctx = trained.context()
    green = next(row for row in find_accounts(ctx, at_risk=False, limit=100).rows if row.band == "healthy")
    with ctx.session() as session:
        told = session.exec(select(Prediction).where(Prediction.account_id == green.id)).one()
        told.within_60 = load_risk().alarming
        session.add(told)
        session.commit()
    assert green.id in {row.id for row in find_accounts(ctx, at_risk=True, limit=100).rows}
    assert green.id not in {row.id for row in find_accounts(ctx, at_risk=False, limit=100).rows}
    row = next(row for row in find_accounts(ctx, at_risk=True, limit=100).rows if row.id == green.id)
    assert "*40% likely to leave*" in line(row)
