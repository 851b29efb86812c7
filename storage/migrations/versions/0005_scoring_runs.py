"""Scores that can be made again: indicator values, the run around them, and a CSM's own judgement"""

import json

import sqlalchemy as sa
from alembic import op

import storage.models.base

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# The only scorecard that scored anything before this migration.
MATRIX_1 = json.loads(
    '{"id": "matrix", "title": "Six factors", "version": 1, "coverage_floor": 0.35, "bands": [{"name": "healthy", '
    '"from": 80.0, "colour": "green", "actions": ["expansion check", "celebrate success"]}, {"name": "at_risk", '
    '"from": 60.0, "colour": "yellow", "actions": ["check-in within a week", "adoption guidance"]}, {"name": '
    '"critical", "from": 40.0, "colour": "orange", "actions": ["personal outreach within 48 hours", "review of '
    'open issues"]}, {"name": "churning", "from": 0.0, "colour": "red", "actions": ["executive outreach now", '
    '"recovery plan"]}], "factors": [{"name": "product adoption", "weight": 25.0, "indicators": [{"feature": '
    '"core_feature_share", "share": 0.7, "points": [[0.0, 0.0], [0.4, 50.0], [0.6, 70.0], [0.8, 90.0], [1.0, '
    '100.0]]}, {"feature": "days_to_first_value", "share": 0.3, "points": [[0.0, 100.0], [30.0, 90.0], [60.0, '
    '70.0], [90.0, 50.0], [365.0, 0.0]]}]}, {"name": "usage engagement", "weight": 20.0, "indicators": '
    '[{"feature": "active_days_per_week", "share": 0.5, "points": [[0.0, 0.0], [1.0, 50.0], [3.0, 70.0], [5.0, '
    '90.0], [7.0, 100.0]]}, {"feature": "minutes_per_session", "share": 0.25, "points": [[0.0, 0.0], [10.0, '
    '50.0], [15.0, 70.0], [30.0, 90.0], [60.0, 100.0]]}, {"feature": "feature_share", "share": 0.25, "points": '
    '[[0.0, 0.0], [0.25, 50.0], [0.5, 70.0], [0.75, 90.0], [1.0, 100.0]]}]}, {"name": "support interactions", '
    '"weight": 15.0, "indicators": [{"feature": "tickets_per_month", "share": 0.3, "points": [[0.0, 100.0], [2.0, '
    '90.0], [4.0, 70.0], [8.0, 50.0], [20.0, 0.0]]}, {"feature": "resolution_hours", "share": 0.2, "points": '
    '[[0.0, 100.0], [12.0, 90.0], [36.0, 70.0], [96.0, 50.0], [336.0, 0.0]]}, {"feature": '
    '"escalated_tickets_90d", "share": 0.4, "points": [[0.0, 100.0], [1.0, 49.0], [3.0, 0.0]]}, {"feature": '
    '"self_service_share", "share": 0.1, "points": [[0.0, 0.0], [0.15, 50.0], [0.3, 70.0], [0.5, 90.0], [1.0, '
    '100.0]]}]}, {"name": "business outcomes", "weight": 25.0, "indicators": [{"feature": "roi_percent", "share": '
    '0.5, "points": [[0.0, 0.0], [100.0, 50.0], [200.0, 70.0], [300.0, 90.0], [500.0, 100.0]]}, {"feature": '
    '"goal_attainment", "share": 0.5, "points": [[0.0, 0.0], [0.6, 50.0], [0.9, 70.0], [1.0, 80.0], [1.1, 90.0], '
    '[1.3, 100.0]]}]}, {"name": "relationship strength", "weight": 10.0, "indicators": [{"feature": '
    '"champion_present", "share": 0.4, "points": [[0.0, 30.0], [1.0, 100.0]]}, {"feature": "reply_rate_90d", '
    '"share": 0.3, "points": [[0.0, 0.0], [0.15, 50.0], [0.3, 70.0], [0.5, 90.0], [1.0, 100.0]]}, {"feature": '
    '"days_since_reply", "share": 0.3, "points": [[0.0, 100.0], [14.0, 90.0], [30.0, 70.0], [60.0, 50.0], [180.0, '
    '0.0]]}]}, {"name": "expansion indicators", "weight": 5.0, "indicators": [{"feature": "seat_growth_90d", '
    '"share": 1.0, "points": [[-0.5, 0.0], [-0.05, 50.0], [0.0, 70.0], [0.1, 90.0], [0.5, 100.0]]}]}]} '
)
FEATURES = [indicator["feature"] for factor in MATRIX_1["factors"] for indicator in factor["indicators"]]


