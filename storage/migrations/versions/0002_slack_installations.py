"""Slack installations of several teams"""

import sqlalchemy as sa
from alembic import op

import storage.models.base

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "slack_installation",
        sa.Column("team_id", sa.String(length=20), primary_key=True),
        sa.Column("sealed", sa.String(), nullable=False),
        sa.Column("installed_at", storage.models.base.UtcDateTime(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("slack_installation")
