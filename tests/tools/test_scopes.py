"""Nothing that any tool says to a person with a narrow scope comes from an account outside of it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from bot.agent import build_lexicon
from storage.models import Account, Contact, PlayRun, Scope, Ticket, User
from tests.bot.portfolio import ACCOUNTS, DANA, PEOPLE, context
from tests.tools.arguments import needed
from tools import accounts as account_tools
from tools import approvals, overrides, play_control, proposals, trials
from tools.accounts import find_accounts
from tools.context import SYSTEM, Context
from tools.drafts import draft_outreach
from tools.errors import NotAllowedError, UnknownAccountError, UserError
from tools.facts import Result
from tools.names import name_index
from tools.portfolio import portfolio_summary
from tools.registry import TOOLS, Tool

PRODUCT = ("bot", "tools", "storage", "scoring", "knowledge")
OWN_NAMES = {row[0] for row in ACCOUNTS if row[7] == 0}
FOREIGN = [row[0] for row in ACCOUNTS if row[7] != 0]
SAY_LITTLE_HERE = {"draft_proposal", "price_advice", "account_value", "value_by_segment"}  # too young a portfolio
MORE: dict[str, Any] = {"owner": PEOPLE[1], "limit": 100, "at_risk": False, "question": "a story", "hours": 8.0}


@pytest.fixture
def dana() -> Context:
    """Dana, who sees her own accounts only."""
    return context(replace(DANA, scope=Scope.OWN))


@pytest.fixture(scope="module")
def traces() -> list[str]:
    """What would give a foreign account away: names, ids, domains, contacts' addresses, ticket ids."""
    with context(SYSTEM).session() as session:
        foreign = session.exec(select(Account).where(col(Account.name).not_in(OWN_NAMES))).all()
        ids = [account.id for account in foreign]
        people = session.exec(select(Contact).where(col(Contact.account_id).in_(ids))).all()
        tickets = session.exec(select(Ticket.external_id).where(col(Ticket.account_id).in_(ids))).all()
    assert len(foreign) == len(FOREIGN) > 15
    found = [a.name for a in foreign if not any(a.name in own for own in OWN_NAMES)]
    return [*found, *(a.external_id for a in foreign), *(str(p.email) for p in people), *tickets]


def calls(tool: Tool) -> Iterator[dict[str, Any]]:
    """Arguments that fit a tool: an account of one's own, and each option by itself."""
    least = needed(tool, "Globex", "Summit Outdoor")
    yield least
    yield from ({**least, name: value} for name, value in MORE.items() if name in tool.parameters)


def said(result: Result) -> str:
    return json.dumps(asdict(result), default=str, ensure_ascii=False)


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_no_tool_gives_away_a_foreign_account(tool: Tool, dana: Context, traces: list[str]) -> None:
    with dana.session() as session:
        own = set(session.exec(select(col(Account.id))).all())
    worked = 0
    for arguments in calls(tool):
        try:
            result = tool.function(dana, **arguments)
        except UserError as error:
            text, ids = str(error), set()
        else:
            worked += 1
            text, ids = said(result), set(result.account_ids)
        assert not [trace for trace in traces if trace in text], arguments
        assert ids <= own
    assert worked or tool.name in SAY_LITTLE_HERE, "the tool was never seen to work"


@pytest.mark.parametrize("tool", [t for t in TOOLS if "account" in t.parameters], ids=lambda tool: tool.name)
def test_a_foreign_account_is_as_unknown_as_one_that_does_not_exist(tool: Tool, dana: Context) -> None:
    def refusal(name: str) -> str:
        try:
            return said(tool.function(dana, **(needed(tool, name) | {"account": name})))
        except UserError as error:
            return str(error)

    foreign, nobody = "Quillcroft Analytics", "Wrenlock Partners"
    assert refusal(foreign) == refusal(nobody).replace(nobody, foreign)
    for way in ("P029", "quillcroft"):
        assert "Quillcroft Analytics" not in refusal(way)


def test_totals_are_of_the_scope(dana: Context) -> None:
    own = [row for row in ACCOUNTS if row[7] == 0]
    summary = portfolio_summary(dana)
    assert summary.total == find_accounts(dana).total == len(own)
    assert find_accounts(dana).arr_total == {"USD": sum(row[4] for row in own) * 12}
    assert portfolio_summary(context(DANA)).total == len(ACCOUNTS)
    assert portfolio_summary(dana, owner=PEOPLE[1]).total == 0


def test_a_team_sees_the_accounts_of_all_its_people() -> None:
    ctx = context(replace(DANA, scope=Scope.TEAM, team="north"))
    with context(SYSTEM).session() as session:
        mates = session.exec(select(User).where(col(User.name).in_(PEOPLE[:2]))).all()
        for mate in mates:
            mate.team = "north"
        session.commit()
    assert portfolio_summary(ctx).total == len([row for row in ACCOUNTS if row[7] in (0, 1)])
    assert set(build_lexicon(ctx, []).accounts.names.values()) == {row[0] for row in ACCOUNTS if row[7] in (0, 1)}


