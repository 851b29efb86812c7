"""Since when an account is observed: its row says nothing about the time before"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account", sa.Column("observed_on", sa.Date(), nullable=True))


def downgrade() -> None:
    op.drop_column("account", "observed_on")