def upgrade() -> None:
    op.create_index("ix_account_lower_name", "account", ["workspace_id", sa.text("lower(name)")])
    op.create_index("ix_account_lower_domain", "account", ["workspace_id", sa.text("lower(domain)")])
    op.add_column("interaction", sa.Column("replied_on", sa.Date(), nullable=True))
    op.add_column("feature_adoption", sa.Column("listed_on", sa.Date(), nullable=True))
    op.add_column("workspace", sa.Column("scorecards", sa.JSON(), nullable=True))
    op.create_table(
        "scoring_run",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("workspace_id", sa.String(length=40), nullable=False, index=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("scorecard", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("card", sa.JSON(), nullable=False),
        sa.Column("means", sa.JSON(), nullable=False),
        sa.Column("loss_rates", sa.JSON(), nullable=False),
        sa.Column("freshness", sa.JSON(), nullable=False),
        sa.Column("baselines", sa.JSON(), nullable=False),
        sa.Column("created_at", storage.models.base.UtcDateTime(), nullable=False),
        sa.UniqueConstraint("workspace_id", "scorecard", "day"),
    )
    op.create_table(
        "health_override",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("workspace_id", sa.String(length=40), nullable=False, index=True),
        sa.Column("account_id", sa.Integer(), sa.ForeignKey("account.id"), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("band", sa.String(length=20), nullable=False),
        sa.Column("note", sa.String(length=1000), nullable=False),
        sa.Column("by", sa.String(length=254), nullable=False),
        sa.Column("at", storage.models.base.UtcDateTime(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("ended_on", sa.Date(), nullable=True),
    )
    op.create_index("ix_override_account", "health_override", ["account_id", "expires_on"])
    op.add_column("snapshot", sa.Column("raw", sa.String(), nullable=True))
    _rewrite_drivers(op.get_bind())
    op.drop_column("snapshot", "drivers")


def _rewrite_drivers(connection: sa.Connection) -> None:
    """Keep of each stored driver its value; points and effects follow from it and the run."""
    snapshot = sa.table(
        "snapshot",
        sa.column("id", sa.Integer()),
        sa.column("workspace_id", sa.String()),
        sa.column("day", sa.Date()),
        sa.column("scorecard", sa.String()),
        sa.column("loss_probability", sa.Float()),
        sa.column("band", sa.String()),
        sa.column("drivers", sa.JSON()),
        sa.column("raw", sa.String()),
    )
    c = snapshot.c
    days = connection.execute(sa.select(c.workspace_id, c.day, c.scorecard).distinct()).all()
    for workspace_id, day, scorecard in days:
        mine = (c.workspace_id == workspace_id, c.day == day, c.scorecard == scorecard)
        rows = connection.execute(sa.select(c.id, c.drivers, c.band, c.loss_probability).where(*mine)).all()
        values = [
            {"row": row.id, "text": json.dumps([(row.drivers or {}).get(f, {}).get("value") for f in FEATURES])}
            for row in rows
        ]
        change = sa.update(snapshot).where(c.id == sa.bindparam("row")).values(raw=sa.bindparam("text"))
        connection.execute(change, values)
        connection.execute(sa.insert(RUN).values(_run(workspace_id, day, scorecard, rows)))


RUN = sa.table(
    "scoring_run",
    sa.column("workspace_id", sa.String()),
    sa.column("day", sa.Date()),
    sa.column("scorecard", sa.String()),
    sa.column("version", sa.Integer()),
    sa.column("card", sa.JSON()),
    sa.column("means", sa.JSON()),
    sa.column("loss_rates", sa.JSON()),
    sa.column("freshness", sa.JSON()),
    sa.column("baselines", sa.JSON()),
    sa.column("created_at", sa.DateTime()),
)


def _run(workspace_id: str, day: object, scorecard: str, rows: object) -> dict[str, object]:
    means = []
    for feature in FEATURES:
        points = [row.drivers[feature]["points"] for row in rows if feature in (row.drivers or {})]  # type: ignore[attr-defined]
        means.append(round(sum(points) / len(points), 4) if points else 0.0)
    return {
        "workspace_id": workspace_id,
        "day": day,
        "scorecard": scorecard,
        "version": 1,
        "card": MATRIX_1,
        "means": means,
        "loss_rates": {r.band: r.loss_probability for r in rows if r.band and r.loss_probability},  # type: ignore[attr-defined]
        "freshness": {},
        "baselines": {},
        "created_at": sa.func.current_timestamp(),
    }


def downgrade() -> None:
    op.add_column("snapshot", sa.Column("drivers", sa.JSON(), nullable=True))
    op.drop_column("snapshot", "raw")
    op.drop_index("ix_override_account", "health_override")
    op.drop_table("health_override")
    op.drop_table("scoring_run")
    op.drop_index("ix_account_lower_domain", "account")
    op.drop_index("ix_account_lower_name", "account")
    op.drop_column("workspace", "scorecards")
    op.drop_column("feature_adoption", "listed_on")
    op.drop_column("interaction", "replied_on")
