"""The tables of the state, as SQLAlchemy Core knows them; migrations make them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

__all__ = ["ADAPTERS", "AUDIT", "KEYS", "RATES", "STATE", "USAGE"]

STATE = MetaData()
"""All tables of the state."""

# SQLite counts rows by itself only in INTEGER columns.
_COUNTER = BigInteger().with_variant(Integer, "sqlite")

KEYS = Table(
    "keys",
    STATE,
    Column("id", String(32), primary_key=True),
    Column("hash", LargeBinary(32), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("scopes", String(200), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
)
"""API keys: the SHA-256 of each, never the key; scopes with commas between them."""

AUDIT = Table(
    "audit",
    STATE,
    Column("id", _COUNTER, primary_key=True, autoincrement=True),
    Column("at", DateTime(timezone=True), nullable=False, index=True),
    Column("key_id", String(32), index=True),
    Column("caller", String(200), nullable=False),
    Column("address", String(64), nullable=False),
    Column("action", String(100), nullable=False, index=True),
    Column("target", String(400), nullable=False),
    Column("detail", Text, nullable=False),
)
"""Every write: when, by whom, from where, what was done to what; `detail` is JSON."""

USAGE = Table(
    "usage",
    STATE,
    Column("subject", String(100), primary_key=True),
    Column("what", String(40), primary_key=True),
    Column("window", BigInteger, primary_key=True),
    Column("amount", Float, nullable=False),
)
"""What a caller has used of a quota in a window of time."""

ADAPTERS = Table(
    "adapters",
    STATE,
    Column("name", String(200), primary_key=True),
    Column("owner", String(32), index=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("label_set", String(32)),
    Column("store_version", Integer, nullable=False),
)
"""Who made an adapter of the store over HTTP; `owner` is a key's id, null for callers without one."""

RATES = Table(
    "rates",
    MetaData(),
    Column("subject", String(100), primary_key=True),
    Column("what", String(40), primary_key=True),
    Column("window", BigInteger, primary_key=True),
    Column("amount", BigInteger, nullable=False),
)
"""Requests of a caller in a window of time. Not of `STATE`: it may be lost, and lies where it holds up no write."""

Index("usage_by_window", USAGE.c.window)
