"""From text to a canonical type, as SQL that never raises: the value, and whether the text could not be read.

Strict where SQL's casts are lax: '3.7' is no integer, '12.345' is no decimal(18,2), '1_000' and '1,000' are no numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddcrm.contracts.model import Column
from ddcrm.lake.engine import literal, quoted

if TYPE_CHECKING:
    from sqlglot import exp

_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")
_SQL_TYPES = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
}
_TRUE, _FALSE = ("true", "t", "1", "yes", "y"), ("false", "f", "0", "no", "n")
_ISO_DATE = r"\d{4}-\d{2}-\d{2}"
_ISO_TIME = _ISO_DATE + r"([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?"
_OFFSET = r" ?(Z|[+-]\d{2}(:?\d{2})?)"


@dataclass(frozen=True)
class Cast:
    """SQL of the typed value (NULL where it can't be read) and of the condition that it could not be read."""

    value: str
    failed: str


def sql_type(canonical: str) -> str:
    """The engine's type of a canonical one."""
    match = _DECIMAL.fullmatch(canonical)
    return f"DECIMAL({match[1]}, {match[2]})" if match else _SQL_TYPES[canonical]


def plain_cast(column: Column, text: str, timezone: str, strptime: str | None) -> Cast:
    """The cast of `text` (SQL of a VARCHAR, NULL where missing) to the column's type.

    `timezone` is the one in which timestamps without an offset are meant; `strptime` the format, None for ISO 8601.
    """
    if column.type == "string":  # a NUL can't be stored as text everywhere: such a value is not taken
        nul = f"contains({text}, chr(0))"
        return Cast(f"CASE WHEN NOT {nul} THEN {text} END", f"coalesce({nul}, false)")
    value = _reading(column.type, f"trim({text})", timezone, strptime)
    return Cast(value, f"({text} IS NOT NULL AND ({value}) IS NULL)")


def _reading(kind: str, text: str, timezone: str, strptime: str | None) -> str:
    match = _DECIMAL.fullmatch(kind)
    if match:
        return _matching(
            text,
            rf"[+-]?(\d+(\.\d{{0,{match[2]}}}0*)?|\.\d{{1,{match[2]}}}0*)",
            f"TRY_CAST({text} AS {sql_type(kind)})",
        )
    if kind == "integer":
        return _matching(text, r"[+-]?\d+(\.0+)?", f"TRY_CAST({text} AS BIGINT)")
    if kind == "double":
        return _matching(text, r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", f"TRY_CAST({text} AS DOUBLE)")
    if kind == "boolean":
        word = f"lower({text})"
        return f"CASE WHEN {word} IN {_listed(_TRUE)} THEN true WHEN {word} IN {_listed(_FALSE)} THEN false END"
    if kind == "date":
        iso = _matching(text, _ISO_DATE, f"TRY_CAST({text} AS DATE)")
        return f"CAST({_parsed(text, strptime)} AS DATE)" if strptime else iso
    return _timestamp(text, timezone, strptime)


def _timestamp(text: str, timezone: str, strptime: str | None) -> str:
    zone = literal(timezone)
    if strptime:
        parsed = _parsed(text, strptime)
        return parsed if "%z" in strptime or "%Z" in strptime else f"timezone({zone}, {parsed})"
    naive = f"WHEN regexp_full_match({text}, '{_ISO_TIME}') THEN timezone({zone}, TRY_CAST({text} AS TIMESTAMP))"
    offset = f"WHEN regexp_full_match({text}, '{_ISO_TIME}{_OFFSET}') THEN TRY_CAST({text} AS TIMESTAMP WITH TIME ZONE)"
    return f"CASE {naive} {offset} END"


def _parsed(text: str, strptime: str) -> str:
    """With an offset in the format, the letter Z may stand for it too, which DuckDB's %z does not read."""
    formats = [strptime, strptime.replace("%z", "Z")] if "%z" in strptime else [strptime]
    return f"try_strptime({text}, [{', '.join(map(literal, formats))}])"


def _matching(text: str, pattern: str, value: str) -> str:
    return f"CASE WHEN regexp_full_match({text}, '{pattern}') THEN {value} END"


def _listed(values: Sequence[str]) -> str:
    return "(" + ", ".join(literal(value) for value in values) + ")"


def missing_text(name: str, null_values: Sequence[str]) -> str:
    """SQL of a source column (of `_landed`) in which the contract's spellings of 'missing' are NULL."""
    column = f"_landed.{quoted(name)}"
    return f"CASE WHEN {column} IN {_listed(null_values)} THEN NULL ELSE {column} END" if null_values else column


def transform_cast(column: Column, raw: dict[str, str], timezone: str) -> Cast:
    """The contract's own expression, made harmless; it failed where a cast in it failed and nothing came out.

    `raw` maps a source column's name in lower case to the SQL that stands for it. A timestamp without an offset that
    the expression gives is meant in `timezone`.
    """
    import sqlglot
    from sqlglot import exp

    tree = sqlglot.parse_one(column.transform or "", dialect="duckdb").transform(lambda node: _inlined(node, raw))
    readings = [node for node in tree.find_all(exp.Cast, exp.StrToTime) if not isinstance(node, exp.TryCast)]
    failures = [
        f"({node.this.sql('duckdb')} IS NOT NULL AND {_harmless(node.copy()).sql('duckdb')} IS NULL)"
        for node in readings
        if not node.find_ancestor(exp.Case, exp.If)
    ]
    tried = f"TRY(struct_pack(v := {_harmless(tree).sql('duckdb')}))"  # NULL as a whole where the expression raised
    inner = f"struct_extract({tried}, 'v')"
    value = _as_type(inner, column.type, timezone)
    if column.type == "string":
        value = f"CASE WHEN NOT contains({value}, chr(0)) THEN {value} END"
    failures += [f"({inner} IS NOT NULL)", f"({tried} IS NULL)"]
    return Cast(value, f"({value} IS NULL AND ({' OR '.join(failures)}))")


def _as_type(inner: str, kind: str, timezone: str) -> str:
    if kind != "timestamp":
        return f"TRY_CAST({inner} AS {sql_type(kind)})"
    local = f"timezone({literal(timezone)}, TRY_CAST({inner} AS TIMESTAMP))"
    instant = f"TRY_CAST({inner} AS TIMESTAMP WITH TIME ZONE)"
    return f"CASE WHEN typeof({inner}) = 'TIMESTAMP WITH TIME ZONE' THEN {instant} ELSE {local} END"


def _inlined(node: exp.Expression, raw: dict[str, str]) -> exp.Expression:
    import sqlglot
    from sqlglot import exp

    if isinstance(node, exp.Column) and node.name.lower() in raw:
        return exp.paren(sqlglot.parse_one(raw[node.name.lower()], dialect="duckdb"), copy=False)
    return node


def _harmless(tree: exp.Expression) -> exp.Expression:
    """CAST becomes TRY_CAST and strptime try_strptime, so that a bad value gives NULL, not an error."""
    from sqlglot import exp

    def change(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Cast) and not isinstance(node, exp.TryCast):
            return exp.TryCast(this=node.this, to=node.args["to"])
        if isinstance(node, exp.StrToTime):
            return exp.Anonymous(this="try_strptime", expressions=[node.this, node.args["format"].copy()])
        return node

    return tree.transform(change)
