"""Plays that run: versions, runs, steps, the log of decisions, and colleagues' tasks"""

import sqlalchemy as sa
from alembic import op


revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def _owned(name: str, *columns: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("workspace_id", sa.String(length=40), nullable=False, index=True),
        *columns,
    )


def upgrade() -> None:
    _owned(
        "play_version",
        sa.Column("play", sa.String(length=60), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("first_used_at", sa.DateTime(), nullable=False),
        sa.UniqueConstraint("workspace_id", "play", "hash"),
    )
    _owned(
        "play_run",
        sa.Column("account_id", sa.Integer(), sa.ForeignKey("account.id"), nullable=False),
        sa.Column("play", sa.String(length=60), nullable=False),
        sa.Column("version_id", sa.Integer(), sa.ForeignKey("play_version.id"), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("variant", sa.String(length=40), nullable=False),
        sa.Column("because", sa.String(length=400), nullable=False),
        sa.Column("started_by", sa.String(length=254), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("goal_until", sa.DateTime(), nullable=False),
        sa.Column("paused_at", sa.DateTime(), nullable=True),
        sa.Column("paused_minutes", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.Column("ended_because", sa.String(length=400), nullable=True),
        sa.Column("goal_met_on", sa.Date(), nullable=True),
    )
    is_open = sa.text("ended_at IS NULL")
    op.create_index(
        "ux_play_run_open",
        "play_run",
        ["workspace_id", "account_id", "play"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_index("ix_play_run_account", "play_run", ["account_id", "play"])
    op.create_index("ix_play_run_state", "play_run", ["workspace_id", "state"])
    _owned(
        "play_step",
        sa.Column("run_id", sa.Integer(), sa.ForeignKey("play_run.id"), nullable=False, index=True),
        sa.Column("step", sa.String(length=60), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("touchpoint", sa.Boolean(), nullable=False),
        sa.Column("due_at", sa.DateTime(), nullable=False),
        sa.Column("done_at", sa.DateTime(), nullable=True),
        sa.Column("draft_id", sa.Integer(), sa.ForeignKey("draft.id"), nullable=True),
        sa.Column("note", sa.String(length=400), nullable=True),
        sa.UniqueConstraint("workspace_id", "run_id", "step"),
    )
    op.create_index("ix_play_step_due", "play_step", ["workspace_id", "state", "due_at"])
    _owned(
        "play_decision",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("account_id", sa.Integer(), sa.ForeignKey("account.id"), nullable=False),
        sa.Column("play", sa.String(length=60), nullable=False),
        sa.Column("decision", sa.String(length=10), nullable=False),
        sa.Column("because", sa.String(length=400), nullable=False),
        sa.UniqueConstraint("workspace_id", "account_id", "play", "day", "decision", "because"),
    )
    op.create_index("ix_play_decision_account", "play_decision", ["account_id", "play"])
    _owned(
        "task",
        sa.Column("account_id", sa.Integer(), sa.ForeignKey("account.id"), nullable=False, index=True),
        sa.Column("owner_email", sa.String(length=254), nullable=True),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("text", sa.String(length=2000), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("run_id", sa.Integer(), sa.ForeignKey("play_run.id"), nullable=True, index=True),
        sa.Column("step", sa.String(length=60), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("done_at", sa.DateTime(), nullable=True),
        sa.Column("done_by", sa.String(length=254), nullable=True),
        sa.Column("note", sa.String(length=1000), nullable=True),
    )
    op.create_index("ix_task_owner", "task", ["workspace_id", "state", "owner_email"])


def downgrade() -> None:
    for name in ("task", "play_decision", "play_step", "play_run", "play_version"):
        op.drop_table(name)
