"""Work of service businesses, and the history of what changes about an account"""

import sqlalchemy as sa
from alembic import op

from storage.models.base import Money

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Nothing older than today's values is known of the accounts that are there, so they hold since the account's start.
KEPT = "seats_bought, seats_used, renewal_on, plan, mrr, segment, limits"
FILL = (
    f"INSERT INTO account_state (workspace_id, account_id, known_on, {KEPT}) "
    f"SELECT workspace_id, id, CASE WHEN started_on > CURRENT_DATE THEN CURRENT_DATE ELSE started_on END, {KEPT} "
    "FROM account"
)


def upgrade() -> None:
    _make_service_record()
    _make_account_state()
    op.execute(FILL)


def downgrade() -> None:
    op.drop_table("account_state")
    op.drop_table("service_record")


def _make_service_record() -> None:
    op.create_table(
        "service_record",
        sa.Column("workspace_id", sa.String(length=40), nullable=False),
        sa.Column("external_id", sa.String(length=120), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("recorded_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("done_on", sa.Date(), nullable=True),
        sa.Column("cancelled_on", sa.Date(), nullable=True),
        sa.Column("no_show", sa.Boolean(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("included", sa.Integer(), nullable=True),
        sa.Column("used", sa.Integer(), nullable=True),
        sa.Column("response_hours", sa.Float(), nullable=True),
        sa.Column("satisfaction", sa.Float(), nullable=True),
        sa.Column("note", sa.String(length=400), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("workspace_id", "external_id"),
    )
    op.create_index("ix_service_account_recorded", "service_record", ["account_id", "recorded_on"])
    op.create_index("ix_service_record_workspace_id", "service_record", ["workspace_id"])


def _make_account_state() -> None:
    op.create_table(
        "account_state",
        sa.Column("workspace_id", sa.String(length=40), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("known_on", sa.Date(), nullable=False),
        sa.Column("seats_bought", sa.Integer(), nullable=True),
        sa.Column("seats_used", sa.Integer(), nullable=True),
        sa.Column("renewal_on", sa.Date(), nullable=True),
        sa.Column("plan", sa.String(length=60), nullable=True),
        sa.Column("mrr", Money, nullable=True),
        sa.Column("segment", sa.String(length=40), nullable=True),
        sa.Column("limits", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("workspace_id", "account_id", "known_on"),
    )
    op.create_index("ix_account_state_account_id", "account_state", ["account_id"])
    op.create_index("ix_account_state_workspace_id", "account_state", ["workspace_id"])
