"""Label sets, their shares, labels, history and counts.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def _set_id() -> sa.Column[str]:
    return sa.Column(
        "set_id", sa.String(32), sa.ForeignKey("label_sets.id", ondelete="CASCADE"), primary_key=True
    )


def upgrade() -> None:
    """Make the five tables."""
    op.create_table(
        "label_sets",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("unit", sa.String(40)),
        sa.Column("season", sa.String(20)),
        sa.Column("owner", sa.String(32), index=True),
        sa.Column("public", sa.Boolean, nullable=False),
        sa.Column("contributions", sa.String(10), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("labels", sa.BigInteger, nullable=False),
        sa.Column("next_number", sa.BigInteger, nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
    )
    op.create_table(
        "label_shares",
        _set_id(),
        sa.Column("key_id", sa.String(32), primary_key=True, index=True),
        sa.Column("may", sa.String(10), nullable=False),
    )
    _labels()
    op.create_table(
        "label_history",
        _set_id(),
        sa.Column("label_id", sa.String(200), primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True),
        sa.Column("action", sa.String(10), nullable=False),
        sa.Column("by", sa.String(100), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "label_counts",
        sa.Column("subject", sa.String(100), primary_key=True),
        sa.Column("labels", sa.BigInteger, nullable=False),
    )


def _labels() -> None:
    op.create_table(
        "labels",
        _set_id(),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("geometry", sa.LargeBinary, nullable=False),
        *(sa.Column(side, sa.Float, nullable=False) for side in ("west", "south", "east", "north")),
        sa.Column("class", sa.String(200)),
        sa.Column("value", sa.Float),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("observed", sa.String(40)),
        sa.Column("source", sa.String(200)),
        sa.Column("confidence", sa.Float),
        sa.Column("season", sa.String(20)),
        sa.Column("note", sa.Text),
        sa.Column("place", sa.String(200)),
        sa.Column("stratum", sa.String(200)),
        sa.Column("inclusion_probability", sa.Float),
        sa.Column("arm", sa.String(40)),
        sa.Column("round", sa.Integer),
        sa.Column("rank", sa.Integer),
        sa.Column("made_by", sa.String(100), nullable=False),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column("changed_by", sa.String(100), nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
    )
    op.create_index("labels_by_number", "labels", ["set_id", "number"], unique=True)


def downgrade() -> None:
    """Drop them."""
    for name in ("label_counts", "label_history", "labels", "label_shares", "label_sets"):
        op.drop_table(name)
