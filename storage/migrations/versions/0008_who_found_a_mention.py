"""Whether a pattern or a language model found a mention"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mention", sa.Column("found_by", sa.String(length=12), nullable=False, server_default="pattern"))


def downgrade() -> None:
    op.drop_column("mention", "found_by")
