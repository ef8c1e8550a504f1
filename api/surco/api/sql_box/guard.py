"""What a query names, read from DuckDB's own parser before it is run: anything that is not allowed is refused.

DuckDB turns the text into a tree (`json_serialize_sql`); whatever node names a function or a table is looked up in
`allowed`. Comments, quotes, case and Unicode are thereby DuckDB's to read, and no pattern of ours has to agree with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import duckdb
import msgspec

from surco.api.refusals import InvalidError
from surco.api.sql_box.allowed import FUNCTIONS, TABLE_FUNCTIONS, TABLES

__all__ = ["Guard"]

_EXPLAIN = re.compile(r"\A\s*EXPLAIN(?:\s+ANALYZE)?\s+", re.IGNORECASE)
# A definition such as `+nadgrids=/some/file` would let PROJ open files.
_CRS = re.compile(r"\A[A-Za-z]{2,10}:[A-Za-z0-9_]{1,20}\Z")
_OF_CRS: Final = {"st_transform", "st_setcrs"}
# A name that leads to DuckDB's own catalogue wherever the expression that is called so cannot be seen.
_CATALOGUE = re.compile(r"\A(duckdb|pg|sqlite|pragma|information_schema)_|[^\w ]", re.IGNORECASE)
# Not the query's fault, or not only: whoever asks next must not be told that theirs is wrong.
_OF_PARSER: Final = (duckdb.OutOfMemoryException, duckdb.FatalException, duckdb.InternalException)
_DEEPEST = 300
_LONGEST_NAME = 80

Node = dict[str, Any]


class Guard:
    """A parser of its own, with no data behind it. One thread at a time.

    Args:
        most_bytes: longest query in UTF-8.
    """

    def __init__(self, most_bytes: int = 100_000) -> None:
        self._most_bytes = most_bytes
        self._parser = duckdb.connect(config={"threads": "1", "memory_limit": "200MB", "temp_directory": ""})

    def statement(self, query: str) -> duckdb.Statement:
        """The one statement of a query that a session may run.

        Raises:
            InvalidError: a query that is not one SELECT, DESCRIBE, SUMMARIZE or EXPLAIN of what is allowed.
            duckdb.Error: the parser itself met its end: no memory, a fault; it says nothing of later queries.
        """
        self._check_text(query)
        try:
            statements = self._parser.extract_statements(query)
        except _OF_PARSER:
            raise
        except duckdb.Error as error:
            raise InvalidError(_first_lines(error)) from error
        kinds = [statement.type for statement in statements]
        if kinds == [duckdb.StatementType.EXPLAIN] and (start := _EXPLAIN.match(query)):
            self._check(query[start.end() :])
        elif kinds == [duckdb.StatementType.SELECT]:
            self._check(query)
        else:
            raise InvalidError(_not_one(len(kinds), kinds[0].name if kinds else ""))
        return statements[0]

    def predicate(self, text: str) -> None:
        """Refuse a predicate of `nearest(filter := …)` that names what a query may not name.

        Raises:
            InvalidError: names it.
        """
        self._check_text(text)
        # The line break ends a comment that the text may end with.
        self._check(f"SELECT ({text}\n)")

    def _check_text(self, text: str) -> None:
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > self._most_bytes:
            raise InvalidError(
                f"Expected a query of at most {self._most_bytes:,} bytes, got {size:,}. Ask a shorter question."
            )
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise InvalidError(
                "Expected a query of Unicode text, got NUL or half a character. Take it out of the query."
            )
        depth = _depth(text)
        if depth > _DEEPEST:
            raise InvalidError(
                f"Expected at most {_DEEPEST} brackets within each other, got {depth}. Take the query apart."
            )

    def _check(self, query: str) -> None:
        """Look at every node of the one SELECT that a text holds."""
        try:
            # A cursor that is closed holds no tree of this query while the next one is read.
            with self._parser.cursor() as parser:
                found = parser.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchone()
            tree = msgspec.json.decode(found[0] if found else "{}")
        except _OF_PARSER:
            raise
        except (duckdb.Error, msgspec.DecodeError, RecursionError) as error:
            raise InvalidError(
                "Expected a query that DuckDB can take apart, got one that it cannot. Write it more simply."
            ) from error
        if tree.get("error"):
            raise InvalidError(_of_parser(tree))
        if len(tree["statements"]) != 1:
            raise InvalidError(_not_one(len(tree["statements"]), "SELECT"))
        nodes = list(_nodes(tree["statements"][0]))
        tables = TABLES | {_cte_name(each["key"]) for each in nodes if _is_cte(each)}
        for node in nodes:
            _check_node(node, tables)


def _nodes(tree: Any) -> Iterator[Node]:
    """Every object of a tree, without recursion: a query may be as deep as DuckDB's parser lets it."""
    waiting = [tree]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield each
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


