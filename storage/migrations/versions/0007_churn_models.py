"""Churn models with their versions, and the forecasts of each day"""

import sqlalchemy as sa
from alembic import op

import storage.models.base

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "model_version",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("workspace_id", sa.String(length=40), nullable=False, index=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("trained_at", storage.models.base.UtcDateTime(), nullable=False),
        sa.Column("data_from", sa.Date(), nullable=False),
        sa.Column("data_until", sa.Date(), nullable=False),
        sa.Column("code_version", sa.String(length=40), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("note", sa.String(length=400), nullable=True),
        sa.Column("model", sa.Text(), nullable=False),
        sa.UniqueConstraint("workspace_id", "kind", "number"),
    )
    op.create_table(
        "prediction",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("workspace_id", sa.String(length=40), nullable=False, index=True),
        sa.Column("account_id", sa.Integer(), sa.ForeignKey("account.id"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("within_30", sa.Float(), nullable=False),
        sa.Column("within_60", sa.Float(), nullable=False),
        sa.Column("within_90", sa.Float(), nullable=False),
        sa.UniqueConstraint("workspace_id", "day", "account_id"),
    )
    op.create_index("ix_prediction_account", "prediction", ["account_id", "day"])


def downgrade() -> None:
    op.drop_table("prediction")
    op.drop_table("model_version")
