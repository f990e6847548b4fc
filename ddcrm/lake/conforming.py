"""Runs the SQL of conforming on the landed files of a range: rows, quarantine and counts, written below a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ddcrm import progress
from ddcrm.contracts.model import Contract
from ddcrm.errors import ContractError, LakeError
from ddcrm.lake.columns import check_columns, columns_by_day, needed_columns, raise_if_missing
from ddcrm.lake.conform import output_columns, typed_query
from ddcrm.lake.counts import DayCounts
from ddcrm.lake.delta import stage
from ddcrm.lake.engine import Engine, literal, quoted, read_parquet
from ddcrm.lake.layout import LANDING_PARTITION


def conform(
    engine: Engine, contract: Contract, listing: Sequence[tuple[str, dict[str, str]]], work: Path
) -> dict[str, Any]:
    """Conform landed files, (file, partition) each, into `work`; returns the manifest of what was written.

    Raises what `raise_if_missing` and `check_counts` raise: columns that are missing, too many rows quarantined.
    """
    landed = read_parquet([file for file, _ in listing])
    arrived = columns_by_day(engine, listing)
    filled = dict(
        engine.con.execute(f"SELECT {quoted(LANDING_PARTITION)}, count(*) FROM {landed} GROUP BY 1").fetchall()
    )
    check = check_columns(contract, arrived, filled)
    raise_if_missing(contract, check)
    columns = [row[0] for row in engine.con.execute(f"DESCRIBE SELECT * FROM {landed}").fetchall()]
    _create_typed(engine, contract, landed, columns)
    progress.point("conform.typed", source=contract.source, rows=sum(filled.values()))
    _create_losers(engine, contract)
    rows = stage(engine, _accepted(contract), work / "rows", ["source", "batch_date"], "batch_date, _source, _line")
    progress.point("conform.rows_written", source=contract.source, rows=sum(file.rows for file in rows))
    counts = _counts(engine, {partition[LANDING_PARTITION]: 0 for _, partition in listing} | filled)
    quarantine = []
    if any(each.quarantined for each in counts.values()):  # else landing need not be read again
        quarantine = stage(
            engine, _quarantined(landed, columns), work / "quarantine", [LANDING_PARTITION], "_source, _line"
        )
    check_counts(contract, counts, sum(file.rows for file in rows), sum(file.rows for file in quarantine))
    manifest = {
        "rows": [file.as_dict() for file in rows],
        "quarantine": [file.as_dict() for file in quarantine],
        "counts": {day: each.as_dict() for day, each in counts.items()},
        "newest_event": _newest_event(engine, contract),
        "added_columns": check.added,
        "columns": _runs(arrived, filled),
    }
    engine.con.execute("DROP TABLE typed_rows; DROP TABLE losing_rows")
    return manifest


def _runs(arrived: Mapping[str, tuple[str, ...]], filled: Mapping[str, int]) -> dict[str, tuple[str, ...]]:
    """The columns that arrived, in their order, said on the first day and wherever they change; empty days say none."""
    runs: dict[str, tuple[str, ...]] = {}
    last: tuple[str, ...] = ()
    for day in sorted(day for day in arrived if filled.get(day)):
        if arrived[day] != last:
            runs[day] = last = arrived[day]
    return runs


def _create_typed(engine: Engine, contract: Contract, landed: str, columns: Sequence[str]) -> None:
    import duckdb

    _check_expressions(contract, columns)
    try:
        engine.con.execute(f"CREATE OR REPLACE TEMP TABLE typed_rows AS {typed_rows(contract, landed, columns)}")
    except duckdb.Error as error:
        raise ContractError(
            "an expression of the contract can't be computed", source=contract.source, version=contract.version,
            reason=f"{type(error).__name__}: {_without_values(error)}", hint="Mend transformLogic or ddcrm.exclude.",
        ) from None  # fmt: skip


def typed_rows(contract: Contract, landed: str, columns: Sequence[str]) -> str:
    """`typed_query` for landed rows that may lack columns of the contract: these are missing in every row."""
    absent = _absent(contract, columns)
    nulls = "".join(f", CAST(NULL AS VARCHAR) AS {quoted(name)}" for name in absent)
    return typed_query(contract, f"(SELECT *{nulls} FROM {landed})", [*columns, *absent])


def _without_values(error: Exception) -> str:
    """What the engine says of names and types; of values, which it quotes as well, nothing."""
    import duckdb

    if isinstance(error, duckdb.BinderException | duckdb.CatalogException | duckdb.ParserException):
        return str(error).splitlines()[0]
    return "a value of a row does not fit"


def _check_expressions(contract: Contract, columns: Sequence[str]) -> None:
    clash = [
        name
        for name in ("source", "batch_date", "contract_version", "event_date")
        if name in {c.name for c in contract.columns}
    ]
    if clash:
        raise ContractError(
            "column names that the lake uses itself",
            source=contract.source,
            version=contract.version,
            column=", ".join(clash),
            hint="Give the property another name.",
        )


def _absent(contract: Contract, columns: Sequence[str]) -> list[str]:
    """Columns of the contract that never arrived (optional ones of JSON): they are missing in every row."""
    there = {name.lower() for name in columns}
    return [name for name in needed_columns(contract) if name.lower() not in there]


IS_ACCEPTED = "_excluded IS NULL AND _code IS NULL"


def _create_losers(engine: Engine, contract: Contract) -> None:
    """The rows whose key stands again on a later line of the same batch: the last one wins."""
    if not contract.key:
        engine.con.execute(
            "CREATE OR REPLACE TEMP TABLE losing_rows AS SELECT _batch_date, _source, _line FROM typed_rows LIMIT 0"
        )
        return
    names = ["_batch_date", *map(quoted, contract.key)]
    twice = f"SELECT {', '.join(names)} FROM typed_rows WHERE {IS_ACCEPTED} GROUP BY ALL HAVING count(*) > 1"
    same = " AND ".join(f"t.{name} IS NOT DISTINCT FROM k.{name}" for name in names)
    key = ", ".join(f"t.{name}" for name in names)
    place = f"row_number() OVER (PARTITION BY {key} ORDER BY t._source DESC, t._line DESC) AS place"
    both = f"typed_rows t JOIN ({twice}) k ON {same}"
    rows = f"SELECT t._batch_date, t._source, t._line, {place} FROM {both} WHERE {IS_ACCEPTED}"
    engine.con.execute(
        f"CREATE OR REPLACE TEMP TABLE losing_rows AS SELECT _batch_date, _source, _line FROM ({rows}) WHERE place > 1"
    )


def _accepted(contract: Contract) -> str:
    names = ", ".join(map(quoted, output_columns(contract)))
    return (
        f"SELECT {literal(contract.source)} AS source, _batch_date AS batch_date, {names}, event_date, "
        f"{literal(contract.version)} AS contract_version, _source, _line FROM typed_rows ANTI JOIN losing_rows "
        f"USING (_batch_date, _source, _line) WHERE {IS_ACCEPTED}"
    )


def _quarantined(landed: str, columns: Sequence[str]) -> str:
    """The rows as text; a source's own columns of these names stay in landing."""
    own = [name for name in columns if name.lower() in ("_code", "_reasons")]
    rows = f"l.* EXCLUDE ({', '.join(map(quoted, own))})" if own else "l.*"
    found = "_batch_date, _source, _line, _code, _reasons"
    bad = f"SELECT {found} FROM typed_rows WHERE _excluded IS NULL AND _code IS NOT NULL"
    return f"SELECT {rows}, b._code, b._reasons FROM {landed} l JOIN ({bad}) b USING (_batch_date, _source, _line)"


