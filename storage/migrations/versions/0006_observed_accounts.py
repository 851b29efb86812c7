"""Since when an account is observed: its row says nothing about the time before"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account", sa.Column("observed_on", sa.Date(), nullable=True))
    first = "SELECT DATE(MIN(at)) FROM import_run WHERE import_run.workspace_id = account.workspace_id"
    op.execute(f"UPDATE account SET observed_on = ({first})")


def downgrade() -> None:
    op.drop_column("account", "observed_on")
