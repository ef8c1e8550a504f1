"""Keys, audit, usage, adapters.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the four tables."""
    op.create_table(
        "keys",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("hash", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("scopes", sa.String(200), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME),
        sa.Column("revoked_at", _TIME),
    )
    op.create_table(
        "audit",
        sa.Column("id", _COUNTER, primary_key=True, autoincrement=True),
        sa.Column("at", _TIME, nullable=False, index=True),
        sa.Column("key_id", sa.String(32), index=True),
        sa.Column("caller", sa.String(200), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("action", sa.String(100), nullable=False, index=True),
        sa.Column("target", sa.String(400), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_table(
        "usage",
        sa.Column("subject", sa.String(100), primary_key=True),
        sa.Column("what", sa.String(40), primary_key=True),
        sa.Column("window", sa.BigInteger, primary_key=True),
        sa.Column("amount", sa.Float, nullable=False),
    )
    op.create_index("usage_by_window", "usage", ["window"])
    op.create_table(
        "adapters",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("owner", sa.String(32), index=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("label_set", sa.String(32)),
        sa.Column("store_version", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("adapters", "usage", "audit", "keys"):
        op.drop_table(name)
