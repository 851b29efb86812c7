"""The stages in which accounts are and were, and the milestones that they met"""

import sqlalchemy as sa
from alembic import op


revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stage_entry",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("workspace_id", sa.String(length=40), nullable=False, index=True),
        sa.Column("account_id", sa.Integer(), sa.ForeignKey("account.id"), nullable=False),
        sa.Column("journey", sa.String(length=40), nullable=False),
        sa.Column("stage", sa.String(length=20), nullable=False),
        sa.Column("entered_on", sa.Date(), nullable=False),
        sa.Column("left_on", sa.Date(), nullable=True),
        sa.Column("how", sa.String(length=10), nullable=False),
        sa.Column("left_how", sa.String(length=10), nullable=True),
        sa.Column("inferred", sa.Boolean(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
    )
    current = sa.text("left_on IS NULL")
    op.create_index(
        "ux_stage_entry_current",
        "stage_entry",
        ["workspace_id", "account_id", "journey"],
        unique=True,
        sqlite_where=current,
        postgresql_where=current,
    )
    op.create_index("ix_stage_entry_account", "stage_entry", ["account_id", "entered_on"])
    op.create_index("ix_stage_entry_stage", "stage_entry", ["workspace_id", "journey", "stage", "entered_on"])
    op.create_table(
        "milestone",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("workspace_id", sa.String(length=40), nullable=False, index=True),
        sa.Column("account_id", sa.Integer(), sa.ForeignKey("account.id"), nullable=False),
        sa.Column("journey", sa.String(length=40), nullable=False),
        sa.Column("milestone", sa.String(length=40), nullable=False),
        sa.Column("met_on", sa.Date(), nullable=False),
        sa.UniqueConstraint("workspace_id", "account_id", "journey", "milestone"),
    )


def downgrade() -> None:
    op.drop_table("milestone")
    op.drop_table("stage_entry")