def check_counts(contract: Contract, counts: Mapping[str, DayCounts], conformed: int, quarantined: int) -> None:
    """Raise LakeError where rows were lost on the way: landed, by the files, against where each row went. Pure."""
    for day, each in counts.items():
        if not each.adds_up():
            raise LakeError(
                "the rows of a batch do not add up", source=contract.source, partition=day, counts=each.totals()
            )
    written = (conformed, quarantined)
    counted = tuple(sum(each.totals()[name] for each in counts.values()) for name in ("conformed", "quarantined"))
    if written != counted:
        raise LakeError("other rows were written than were counted", source=contract.source, written=written,
                        counted=counted)  # fmt: skip


def _counts(engine: Engine, landed: Mapping[str, int]) -> dict[str, DayCounts]:
    """Each day's counts: what has landed by the files, where it went by what became of the rows."""
    counts = {day: DayCounts(landed=landed[day]) for day in sorted(landed)}
    rows = engine.con.execute("SELECT _batch_date, _excluded, _code, count(*) FROM typed_rows GROUP BY ALL").fetchall()
    for day, excluded, code, number in rows:
        if excluded is not None:
            counts[day].excluded[excluded] += number
        elif code is not None:
            counts[day].quarantined[code] += number
        else:
            counts[day].conformed += number
    for day, number in engine.con.execute("SELECT _batch_date, count(*) FROM losing_rows GROUP BY 1").fetchall():
        counts[day].duplicates += number
        counts[day].conformed -= number
    return counts


def _newest_event(engine: Engine, contract: Contract) -> dict[str, str]:
    event = contract.event_time
    if event is None:
        return {}
    moment = f"CAST(max({quoted(event.name)}) AS TIMESTAMP WITH TIME ZONE)"
    query = f"SELECT _batch_date, {moment} FROM typed_rows WHERE {IS_ACCEPTED} GROUP BY 1 HAVING {moment} IS NOT NULL"
    return {day: moment.isoformat() for day, moment in engine.con.execute(query).fetchall()}
