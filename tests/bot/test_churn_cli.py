"""The commands of the churn model, on accounts of which half have left."""

import json

import pytest
from typer.testing import CliRunner

from bot import churn_cli
from bot.__main__ import cli
from bot.runtime import Core
from scoring.churn import training
from tools.errors import UserError

run = CliRunner()


@pytest.fixture
def office(left: Core, monkeypatch: pytest.MonkeyPatch) -> Core:
    monkeypatch.setattr(churn_cli, "core", lambda: left)
    monkeypatch.setattr(training, "FEWEST_LOST", 10)  # so few accounts are enough here
    return left


def test_horizons_are_read_as_people_write_them() -> None:
    assert churn_cli.parse_horizons("30, 31-60,90") == [(0, 30), (30, 60), (0, 90)]


@pytest.mark.parametrize("text", ["", "soon", "60-31", "0", "30,,60", "721", "-30", "30-"])
def test_a_horizon_that_is_none_is_named(text: str) -> None:
    with pytest.raises(UserError, match="I cannot read the horizon"):
        churn_cli.parse_horizons(text)


def test_train_back_test_and_versions_from_the_command_line(office: Core) -> None:
    assert "There is no churn model yet" in run.invoke(cli, ["models"]).stdout
    trained = json.loads(run.invoke(cli, ["train", "--json"]).stdout)
    assert (trained["version"], trained["adopted"]) == (1, True)
    listed = json.loads(run.invoke(cli, ["models", "--json"]).stdout)["models"]
    assert [(model["number"], model["state"]) for model in listed] == [(1, "champion")]
    assert "model" not in listed[0]
    shown = run.invoke(cli, ["backtest", "--horizon", "30,31-60"])
    assert shown.exit_code == 0, shown.output
    for word in ("model", "logistic", "health", "recency", "31–60", "nobody leaves"):
        assert word in shown.stdout
    facts = json.loads(run.invoke(cli, ["backtest", "--json"]).stdout)["facts"]
    assert {"AUC, value", "base rate"} <= {fact["measure"] for fact in facts}


def test_mistakes_are_said_in_a_sentence(office: Core) -> None:
    assert run.invoke(cli, ["models", "--use", "7"]).exit_code == 2
    assert run.invoke(cli, ["backtest", "--horizon", "soon"]).exit_code == 2
