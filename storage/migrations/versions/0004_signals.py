"""Signals open at most once; what customers said; incidents of the data"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TWICE = (
    # The same kind, account and day twice says nothing more than once.
    "DELETE FROM signal WHERE id NOT IN "
    "(SELECT min(id) FROM signal GROUP BY workspace_id, account_id, kind, opened_on)",
    # Of several open ones the newest stays open.
    "UPDATE signal SET closed_on = opened_on WHERE closed_on IS NULL AND id NOT IN "
    "(SELECT max(id) FROM signal WHERE closed_on IS NULL GROUP BY workspace_id, account_id, kind)",
)
OPEN = sa.text("closed_on IS NULL")


def upgrade() -> None:
    for statement in TWICE:
        op.execute(statement)
    with op.batch_alter_table("signal") as table:
        table.add_column(sa.Column("severity", sa.Integer(), nullable=False, server_default="3"))
        table.create_unique_constraint("uq_signal_opened", ["workspace_id", "account_id", "kind", "opened_on"])
    with op.batch_alter_table("signal") as table:
        table.alter_column("severity", server_default=None)
    once_open("ux_signal_open", "signal", ["workspace_id", "account_id", "kind"])
    op.create_table(
        "signal_wait",
        *owned(),
        account(),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.UniqueConstraint("workspace_id", "account_id", "kind"),
    )
    op.create_table(
        "mention",
        *owned(),
        account(),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("said_on", sa.Date(), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("quote", sa.String(length=200), nullable=False),
        sa.UniqueConstraint("workspace_id", "source", "source_id", "kind"),
    )
    op.create_index("ix_mention_account", "mention", ["account_id", "said_on"])
    op.create_table(
        "data_incident",
        *owned(),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("evidence", sa.JSON(), nullable=True),
        sa.UniqueConstraint("workspace_id", "kind", "opened_on"),
    )
    once_open("ux_data_incident_open", "data_incident", ["workspace_id", "kind"])
    op.create_table(
        "bookmark",
        *owned(),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("last_id", sa.Integer(), nullable=True),
        sa.UniqueConstraint("workspace_id", "name"),
    )
    for name in ("signal_wait", "mention", "data_incident", "bookmark"):
        op.create_index(f"ix_{name}_workspace_id", name, ["workspace_id"])


def downgrade() -> None:
    for name in ("bookmark", "data_incident", "mention", "signal_wait"):
        op.drop_table(name)
    op.drop_index("ux_signal_open", "signal")
    with op.batch_alter_table("signal") as table:
        table.drop_constraint("uq_signal_opened", type_="unique")
        table.drop_column("severity")


def owned() -> list[sa.Column]:
    return [
        sa.Column("id", sa.Integer(), primary_key=True, nullable=False),
        sa.Column("workspace_id", sa.String(length=40), nullable=False),
    ]


def account() -> sa.Column:
    return sa.Column("account_id", sa.Integer(), sa.ForeignKey("account.id"), nullable=False)


def once_open(name: str, table: str, columns: list[str]) -> None:
    op.create_index(name, table, columns, unique=True, sqlite_where=OPEN, postgresql_where=OPEN)
