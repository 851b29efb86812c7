"""The imports between the rooms point one way, nothing heavy loads at start, and every table has an owner."""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import SQLModel

import storage.models
from storage.models import WorkspaceRow

REPO = Path(__file__).parents[1]
ARROWS = {
    "bot": {"bot", "tools", "scoring", "knowledge", "storage"},
    "tools": {"tools", "scoring", "knowledge", "storage"},
    "scoring": {"scoring"},
    "knowledge": {"knowledge"},
    "storage": {"storage"},
}
ONLY_IN_BOT = {"slack_bolt", "slack_sdk", "langchain", "langchain_core", "langchain_openai", "langgraph", "apscheduler"}
HEAVY = ("langchain", "langchain_core", "langgraph", "chromadb", "sklearn", "ibis", "duckdb", "openai", "model2vec")
NOT_OWNED_BY_A_WORKSPACE = {"workspace", "slack_installation"}  # the workspaces themselves, and how they came


def module_name(file: Path) -> str:
    parts = file.relative_to(REPO).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(file): file for room in ARROWS for file in sorted((REPO / room).rglob("*.py"))}


def imported(name: str) -> Iterator[str]:
    """Yield the full name of everything that a module imports, inside functions too, but not for types only."""
    tree = ast.parse(MODULES[name].read_text())
    for_types = {id(part) for node in ast.walk(tree) if is_for_types(node) for part in ast.walk(node)}
    package = name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(part for part in (base, node.module) if part)
            yield from (f"{source}.{alias.name}" for alias in node.names)


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def our_module(name: str) -> str | None:
    """The module of ours that an imported name is, or is part of."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name or None


def test_the_reading_of_imports_sees_what_there_is() -> None:
    assert len(MODULES) > 60
    assert "storage.database" in {our_module(name) for name in imported("bot.app")}
    assert "bot.oauth" in {our_module(name) for name in imported("bot.app")}  # imported inside a function
    assert "bot.local.store" in {our_module(name) for name in imported("bot.local.mailbox")}  # relative
    assert "bot.app" not in {our_module(name) for name in imported("bot.jobs")}  # for types only


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_from_the_rooms_below_it(name: str) -> None:
    rooms = {found.split(".")[0] for found in imported(name)} & set(ARROWS)
    assert rooms <= ARROWS[name.split(".")[0]]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith("bot")])
def test_only_the_bot_knows_slack_the_agent_and_the_schedule(name: str) -> None:
    assert {found.split(".")[0] for found in imported(name)} & ONLY_IN_BOT == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {name: {our_module(found) for found in imported(name)} - {name, None} for name in MODULES}
    for name, needs in graph.items():  # a package's own face may gather its modules
        needs.difference_update({package for package in needs if name.startswith(f"{package}.")})
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, naming the circle


def test_starting_the_command_line_and_the_app_loads_nothing_heavy() -> None:
    shown = f"print(sorted(set(sys.modules) & {set(HEAVY)!r}))"
    program = f"import sys; import bot.__main__; {shown}; import bot.app; {shown}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=REPO, check=True)
    assert done.stdout.split() == ["[]", "[]"]


def test_every_table_with_data_of_a_tenant_belongs_to_a_workspace() -> None:
    tables = set(SQLModel.metadata.tables) - NOT_OWNED_BY_A_WORKSPACE
    owned = {str(model.__tablename__) for model in subclasses(WorkspaceRow) if hasattr(model, "__table__")}
    assert tables == owned
    for name in owned:
        assert not SQLModel.metadata.tables[name].c.workspace_id.nullable


def test_nothing_unique_in_one_workspace_blocks_another() -> None:
    """A unique key of the team's own data or of a request starts with the workspace."""
    by_own_id = {"draft_id", "idempotency_key"}  # made from the primary key of a draft
    for table in SQLModel.metadata.sorted_tables:
        if table.name in NOT_OWNED_BY_A_WORKSPACE:
            continue
        unique = [[c.name for c in rule.columns] for rule in table.constraints if type(rule).__name__[0] == "U"]
        assert all(key[0] == "workspace_id" or set(key) <= by_own_id for key in unique), (table.name, unique)


def test_every_model_can_be_imported_from_one_place() -> None:
    names = {model.__name__ for model in subclasses(SQLModel) if hasattr(model, "__table__")}
    assert names <= set(storage.models.__all__)


def subclasses(base: type) -> Iterator[type]:
    for child in base.__subclasses__():
        yield child
        yield from subclasses(child)
