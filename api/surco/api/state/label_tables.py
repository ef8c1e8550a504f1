"""The tables of label sets; migration 0002 makes them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from surco.api.state.tables import STATE

__all__ = ["LABELS", "LABEL_COUNTS", "LABEL_HISTORY", "LABEL_SETS", "LABEL_SHARES"]

_TIME = DateTime(timezone=True)


def _set_id() -> Column[str]:
    return Column("set_id", String(32), ForeignKey("label_sets.id", ondelete="CASCADE"), primary_key=True)


LABEL_SETS = Table(
    "label_sets",
    STATE,
    Column("id", String(32), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("description", Text, nullable=False),
    Column("kind", String(10), nullable=False),
    Column("unit", String(40)),
    Column("season", String(20)),
    Column("owner", String(32), index=True),
    Column("public", Boolean, nullable=False),
    Column("contributions", String(10), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("labels", BigInteger, nullable=False),
    Column("next_number", BigInteger, nullable=False),
    Column("made_at", _TIME, nullable=False),
    Column("changed_at", _TIME, nullable=False),
)
"""Label sets: whose, of classes or values (`kind`), who reads, who adds; `revision` moves with every change in it."""

LABEL_SHARES = Table(
    "label_shares",
    STATE,
    _set_id(),
    Column("key_id", String(32), primary_key=True, index=True),
    Column("may", String(10), nullable=False),
)
"""Keys that a set is shared with, to read or to write."""

LABELS = Table(
    "labels",
    STATE,
    _set_id(),
    Column("id", String(200), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("geometry", LargeBinary, nullable=False),
    Column("west", Float, nullable=False),
    Column("south", Float, nullable=False),
    Column("east", Float, nullable=False),
    Column("north", Float, nullable=False),
    Column("class", String(200)),
    Column("value", Float),
    Column("who", String(200), nullable=False),
    Column("observed", String(40)),
    Column("source", String(200)),
    Column("confidence", Float),
    Column("season", String(20)),
    Column("note", Text),
    Column("place", String(200)),
    Column("stratum", String(200)),
    Column("inclusion_probability", Float),
    Column("arm", String(40)),
    Column("round", Integer),
    Column("rank", Integer),
    Column("made_by", String(100), nullable=False),
    Column("made_at", _TIME, nullable=False),
    Column("changed_by", String(100), nullable=False),
    Column("changed_at", _TIME, nullable=False),
)
"""Labels as they are now: WKB in longitude and latitude with its bounds, a class or a value, and who says so."""

LABEL_HISTORY = Table(
    "label_history",
    STATE,
    _set_id(),
    Column("label_id", String(200), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("action", String(10), nullable=False),
    Column("by", String(100), nullable=False),
    Column("at", _TIME, nullable=False),
    Column("body", Text, nullable=False),
)
"""Revisions that were replaced or deleted: what they said (GeoJSON), what ended them, who and when."""

LABEL_COUNTS = Table(
    "label_counts",
    STATE,
    Column("subject", String(100), primary_key=True),
    Column("labels", BigInteger, nullable=False),
)
"""Labels and kept revisions of each key or address, for its quota."""

Index("labels_by_number", LABELS.c.set_id, LABELS.c.number, unique=True)
