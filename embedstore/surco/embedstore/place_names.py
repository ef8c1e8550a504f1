"""Names of comuna, province and region in SQL: the table `comunas`, and columns that a view computes from the code.

A join would be carried out for every row whether its columns are asked for or not (DuckDB 1.5 keeps a left join that
nobody uses); an expression over the code is dropped when unused, and is evaluated once for each code of a row group
rather than for each row.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from surco.embedstore.places import comunas

__all__ = ["create_comunas", "name_columns"]

_FOLDED = "NOCASE.NOACCENT"
"""DuckDB's collation by which 'biobio' equals 'Biobío', in filters, joins, GROUP BY and ORDER BY."""


def create_comunas(session: duckdb.DuckDBPyConnection) -> None:
    """Create the table `comunas`: cut, comuna, provincia, region and the codes of these two."""
    session.register("incoming", comunas())
    session.execute(
        "CREATE TABLE comunas (cut USMALLINT PRIMARY KEY, "
        f"comuna VARCHAR COLLATE {_FOLDED}, provincia VARCHAR COLLATE {_FOLDED}, region VARCHAR COLLATE {_FOLDED}, "
        "provincia_cut USMALLINT, region_cut USMALLINT)"
    )
    session.execute("INSERT INTO comunas BY NAME SELECT * FROM incoming")
    session.unregister("incoming")


def name_columns() -> str:
    """SQL of the columns `comuna_name`, `provincia` and `region` over a column `comuna`, null for an unknown code."""
    rows = comunas().to_pylist()
    by_province = [
        _literal({row["cut"] % 100: row["comuna"] for row in rows if row["provincia_cut"] == code})
        for code in range(max(row["provincia_cut"] for row in rows) + 1)
    ]
    names = f"'[{','.join(by_province)}]'::VARCHAR[][]"
    provinces = _literal({row["provincia_cut"]: row["provincia"] for row in rows})
    regions = _literal({row["region_cut"]: row["region"] for row in rows})
    return (
        f"({names})[comuna // 100 + 1][comuna % 100 + 1] COLLATE {_FOLDED} AS comuna_name, "
        f"('{provinces}'::VARCHAR[])[comuna // 100 + 1] COLLATE {_FOLDED} AS provincia, "
        f"('{regions}'::VARCHAR[])[comuna // 1000 + 1] COLLATE {_FOLDED} AS region"
    )


def _literal(names: Mapping[int, str]) -> str:
    """A list as DuckDB's cast reads it, inside an SQL string: the name of each number from 0 on.

    As one constant it is folded once when a query is bound; a list of 346 expressions costs milliseconds.
    """
    listed = (names.get(number) for number in range(max(names, default=-1) + 1))
    quoted = ("NULL" if name is None else '"' + name.replace("'", "''") + '"' for name in listed)
    return f"[{','.join(quoted)}]"
