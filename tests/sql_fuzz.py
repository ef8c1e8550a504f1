# ruff: noqa: S311, S608, SIM905 - chance that can be had again, not secrets; queries are what this makes
"""Random queries for `/sql`: pieces of a grammar and bits of the attacks, put together and damaged; from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator

import sql_attacks

__all__ = ["fuzzed_queries"]

_TABLES = (
    "cells",
    "parcels",
    "labels",
    "comunas",
    "seasons",
    "models",
    "adapters",
    "parcels_latest",
    "nowhere",
)
_COLUMNS = (
    "h3",
    "id",
    "geometry",
    "embedding",
    "embedding_scale",
    "ndvi",
    "season",
    "comuna",
    "region",
    "x",
    "*",
)
_FUNCTIONS = (
    *(
        "count",
        "sum",
        "list",
        "max",
        "len",
        "repeat",
        "range",
        "upper",
        "regexp_matches",
        "md5",
        "to_json",
        "unnest",
    ),
    *(
        "list_transform",
        "map",
        "struct_pack",
        "strftime",
        "ST_Buffer",
        "ST_AsText",
        "ST_Union",
        "ST_GeomFromText",
    ),
    *(
        "h3_disk",
        "h3_children",
        "h3_parent",
        "h3_string",
        "predict",
        "cosine",
        "vector",
        "vector_of",
        "support_of",
    ),
    *("read_text", "getenv", "glob", "query", "duckdb_settings", "current_setting", "nextval", "sleep_ms"),
)
_VALUES = (
    *(
        "0",
        "1",
        "-1",
        "2147483648",
        "18446744073709551615",
        "1e308",
        "NULL",
        "''",
        "'x'",
        "'crops'",
        "'P001'",
        "true",
    ),
    *(
        "'nan'::DOUBLE",
        "[1, 2]",
        "{'a': 1}",
        "DATE '2024-05-01'",
        "INTERVAL 1 DAY",
        "'\\xff'::BLOB",
        "ST_Point(0, 0)",
    ),
)
_OPERATORS = "+ - * / % || = < > AND OR LIKE IN :: -> ->> [ ^ @>".split(" ")
_TABLE_FUNCTIONS = ("range", "nearest", "change", "unnest", "json_each", "read_csv", "glob")
_ODD = (*"\0\u200b\ufeff\u202e\u00a0'\"`;\\é🌾()", "$$", "--", "/*", "*/")


def fuzzed_queries(seed: int) -> Iterator[str]:
    """Queries without end, the same for a seed."""
    chance = random.Random(seed)
    known = (
        *sql_attacks.OURS,
        *sql_attacks.CATALOGUE,
        *sql_attacks.FILES,
        *sql_attacks.HARMLESS,
        *sql_attacks.BOMBS,
    )
    short = [each for each in known if len(each) < 400]
    while True:
        kind = chance.random()
        if kind < 0.5:
            query = _select(chance, 3)
        elif kind < 0.8:
            query = chance.choice(short)
        else:
            query = _spliced(chance, chance.choice(short), _select(chance, 2))
        for _ in range(chance.choice((0, 0, 1, 1, 2, 5))):
            query = _damaged(chance, query)
        yield query


def _select(chance: random.Random, depth: int) -> str:
    items = ", ".join(_expression(chance, depth) for _ in range(chance.randint(1, 3)))
    query = f"SELECT {items}"
    if chance.random() < 0.7:
        query += f" FROM {_source(chance, depth)}"
    for word, odds in (
        ("WHERE", 0.3),
        ("GROUP BY", 0.1),
        ("HAVING", 0.1),
        ("QUALIFY", 0.05),
        ("ORDER BY", 0.2),
    ):
        if chance.random() < odds:
            query += f" {word} {_expression(chance, depth - 1)}"
    return query + chance.choice(
        ("", "", f" LIMIT {chance.randint(0, 100)}", " UNION ALL SELECT 1", " USING SAMPLE 5")
    )


def _source(chance: random.Random, depth: int) -> str:
    kind = chance.random()
    if depth <= 0 or kind < 0.4:
        return chance.choice(_TABLES)
    if kind < 0.6:
        return f"({_select(chance, depth - 1)}) t"
    if kind < 0.75:
        arguments = ", ".join(_expression(chance, 0) for _ in range(chance.randint(0, 3)))
        return f"{chance.choice(_TABLE_FUNCTIONS)}({arguments})"
    join = chance.choice((",", "JOIN", "LEFT JOIN", "CROSS JOIN", "POSITIONAL JOIN", "ASOF JOIN"))
    return f"{_source(chance, depth - 1)} {join} {_source(chance, depth - 1)}"


def _expression(chance: random.Random, depth: int) -> str:
    kind = chance.random()
    if depth <= 0 or kind < 0.35:
        return chance.choice((chance.choice(_COLUMNS), chance.choice(_VALUES)))
    if kind < 0.7:
        arguments = ", ".join(_expression(chance, depth - 1) for _ in range(chance.randint(0, 3)))
        return f"{chance.choice(_FUNCTIONS)}({arguments})"
    if kind < 0.8:
        return f"({_select(chance, depth - 2)})"
    if kind < 0.85:
        return f"CASE WHEN {_expression(chance, depth - 1)} THEN {_expression(chance, depth - 1)} END"
    if kind < 0.9:
        return f"sum({_expression(chance, depth - 1)}) OVER (ORDER BY {_expression(chance, depth - 1)})"
    return f"{_expression(chance, depth - 1)} {chance.choice(_OPERATORS)} {_expression(chance, depth - 1)}"


def _spliced(chance: random.Random, one: str, other: str) -> str:
    return one[: chance.randint(0, len(one))] + other[chance.randint(0, len(other)) :]


def _damaged(chance: random.Random, query: str) -> str:
    """A query with one thing wrong."""
    at = chance.randint(0, len(query))
    to = min(len(query), at + chance.randint(1, 8))
    return chance.choice(
        (
            query[:at] + chance.choice(_ODD) + query[at:],
            query[:at] + query[to:],
            query[:to] + query[at:],
            query.swapcase(),
            query.replace(" ", chance.choice(("\t", "\n", "/**/", "  ")), 3),
            query.replace("1", chance.choice(("9999999999", "-1", "0", "1e30")), 1),
            f"({query})",
            f"EXPLAIN {query}",
            f"SELECT * FROM ({query}) a, ({query}) b",
            f"WITH q AS ({query}) SELECT * FROM q, q AS r",
        )
    )
