"""Indexes by which the next message is found among many that have left"""

import sqlalchemy as sa
from alembic import op


revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_outbox_next_attempt_at", "outbox")
    op.create_index("ix_outbox_due", "outbox", ["workspace_id", "next_attempt_at"])
    op.create_index("ix_outbox_lease", "outbox", ["workspace_id", "lease_until"])
    op.create_index("ix_draft_contact_id", "draft", ["contact_id"])
    waiting = "SELECT id FROM draft WHERE state = 'approved'"
    # What is over has no next attempt: it must not be walked past each time.
    op.execute(sa.text(f"UPDATE outbox SET next_attempt_at = '9999-12-31 00:00:00' WHERE draft_id NOT IN ({waiting})"))


def downgrade() -> None:
    op.drop_index("ix_draft_contact_id", "draft")
    op.drop_index("ix_outbox_lease", "outbox")
    op.drop_index("ix_outbox_due", "outbox")
    op.create_index("ix_outbox_next_attempt_at", "outbox", ["next_attempt_at"])
