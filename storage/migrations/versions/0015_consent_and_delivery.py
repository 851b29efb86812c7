"""Consent, suppression, what comes back, testimonials; a message's class, thread and who has it in hand"""

import sqlalchemy as sa
from alembic import op


revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("draft", sa.Column("message_class", sa.String(length=12), nullable=False, server_default="service"))
    op.add_column("draft", sa.Column("handed_to", sa.String(length=254), nullable=True))
    op.add_column("outbox", sa.Column("provider_id", sa.String(length=200), nullable=True))
    op.add_column("outbox", sa.Column("in_reply_to", sa.String(length=200), nullable=True))
    op.create_index("ix_outbox_provider_id", "outbox", ["provider_id"])
    op.create_table(
        "consent",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("workspace_id", sa.String(length=40), nullable=False, index=True),
        sa.Column("account_id", sa.Integer(), sa.ForeignKey("account.id"), nullable=False, index=True),
        sa.Column("contact_id", sa.Integer(), sa.ForeignKey("contact.id"), nullable=False),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("message_class", sa.String(length=12), nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("by", sa.String(length=254), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
    )
    op.create_index("ix_consent_contact", "consent", ["contact_id", "channel", "message_class", "at"])
    op.create_table(
        "suppression",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("workspace_id", sa.String(length=40), nullable=False, index=True),
        sa.Column("channel", sa.String(length=20), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("by", sa.String(length=254), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.UniqueConstraint("workspace_id", "channel", "address"),
    )
    op.create_table(
        "inbound",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("workspace_id", sa.String(length=40), nullable=False, index=True),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("draft_id", sa.Integer(), sa.ForeignKey("draft.id"), nullable=True),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("detail", sa.String(length=2000), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.UniqueConstraint("workspace_id", "key"),
    )
    op.create_index("ix_inbound_draft", "inbound", ["draft_id"])
    op.create_table(
        "testimonial",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("workspace_id", sa.String(length=40), nullable=False, index=True),
        sa.Column("account_id", sa.Integer(), sa.ForeignKey("account.id"), nullable=False),
        sa.Column("contact_id", sa.Integer(), sa.ForeignKey("contact.id"), nullable=False),
        sa.Column("draft_id", sa.Integer(), sa.ForeignKey("draft.id"), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("quote", sa.String(length=2000), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("may_use_name", sa.Boolean(), nullable=False),
        sa.Column("may_use_logo", sa.Boolean(), nullable=False),
        sa.Column("may_use_quote", sa.Boolean(), nullable=False),
        sa.Column("use", sa.String(length=200), nullable=False),
        sa.Column("given_at", sa.DateTime(), nullable=False),
        sa.Column("entered_by", sa.String(length=254), nullable=False),
        sa.Column("approved_by", sa.String(length=254), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(), nullable=True),
    )
    op.create_index("ix_testimonial_account", "testimonial", ["account_id", "state"])


def downgrade() -> None:
    for table in ("testimonial", "inbound", "suppression", "consent"):
        op.drop_table(table)
    op.drop_index("ix_outbox_provider_id", "outbox")
    for table, column in (("outbox", "in_reply_to"), ("outbox", "provider_id"), ("draft", "handed_to"),
                          ("draft", "message_class")):  # fmt: skip
        op.drop_column(table, column)
