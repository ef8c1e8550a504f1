"""Counts of requests that several processes share; on SQLite they lie in a file of their own.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, which the server's log need not keep."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.create_table(
        "rates",
        sa.Column("subject", sa.String(100), primary_key=True),
        sa.Column("what", sa.String(40), primary_key=True),
        sa.Column("window", sa.BigInteger, primary_key=True),
        sa.Column("amount", sa.BigInteger, nullable=False),
        prefixes=["UNLOGGED"],
    )


def downgrade() -> None:
    """Drop it."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_table("rates")
