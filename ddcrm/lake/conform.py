"""Conforming: landed text becomes typed rows under canonical names, in one pass of the engine.

Every landed row ends in exactly one place: conformed, quarantined (with reasons), excluded (by a rule of the contract)
or duplicate (an older line with the same key in the same batch). The SQL is built here; `candidates.py` runs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from ddcrm.contracts.entities import ENTITIES
from ddcrm.contracts.kinds import a_kind
from ddcrm.contracts.model import Column, Contract
from ddcrm.lake.casts import Cast, missing_text, plain_cast, sql_type, transform_cast
from ddcrm.lake.columns import hidden_columns, read_columns
from ddcrm.lake.engine import literal, quoted
from ddcrm.lake.layout import LANDING_PARTITION, SYSTEM_COLUMNS

_SHOWN = 60  # characters of an offending value that a reason quotes


def output_columns(contract: Contract) -> dict[str, str]:
    """The conformed columns and their canonical types: the entity's in their order, then the contract's extras."""
    columns = dict(ENTITIES[contract.entity].columns)
    columns.update({column.name: column.type for column in contract.columns})
    return columns


def typed_query(contract: Contract, landed: str, columns: Sequence[str]) -> str:
    """SQL of every landed row, typed, with `_excluded` (a rule's name), `_code` and `_reasons` (NULL where accepted).

    `landed` is a FROM item, `columns` the names it has.
    """
    raw = {name.lower(): missing_text(name, contract.null_values) for name in columns if name not in SYSTEM_COLUMNS}
    raw |= {name: f"_landed.{quoted(name)}" for name in SYSTEM_COLUMNS}
    casts = {column.name: _cast(contract, column, raw) for column in contract.columns}
    absent = [(name, kind) for name, kind in output_columns(contract).items() if name not in casts]
    values = [f"{cast.value} AS {quoted(name)}" for name, cast in casts.items()]
    values += [f"CAST(NULL AS {sql_type(kind)}) AS {quoted(name)}" for name, kind in absent]
    failed = [f"{cast.failed} AS {quoted('_failed_' + name)}" for name, cast in casts.items()]
    texts = [f"{_text(column, raw)} AS {quoted('_text_' + column.name)}" for column in contract.columns]
    system = [quoted(LANDING_PARTITION), *map(quoted, SYSTEM_COLUMNS)]
    typed = f"SELECT {', '.join(system + values + failed + texts)} FROM {landed} AS _landed"
    hidden = hidden_columns(contract)
    problems = [problem for column in contract.columns for problem in _problems(column, _shown(column, hidden))]
    helpers = [quoted(prefix + column.name) for column in contract.columns for prefix in ("_failed_", "_text_")]
    verdict = f"{_excluded(contract)} AS _excluded, {_codes(problems)} AS _code, {_reasons(problems)} AS _reasons"
    return f"SELECT * EXCLUDE ({', '.join(helpers)}), {_event_date(contract)} AS event_date, {verdict} FROM ({typed})"


def _cast(contract: Contract, column: Column, raw: dict[str, str]) -> Cast:
    timezone = column.timezone or contract.timezone
    if column.transform:
        return transform_cast(column, raw, timezone)
    strptime = None
    if column.format and column.type in ("date", "timestamp"):
        from ddcrm.contracts import to_strptime

        strptime = to_strptime(column.format)
    return plain_cast(column, raw[column.source_name.lower()], timezone, strptime)


def _text(column: Column, raw: Mapping[str, str]) -> str:
    """The text that the column was read from, for reasons; of an expression, the texts of all its columns."""
    names = read_columns(column)
    texts = [f"_landed.{quoted(name)}" for name in names if name.lower() in raw and name not in SYSTEM_COLUMNS]
    return f"concat_ws(', ', {', '.join(texts)})" if texts else "CAST(NULL AS VARCHAR)"


def _event_date(contract: Contract) -> str:
    event = contract.event_time
    if event is None:
        return "CAST(NULL AS DATE)"
    if event.type == "date":
        return quoted(event.name)
    return f"CAST(timezone({literal(event.timezone or contract.timezone)}, {quoted(event.name)}) AS DATE)"


def _excluded(contract: Contract) -> str:
    whens = " ".join(f"WHEN ({rule.where}) THEN {literal(rule.name)}" for rule in contract.exclude)
    return f"CASE {whens} END" if whens else "CAST(NULL AS VARCHAR)"


def _problems(column: Column, value: str) -> list[tuple[str, str, str]]:
    """(condition, code, SQL of what the reason adds) for everything that a value of the column can violate."""
    name = quoted(column.name)
    found = [(quoted("_failed_" + column.name), f"{column.name}: not {a_kind(column.type)}", value)]
    if column.required:
        found.append((f"({name} IS NULL AND NOT {quoted('_failed_' + column.name)})", f"{column.name}: missing", "''"))
    if column.enum:
        listed = ", ".join(literal(item) for item in column.enum)
        found.append((f"CAST({name} AS VARCHAR) NOT IN ({listed})", f"{column.name}: not in the enumeration", value))
    for limit, sign, word in (
        (column.minimum, "<", "below the minimum"),
        (column.maximum, ">", "above the maximum"),
    ):
        if limit is not None:
            found.append(
                (
                    f"{name} {sign} CAST({literal(str(limit))} AS {sql_type(column.type)})",
                    f"{column.name}: {word}",
                    value,
                )
            )
    if column.pattern:
        found.append(
            (
                f"NOT regexp_matches({name}, {literal(column.pattern)})",
                f"{column.name}: does not match the pattern",
                value,
            )
        )
    for size, sign, word in ((column.min_length, "<", "too short"), (column.max_length, ">", "too long")):
        if size is not None:
            found.append((f"length({name}) {sign} {int(size)}", f"{column.name}: {word}", value))
    return found


def problem_codes(contract: Contract) -> list[str]:
    """The codes of everything that a row can violate: "amount: missing"."""
    return [code for column in contract.columns for _, code, _ in _problems(column, "''")]


def _shown(column: Column, hidden: Set[str]) -> str:
    """The offending text for a reason; personal data is not repeated there (the quarantined row has it)."""
    if column.name in hidden:
        return "''"
    return f"coalesce(' (' || left({quoted('_text_' + column.name)}, {_SHOWN}) || ')', '')"


def _codes(problems: Sequence[tuple[str, str, str]]) -> str:
    return "CASE " + " ".join(f"WHEN {when} THEN {literal(code)}" for when, code, _ in problems) + " END"


def _reasons(problems: Sequence[tuple[str, str, str]]) -> str:
    parts = ", ".join(f"CASE WHEN {when} THEN {literal(code)} || {value} END" for when, code, value in problems)
    return f"nullif(concat_ws('; ', {parts}), '')"
