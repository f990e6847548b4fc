"""SQL in contracts: one scalar expression a time, over known columns, the same whenever it is run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from ddcrm.contracts.document import Place
from ddcrm.contracts.odcs import suggest

if TYPE_CHECKING:
    import duckdb
    from sqlglot import exp

# What DuckDB lists as volatile or consistent only within a query, and what reads the session or the clock besides.
UNSTABLE = frozenset({
    "current_catalog", "current_connection_id", "current_database", "current_date", "current_localtime",
    "current_localtimestamp", "current_query", "current_query_id", "current_role", "current_schema",
    "current_schemas", "current_setting", "current_time", "current_timestamp", "current_transaction_id",
    "current_user", "current_version", "currval", "error", "gen_random_uuid", "get_current_time",
    "get_current_timestamp", "getenv", "getvariable", "in_search_path", "localtime", "localtimestamp", "nextval",
    "now", "rand", "random", "session_user", "setseed", "sleep_ms", "stats", "today", "transaction_timestamp",
    "txid_current", "user", "uuid", "uuidv4", "uuidv7", "version", "write_log",
})  # fmt: skip


def check_expression(place: Place, columns: Mapping[str, str], *, condition: bool = False) -> str:
    """The expression at a place in its normal spelling, without comments.

    `columns` are those that may stand in it, with their types in the engine; `condition` asks for true or false.
    Raises ContractError for what is no scalar expression, for a column that is not there, for a function that gives
    another result tomorrow, and for what the engine itself refuses.
    """
    sql = place.value if isinstance(place.value, str) else ""
    tree = _parsed(place, sql)
    _check_scalar(place, tree)
    _check_stable(place, tree)
    _check_columns(place, tree, columns)
    normal = str(tree.sql("duckdb", comments=False))
    for text in (sql, normal):  # as written: the engine's parser is stricter; and as it will run
        _check_types(place, text, columns, condition)
    return normal


def check_pattern(place: Place) -> str:
    """A regular expression that the engine can run (RE2: no look-around, no back references)."""
    import duckdb

    pattern = str(place.value)
    try:
        _engine().execute("SELECT regexp_matches('', ?)", [pattern])
    except duckdb.Error as error:
        raise place.error(f"the pattern {pattern!r} is not valid: {_first_line(error)}",
                          "Patterns are RE2's: no look-around, no back references.") from None  # fmt: skip
    return pattern


def _parsed(place: Place, sql: str) -> exp.Expr:
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        trees = sqlglot.parse(sql, dialect="duckdb")
    except SqlglotError as error:
        problem = str(error).splitlines()[0].rstrip(".")
        raise place.error(f"the SQL can't be parsed: {problem}", f"It reads: {_short(sql)}") from None
    if len(trees) != 1 or trees[0] is None:
        what = "there is no expression" if not any(trees) else "there is more than one expression"
        raise place.error(f"{what}: {_short(sql)}", "Write one SQL expression.")
    tree: exp.Expr = trees[0]
    return tree


def _check_scalar(place: Place, tree: exp.Expr) -> None:
    for node in tree.walk():
        what = _refused(node)
        if what:
            raise place.error(f"{what} can't stand in an expression over one row: {_short(node.sql('duckdb'))}",
                              "Write one SQL expression over the columns of one row.")  # fmt: skip


def _refused(node: exp.Expr) -> str | None:
    from sqlglot import exp

    kinds: tuple[tuple[Any, str], ...] = (
        ((exp.Query, exp.Exists), "a query"),
        ((exp.DDL, exp.DML, exp.Command, exp.Drop, exp.Set, exp.Pragma, exp.Use, exp.Copy, exp.Attach), "a statement"),
        (exp.Window, "a window function"),
        (exp.AggFunc, "an aggregate"),
        ((exp.Explode, exp.Unnest), "a function that gives several rows"),
        ((exp.Star, exp.Columns, exp.Alias, exp.Tuple), "more than one value, or an alias,"),
        ((exp.Placeholder, exp.Parameter), "a parameter"),
    )
    return next((what for kind, what in kinds if isinstance(node, kind)), None)


def _check_stable(place: Place, tree: exp.Expr) -> None:
    from sqlglot import exp

    for call in tree.find_all(exp.Func):
        name = call.name.lower() if isinstance(call, exp.Anonymous) else ""
        names = {name} if name else {other.lower() for other in type(call).sql_names()}
        if names & UNSTABLE or (name == "age" and len(call.expressions) == 1):
            raise place.error(f"{_short(call.sql('duckdb'))} gives another result tomorrow, or elsewhere",
                              "The same rows must always conform to the same values: use a column.")  # fmt: skip


def _check_columns(place: Place, tree: exp.Expr, columns: Iterable[str]) -> None:
    from sqlglot import exp

    known = {column.lower(): column for column in columns}
    for column in tree.find_all(exp.Column):
        if column.table:
            raise place.error(f"the column {column.sql('duckdb')} stands there with a table", "Write its name alone.")
        if column.name.lower() not in known:
            hint = (
                suggest(column.name, sorted(known.values())) or f"The columns are {', '.join(sorted(known.values()))}."
            )
            raise place.error(f"there is no column {column.name!r}", hint)


def _check_types(place: Place, sql: str, columns: Mapping[str, str], condition: bool) -> None:
    """Let the engine bind the expression: unknown functions and arguments of wrong types show here, not at night."""
    import duckdb

    typed = ", ".join(f"CAST(NULL AS {kind}) AS {_quoted(name)}" for name, kind in columns.items())
    try:
        described = _engine().execute(
            f"DESCRIBE SELECT (\n{sql}\n) AS value FROM (SELECT {typed}) WHERE (\n{sql}\n) IS NOT NULL"
        )
        kind = described.fetchall()[0][1]
    except duckdb.Error as error:
        hint = (
            "Source columns are text: cast them, as in CAST(total AS DECIMAL(18, 2)) / 100." if not condition else None
        )
        raise place.error(f"the engine refuses {_short(sql)}: {_first_line(error)}", hint) from None
    if condition and kind != "BOOLEAN":
        raise place.error(f"{_short(sql)} is a {kind}, not a condition", "Write a comparison, such as status = 'test'.")


@cache
def _connection(process: int) -> duckdb.DuckDBPyConnection:
    import duckdb

    limits: dict[str, Any] = {
        "threads": 1,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "enable_external_access": False,
    }
    return duckdb.connect(config=limits)


def _engine() -> duckdb.DuckDBPyConnection:
    """A cursor of its own for each check: threads don't share one, nor forked processes a connection."""
    return _connection(os.getpid()).cursor()


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].partition("Error: ")[2] or str(error).splitlines()[0]


def _short(sql: str) -> str:
    flat = " ".join(sql.split())
    return flat if len(flat) <= 80 else flat[:79] + "…"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
