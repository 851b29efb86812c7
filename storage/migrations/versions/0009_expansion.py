"""Opportunities with what became of them, trials of premium features, and who must approve a draft"""

import sqlalchemy as sa
from alembic import op


revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "opportunity",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("workspace_id", sa.String(length=40), nullable=False, index=True),
        sa.Column("account_id", sa.Integer(), sa.ForeignKey("account.id"), nullable=False),
        sa.Column("offer", sa.String(length=40), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.Column("low", sa.Float(), nullable=False),
        sa.Column("high", sa.Float(), nullable=False),
        sa.Column("uplift", sa.Float(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("timing", sa.String(length=20), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("blocker", sa.String(length=200), nullable=True),
        sa.Column("decided_on", sa.Date(), nullable=True),
        sa.Column("decided_by", sa.String(length=254), nullable=True),
    )
    op.create_index("ix_opportunity_account", "opportunity", ["account_id", "offer"])
    op.create_index("ix_opportunity_state", "opportunity", ["workspace_id", "state"])
    running = sa.text("state IN ('open', 'proposed')")
    op.create_index(
        "ux_opportunity_running",
        "opportunity",
        ["workspace_id", "account_id", "offer"],
        unique=True,
        sqlite_where=running,
        postgresql_where=running,
    )
    op.create_table(
        "premium_trial",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("workspace_id", sa.String(length=40), nullable=False, index=True),
        sa.Column("account_id", sa.Integer(), sa.ForeignKey("account.id"), nullable=False),
        sa.Column("offer", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("started_by", sa.String(length=254), nullable=False),
        sa.Column("used_share", sa.Float(), nullable=True),
        sa.Column("measured_on", sa.Date(), nullable=True),
        sa.Column("proposed_on", sa.Date(), nullable=True),
        sa.Column("reminded_on", sa.Date(), nullable=True),
        sa.Column("decided_on", sa.Date(), nullable=True),
        sa.Column("decided_by", sa.String(length=254), nullable=True),
    )
    going = sa.text("state = 'running'")
    op.create_index(
        "ux_trial_running",
        "premium_trial",
        ["workspace_id", "account_id", "offer"],
        unique=True,
        sqlite_where=going,
        postgresql_where=going,
    )
    op.add_column("draft", sa.Column("approver_role", sa.String(length=10), nullable=False, server_default="csm"))
    op.add_column("draft", sa.Column("four_eyes", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("draft", sa.Column("offer", sa.String(length=40), nullable=True))


def downgrade() -> None:
    for name in ("offer", "four_eyes", "approver_role"):
        op.drop_column("draft", name)
    op.drop_table("premium_trial")
    op.drop_table("opportunity")
