"""The audit can be read out in whole or of one draft, by admins alone, and opens no formula in a spreadsheet."""

import csv
import io
import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from storage.models import Role
from tests.tools.portfolio import DANA, TODAY, ago
from tools import approvals
from tools.audit_log import audit_lines, audit_of_draft, audit_rows
from tools.context import Context
from tools.drafts import draft_outreach
from tools.errors import NotAllowedError, UserError


@pytest.fixture
def admin(ctx: Context) -> Context:
    for subject in ("=HYPERLINK(1)", "Plain"):
        card = draft_outreach(ctx, "Acme Group", "check_in")
        approvals.edit(ctx, card.id, card.content_hash, subject, "Other, “text”\nwith a line")
    return ctx.acting(replace(DANA, role=Role.ADMIN, email="=dana@team.example"))


def test_every_change_is_there_with_the_text_before_and_after(admin: Context) -> None:
    lines = [json.loads(line) for line in audit_lines(audit_rows(admin), "jsonl")]
    assert [line["action"] for line in lines] == ["draft.edit", "draft.edit"]
    assert lines[0]["after"]["subject"] == "=HYPERLINK(1)"
    assert lines[0]["before"]["body"].startswith("Hi Cy,")
    table = list(csv.DictReader(io.StringIO("".join(audit_lines(audit_rows(admin), "csv")))))
    assert json.loads(table[1]["after"])["body"] == "Other, “text”\nwith a line"


def test_no_cell_is_a_formula(admin: Context) -> None:
    with pytest.raises(UserError, match="word"):
        approvals.reject(admin, 1, approvals.get_draft(admin, 1).content_hash, "")
    approvals.reject(admin, 1, approvals.get_draft(admin, 1).content_hash, "no")
    table = list(csv.reader(io.StringIO("".join(audit_lines(audit_rows(admin), "csv")))))
    assert table[-1][1] == "'=dana@team.example"
    assert not any(cell[:1] in "=+-@\t" for row in table for cell in row if cell)


def test_it_can_be_narrowed_to_a_draft_or_to_days(admin: Context) -> None:
    assert [row.subject for row in audit_rows(admin, subject="draft:2")] == ["draft:2"]
    assert len(list(audit_rows(admin, since=TODAY))) == 2
    assert list(audit_rows(admin, since=ago(-1))) == []


def test_a_draft_in_short(admin: Context) -> None:
    assert audit_of_draft(admin, "2") == "*Draft 2*: 1 entry\n• 4 May 2026 09:00 UTC · dana@team.example · edit"
    assert audit_of_draft(admin, "99") == "Nothing is recorded of draft 99."
    with pytest.raises(UserError, match="/tend audit 12"):
        audit_of_draft(admin, "Acme")


def test_only_an_admin_may_read_it(ctx: Context) -> None:
    with pytest.raises(NotAllowedError, match="admin"):
        audit_of_draft(ctx, "1")


def test_the_command_line_writes_it(admin: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    from bot.__main__ import cli

    folder = admin.database.engine.url.database.rpartition("/")[0]  # type: ignore[union-attr]
    monkeypatch.setenv("DATA_DIR", folder)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{folder}/tend.db")
    done = CliRunner().invoke(cli, ["audit", "export", "--subject", "draft:1", "--since", "2026-05-04"])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[0] == "at,actor,action,subject,before,after"
    assert "draft:1" in done.output
    assert "draft:2" not in done.output
