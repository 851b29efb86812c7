"""Whose accounts a colleague sees, and the team that they belong to"""

import sqlalchemy as sa
from alembic import op


revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("user", sa.Column("scope", sa.String(length=10), server_default="all", nullable=False))
    op.add_column("user", sa.Column("team", sa.String(length=60), nullable=True))
    op.create_index("ix_account_lower_owner", "account", ["workspace_id", sa.text("lower(owner_email)")])


def downgrade() -> None:
    op.drop_index("ix_account_lower_owner", table_name="account")
    op.drop_column("user", "team")
    op.drop_column("user", "scope")