def _check_node(node: Node, tables: frozenset[str]) -> None:
    if node.get("type") == "TABLE_FUNCTION":
        _check_function(node["function"], TABLE_FUNCTIONS)
    elif node.get("type") == "SHOW_REF":
        _check_show(node)
    elif "table_name" in node:
        _check_table(node, tables)
    elif "function_name" in node:
        # Functions after FROM were asked about with the node around them; their names are in both lists or neither.
        _check_function(node, FUNCTIONS | TABLE_FUNCTIONS)
    elif node.get("class") == "PARAMETER":
        raise InvalidError("Expected a query without parameters, got ? or $. Write the values down.")
    elif node.get("user_type_modifiers"):
        _check_crs(node["user_type_modifiers"])


def _check_function(node: Node, allowed: frozenset[str]) -> None:
    name = str(node["function_name"])
    if name.lower() not in allowed or node["catalog"] or node["schema"] not in ("", "main"):
        raise InvalidError(
            f"Expected functions of docs/sql.md and of DuckDB that only compute, got {_short(name)}(), which is not to "
            "be had here. Ask without it."
        )
    if name.lower() in _OF_CRS:
        _check_crs(node["children"][1:])


def _check_crs(nodes: list[Node]) -> None:
    """Coordinate systems are named by authority and code, in the query itself."""
    for node in nodes:
        value = node.get("value")
        text = value.get("value") if isinstance(value, dict) else value
        if node.get("class") == "CAST" and node["cast_type"].get("id") == "BOOLEAN":
            continue
        if not isinstance(text, str) or not _CRS.match(text):
            raise InvalidError(
                "Expected coordinate systems by authority and code, as 'EPSG:4326', got something else. Write it so."
            )


def _check_table(node: Node, tables: frozenset[str]) -> None:
    name, schema = str(node["table_name"]), node.get("schema_name", "")
    ours = schema in ("", "main") and not node.get("catalog_name") and not node.get("at_clause")
    # `recurring` is how a recursive expression with USING KEY names itself.
    if name.lower() in tables and (ours or schema == "recurring"):
        return
    raise InvalidError(
        f"Expected one of the tables {', '.join(sorted(TABLES))}, got {_short(name)!r}. Name one of them."
    )


def _check_show(node: Node) -> None:
    if node["query"] is None and node["table_name"] != '"tables"':
        raise InvalidError(
            f"Expected SHOW TABLES or DESCRIBE of a table or query, got {_short(node['table_name'])}. Ask for these."
        )


def _is_cte(node: Node) -> bool:
    """Whether it is an entry of a WITH clause: a name and the query that it stands for."""
    return "key" in node and isinstance(node.get("value"), dict) and "query" in node["value"]


def _cte_name(name: str) -> str:
    """A name given by WITH, which must not be one that leads elsewhere where the WITH does not reach."""
    if _CATALOGUE.search(name):
        raise InvalidError(
            f"Expected names in WITH of letters, digits and _, none of DuckDB's own, got {_short(name)!r}. Choose "
            "another."
        )
    return name.lower()


def _of_parser(tree: Node) -> str:
    message = str(tree.get("error_message", ""))
    if "Only SELECT" in message:
        return (
            "Expected one SELECT, DESCRIBE, SUMMARIZE or EXPLAIN, got another statement. The store is only read here; "
            "give PIVOT its columns with IN (…)."
        )
    return f"Expected SQL, got what DuckDB cannot read: {message}. Correct it."


def _not_one(count: int, kind: str) -> str:
    came = f"{count} statements" if count != 1 else f"{kind.replace('_', ' ')}"
    return (
        f"Expected one SELECT, DESCRIBE, SUMMARIZE or EXPLAIN, got {came}. The store is only read here; ask one "
        "question at a time, and give PIVOT its columns with IN (…)."
    )


def _depth(text: str) -> int:
    """Most brackets that are open at once; those in quotes count, which only makes it stricter."""
    depth = most = 0
    for letter in text:
        if letter in "([{":
            depth += 1
            most = max(most, depth)
        elif letter in ")]}":
            depth -= 1
    return most


def _first_lines(error: duckdb.Error) -> str:
    return f"Expected SQL, got what DuckDB cannot read. DuckDB says: {str(error)[:2000]}"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
