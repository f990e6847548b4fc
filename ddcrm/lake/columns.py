"""Do the columns that arrived bear what the contract needs? Told a batch, before anything is conformed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ddcrm.contracts.arrived import shown_names
from ddcrm.contracts.model import Column, Contract
from ddcrm.errors import SchemaChangedError
from ddcrm.lake.engine import Engine, literal
from ddcrm.lake.layout import LANDING_PARTITION, SYSTEM_COLUMNS


@dataclass(frozen=True)
class ColumnCheck:
    """What the batches have too little and too much: day -> columns, in the source's spelling."""

    missing: dict[str, tuple[str, ...]]
    added: dict[str, tuple[str, ...]]


def columns_by_day(engine: Engine, listing: Iterable[tuple[str, Mapping[str, str]]]) -> dict[str, tuple[str, ...]]:
    """The columns of each landed day, read from the files' footers; a day of several files has the union."""
    days = {file: partition[LANDING_PARTITION] for file, partition in listing}
    if not days:
        return {}
    files = ", ".join(literal(file) for file in days)
    rows = engine.con.execute(
        f"SELECT file_name, name FROM parquet_schema([{files}]) WHERE type IS NOT NULL"
    ).fetchall()
    found: dict[str, dict[str, None]] = {day: {} for day in days.values()}
    for file, name in rows:
        if name not in SYSTEM_COLUMNS:
            found[days[file]][name] = None
    return {day: tuple(names) for day, names in found.items()}


def needed_columns(contract: Contract) -> dict[str, bool]:
    """The source's columns that the contract reads, each with whether it must be there."""
    return {name: required for column in contract.columns for name, required in _needs(column, contract)}


def _needs(column: Column, contract: Contract) -> list[tuple[str, bool]]:
    fixed = contract.server.kind == "sql" or contract.server.format in ("csv", "parquet")
    return [(name, fixed or column.required) for name in read_columns(column) if name not in SYSTEM_COLUMNS]


def read_columns(column: Column) -> list[str]:
    """The source's columns that a column of the contract is read from."""
    return expression_columns(column.transform) if column.transform else [column.source_name]


def hidden_columns(contract: Contract) -> frozenset[str]:
    """The columns whose received texts no message may quote: personal ones, and those that read what these read."""
    read = {column.name: {name.lower() for name in read_columns(column)} for column in contract.columns}
    personal = {name for column in contract.columns if column.personal for name in read[column.name]}
    return frozenset(column.name for column in contract.columns if column.personal or read[column.name] & personal)


def expression_columns(expression: str) -> list[str]:
    """The source's columns that a transformLogic reads, each once."""
    import sqlglot
    from sqlglot import exp

    found = sqlglot.parse_one(expression, dialect="duckdb").find_all(exp.Column)
    return list(dict.fromkeys(node.name for node in found))


def check_columns(contract: Contract, arrived: Mapping[str, tuple[str, ...]], filled: Mapping[str, int]) -> ColumnCheck:
    """Compare; days without rows are not judged. Pure."""
    needed = needed_columns(contract)
    known = {name.lower() for name in (*needed, *contract.source_columns)}
    missing: dict[str, tuple[str, ...]] = {}
    added: dict[str, tuple[str, ...]] = {}
    for day in sorted(day for day in arrived if filled.get(day)):
        names = {name.lower() for name in arrived[day]}
        missing[day] = tuple(name for name, must in needed.items() if must and name.lower() not in names)
        added[day] = tuple(name for name in arrived[day] if name.lower() not in known)
    return ColumnCheck(
        {day: names for day, names in missing.items() if names},
        {day: names for day, names in added.items() if names},
    )


def raise_if_missing(contract: Contract, check: ColumnCheck, file: str | None = None) -> None:
    """Raise SchemaChangedError for the first day with missing columns, with a guess at what they are called now."""
    for day, names in check.missing.items():
        added = shown_names(check.added.get(day, ()))
        if len(names) > 1 and set(names) == {name for name, must in needed_columns(contract).items() if must}:
            added = ()  # not one column is known: it may be a line of data that stands where the header should
        guesses = [
            f"{name} may now be {' or '.join(alike)}"
            for name in names
            if (alike := difflib.get_close_matches(name, added, 3, 0.5))
        ]
        if len(names) == len(added) == 1:
            guesses = [f"{names[0]} may now be {added[0]}"]
        hint = (f"{'; '.join(guesses)}. " if guesses else "") + (
            f"The batch has landed and is not conformed. Run `ddcrm contract propose {contract.source} --batch {day}`, "
            "or have the source mended, and run the day again"
        )
        raise SchemaChangedError(
            "columns of the contract did not arrive",
            source=contract.source,
            partition=day,
            file=file,
            contract_version=contract.version,
            column=", ".join(names),
            missing=", ".join(names),
            added=", ".join(added) or None,
            hint=hint + ".",
        )