def test_names_are_kept_for_each_scope_by_itself(dana: Context) -> None:
    for _ in range(2):
        for ctx, expected in ((context(DANA), {row[0] for row in ACCOUNTS}), (dana, OWN_NAMES)):
            with ctx.session() as session:
                assert set(name_index(session, ctx.today()).names.values()) == expected


ACTS: dict[str, Callable[[Context, int], Any]] = {
    "acknowledge": account_tools.acknowledge_account,
    "snooze": lambda ctx, account: account_tools.snooze_account(ctx, account, 7),
    "override": lambda ctx, account: overrides.set_override(ctx, account, "healthy", None, "they signed", 30),
    "end of an override": overrides.end_override,
    "answer to an offer": lambda ctx, account: proposals.settle(ctx, account, "more_seats", True),
    "outreach": lambda ctx, account: draft_outreach(ctx, f"P{account - 1:03}"),
    "offer": lambda ctx, account: proposals.draft_proposal(ctx, f"P{account - 1:03}"),
    "play": lambda ctx, account: play_control.enrol(ctx, f"P{account - 1:03}", "usage_halved"),
    "trial": lambda ctx, account: trials.start_trial(ctx, f"P{account - 1:03}"),
}
OF_DRAFTS: dict[str, Callable[[Context, int], Any]] = {
    "a draft opened": approvals.get_open_draft,
    "a draft approved": lambda ctx, row: approvals.approve(ctx, row, "x"),
    "a draft rejected": lambda ctx, row: approvals.reject(ctx, row, "x", "no"),
    "a draft edited": lambda ctx, row: approvals.edit(ctx, row, "x", "s", "t"),
}
OF_RUNS: dict[str, Callable[[Context, int], Any]] = {
    "a play paused": lambda ctx, row: play_control.pause(ctx, row, "no"),
    "a play stopped": lambda ctx, row: play_control.stop_run(ctx, row, "no"),
    "a play resumed": play_control.resume,
    "a step skipped": lambda ctx, row: play_control.skip_step(ctx, row, "s", "no"),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_no_act_reaches_a_foreign_account(act: Callable[[Context, int], Any], dana: Context) -> None:
    with context(SYSTEM).session() as session:
        foreign = session.exec(select(Account).where(Account.name == "Initech")).one()
    with pytest.raises(UserError) as refused:
        act(dana, foreign.id or 0)
    assert "Initech" not in str(refused.value)


@pytest.mark.parametrize("act", OF_DRAFTS.values(), ids=OF_DRAFTS)
def test_no_act_reaches_a_draft_for_a_foreign_account(act: Callable[[Context, int], Any], dana: Context) -> None:
    draft = draft_outreach(context(SYSTEM), "Initech")
    assert approvals.get_draft(context(SYSTEM), draft.id).account == "Initech"
    with pytest.raises(UserError, match="That draft is not here"):
        act(dana, draft.id)


@pytest.mark.parametrize("act", OF_RUNS.values(), ids=OF_RUNS)
def test_no_act_reaches_a_play_of_a_foreign_account(act: Callable[[Context, int], Any], dana: Context) -> None:
    with context(SYSTEM).session() as session:
        known = session.exec(select(PlayRun.id).where(PlayRun.play == "usage_halved")).first()
    run = known or play_control.enrol(context(SYSTEM), "Initech", "usage_halved").run_id
    with pytest.raises(UserError, match="That run of a play is not here"):
        act(dana, run)


@pytest.mark.parametrize("act", [*ACTS.values(), *OF_DRAFTS.values(), *OF_RUNS.values()])
def test_a_viewer_may_not_act(act: Callable[[Context, int], Any]) -> None:
    with pytest.raises(NotAllowedError, match="“csm”"):
        act(context(replace(DANA, role=type(DANA.role).VIEWER)), 11)


def test_an_unknown_account_is_refused_in_the_same_words() -> None:
    with pytest.raises(UnknownAccountError, match="I know no account called “Initech”"):
        account_tools.account_brief(context(replace(DANA, scope=Scope.OWN)), "Initech")


def test_only_the_context_opens_sessions_of_a_workspace() -> None:
    """Whoever opened one elsewhere would open it without the asker's scope."""
    root = Path(__file__).parents[2]
    openers = [
        file.relative_to(root).as_posix()
        for room in PRODUCT
        for file in (root / room).rglob("*.py")
        if "database.session(" in file.read_text()
    ]
    assert openers == ["tools/context.py"]
