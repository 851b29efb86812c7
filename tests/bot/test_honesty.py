"""`/tend honesty`, `/tend simulate` and the commands of the command line, on accounts of which half have left."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bot.__main__ import cli
from bot.blocks.honesty import simulation
from bot.listeners import HANDLERS
from bot.listeners.command import HELP
from bot.listeners.honesty import REPLAYING, parse_weights
from bot.local.limits import message_blocks
from bot.runtime import Core
from bot.work import Item
from scoring.scorecard import SCORECARDS, Scorecard
from storage.models import Role
from tests.tools import leavers
from tools.context import Actor, Context
from tools.errors import NotAllowedError, UserError
from tools.simulation import simulate

CHANNEL, OWN = "C1", "D1"


@dataclass
class FakeTend:
    """Tend as far as a command needs it; what it says is kept."""

    core: Core
    role: Role = Role.CSM
    refused: str = ""
    told: list[str] = field(default_factory=list)
    posted: list[tuple[str, str, str, list[Any]]] = field(default_factory=list)

    def context(self, workspace_id: str) -> Context:
        return self.core.context(workspace_id)

    def actor(self, ctx: Context, user: str, team: str) -> Actor:
        if self.refused:
            raise NotAllowedError(self.refused)
        return Actor("dana@team.example", "Dana", self.role)

    @property
    def messenger(self) -> Any:
        client = SimpleNamespace(conversations_open=lambda users: {"channel": {"id": OWN}})
        return SimpleNamespace(client_of=lambda workspace: client, tell=self._tell, post_once=self._post)

    def _tell(self, ctx: Context, channel: str, user: str, text: str, **_: Any) -> None:
        self.told.append(text)

    def _post(self, ctx: Context, key: str, channel: str, text: str, blocks: list[Any]) -> str:
        self.posted.append((key, channel, text, blocks))
        return "1.0"


def command(tend: FakeTend, text: str) -> FakeTend:
    payload = {"team": "T1", "user": "U1", "channel": CHANNEL, "text": text, "ts": None, "thread_ts": None}
    HANDLERS["command"](tend, Item(1, "main", "command", "cmd:1", payload, 1))
    return tend


def tables(blocks: list[Any]) -> list[list[list[str]]]:
    found = [block for block in blocks if block["type"] == "data_table"]
    return [[[cell["text"] for cell in row] for row in table["rows"]] for table in found]


def test_honesty_is_announced_then_posted_to_the_person_with_the_decision_first(left: Core) -> None:
    tend = command(FakeTend(left, Role.VIEWER), "honesty")
    assert tend.told == [REPLAYING, "The result is in our messages."]
    [(key, channel, text, blocks)] = tend.posted
    assert (key, channel) == ("replayed:cmd:1", OWN)
    assert blocks[0]["text"]["text"].startswith(f"*{text.partition(' (matrix)')[0]} (matrix)")
    [rows] = tables(blocks)
    assert rows[1][0] == "Six factors *"
    assert {row[0] for row in rows[2:]} == {c.title for c in left.scorecards.cards.values() if c.id != "matrix"}
    assert len(message_blocks(blocks)) == len(blocks)  # raises what Slack would


def test_an_admin_may_simulate_other_weights(left: Core) -> None:
    text = 'simulate matrix “business outcomes”=1 "usage engagement"=44'
    tend = command(FakeTend(left, Role.ADMIN), text)
    [(_, _, said, blocks)] = tend.posted
    assert "would change band with “Six factors, changed”" in said
    now, then = blocks[1]["text"]["text"].split("\n")
    assert now.startswith("*Six factors (now)*: AUC")
    assert then.startswith("*Six factors, changed*: AUC")
    assert now.partition(":")[2] != then.partition(":")[2]
    assert len(message_blocks(blocks)) == len(blocks)  # raises what Slack would


def test_accounts_that_would_change_band_are_listed_by_revenue(left: Core) -> None:
    given = left.scorecards.cards["matrix"].model_dump(by_alias=True)
    given["bands"][0]["from"] = 97
    result = simulate(left.context(), Scorecard.model_validate(given))
    blocks = simulation(result)
    [rows] = tables(blocks)
    assert [row[0] for row in rows[1:]] == [f"Account {place}" for place in range(79, 69, -1)]
    assert f"{len(result.moves)} healthy → at risk" in blocks[0]["text"]["text"]
    assert len(message_blocks(blocks)) == len(blocks)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('simulate matrix "product adoption"=35', "The weights must sum to 100; these sum to 110"),
        ("simulate matrx", "did you mean “matrix”"),
        ("simulate matrix adoptoin=20", "no factor “adoptoin”"),
        ('simulate matrix "product adoption=35', "A quotation mark is missing its partner"),
        ("simulate matrix product adoption=35", "I cannot read “product”"),
        ("simulate matrix x=many", "I cannot read “x=many”"),
        ("simulate", "I know `/tend simulate"),
        ("simulate x=3", "I know `/tend simulate"),
    ],
)
def test_a_mistake_in_a_simulation_is_explained_before_anything_is_replayed(left: Core, text: str, said: str) -> None:
    tend = command(FakeTend(left, Role.ADMIN), text)
    assert len(tend.told) == 1
    assert said in tend.told[0]
    assert tend.posted == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.CSM, Role.APPROVER])
def test_others_than_admins_may_not_simulate(left: Core, role: Role) -> None:
    tend = command(FakeTend(left, role), "simulate matrix")
    assert ("role “admin”" in tend.told[0], tend.posted, len(tend.told)) == (True, [], 1)


def test_who_may_not_ask_is_refused_without_data(left: Core) -> None:
    tend = command(FakeTend(left, refused="Guests see nothing."), "honesty")
    assert (tend.told, tend.posted) == (["Guests see nothing."], [])


def test_weights_are_read_with_any_quotation_marks() -> None:
    read = parse_weights("matrix «product adoption»=35 usage=12.5")
    assert read == ("matrix", {"product adoption": 35, "usage": 12.5})
    with pytest.raises(UserError):
        parse_weights("matrix usage=-5")


def test_the_help_names_the_commands() -> None:
    assert "/tend honesty" in HELP
    assert "/tend simulate" in HELP


@pytest.fixture
def run(left: Core, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("DATA_DIR", str(left.settings.data_dir))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: CliRunner().invoke(cli, words)


def test_the_command_line_says_how_honest_the_scores_were(run: Callable[..., Result]) -> None:
    found = json.loads(run("honesty", "--json").stdout)
    assert {record["scorecard"] for record in found["records"]} >= {"matrix", "nine_signals"}
    assert found["facts"][0]["source"]
    shown = run("honesty")
    assert shown.exit_code == 0
    assert "matrix *" in shown.stdout
    assert found["text"].split(" (matrix)")[0] in " ".join(shown.stdout.split())


def test_the_command_line_simulates_a_file(run: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text((SCORECARDS / "matrix.toml").read_text().replace("from = 80", "from = 97"))
    found = json.loads(run("simulate", str(file), "--json").stdout)
    assert len(found["moves"]) == found["accounts"] == leavers.ACCOUNTS - leavers.LEAVERS
    assert "healthy → at risk" in run("simulate", str(file)).stdout
    file.write_text("id = ")
    refused = run("simulate", str(file))
    assert (refused.exit_code, "mine.toml" in refused.stderr) == (2, True)


def test_the_command_line_fits_adopts_and_uses_weights(run: Callable[..., Result], left: Core) -> None:
    found = json.loads(run("fit", "matrix", "--json").stdout)
    assert (found["card"]["id"], found["file"]) == ("matrix_fitted", None)
    assert not (left.settings.data_dir / "scorecards").exists()
    assert "--use matrix_fitted" in run("fit", "matrix", "--adopt").stdout
    assert "matrix_fitted" in run("scorecards").stdout
    used = json.loads(run("scorecards", "--use", "matrix_fitted", "--segment", "smb", "--json").stdout)
    assert {line["id"]: line["segments"] for line in used["lines"] if line["segments"]} == {
        "matrix": ["*"],
        "matrix_fitted": ["smb"],
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fit", "matrx"), "did you mean “matrix”"),
        (("scorecards", "--use", "matrix", "--segment", "smbs"), "did you mean “smb”"),
        (("scorecards", "--segment", "smb"), "Say which scorecard"),
    ],
)
def test_a_mistake_on_the_command_line_is_answered_in_a_sentence(
    run: Callable[..., Result], words: tuple[str, ...], said: str
) -> None:
    refused = run(*words)
    assert (refused.exit_code, said in refused.stderr) == (2, True)
