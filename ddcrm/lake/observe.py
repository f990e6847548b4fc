"""What landed and conformed batches look like, in numbers: profiles of columns, reasons of quarantine, columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta

from ddcrm.contracts.arrived import Problem
from ddcrm.contracts.model import Column, Contract
from ddcrm.contracts.units import Profile
from ddcrm.dates import DateRange
from ddcrm.lake.candidates import Candidate
from ddcrm.lake.columns import columns_by_day
from ddcrm.lake.conform import problem_codes
from ddcrm.lake.conforming import IS_ACCEPTED, typed_rows
from ddcrm.lake.engine import Engine, literal, quoted, read_parquet
from ddcrm.lake.layout import LANDING_PARTITION, conformed_table, days, landing_table, until

Profiles = dict[date, dict[str, Profile]]

_SAMPLE = 10_000_000  # rows beyond which a range is profiled by a sample, the same one each time


def candidate_profiles(engine: Engine, candidate: Candidate) -> Profiles:
    """The profile of each column of each day of a candidate, by our names."""
    rows = sum(counts.conformed for counts in candidate.counts.values())
    if not rows:
        return {}
    with candidate.undisturbed():
        return _profiles(engine, candidate.contract.columns, read_parquet(candidate.files()), rows)


def earlier_profiles(engine: Engine, contract: Contract, first: date, batches: int) -> Profiles:
    """Profiles of the `batches` conformed batches before `first`, whichever versions have read them."""
    table = conformed_table(engine.settings, contract.entity)
    listing = table.listing([("source", "=", contract.source), *until("batch_date", first - timedelta(days=1))])
    last = sorted({partition["batch_date"] for _, partition in listing})[-batches:]
    return _conformed(engine, contract, [file for file, partition in listing if partition["batch_date"] in last])


def conformed_profiles(engine: Engine, contract: Contract, dates: DateRange) -> Profiles:
    """Profiles of the conformed batches of these days, whichever versions have read them."""
    table = conformed_table(engine.settings, contract.entity)
    listing = table.listing([("source", "=", contract.source), *days("batch_date", dates)])
    return _conformed(engine, contract, [file for file, _ in listing])


def landed_profiles(
    engine: Engine, contract: Contract, columns: Sequence[Column], wanted: Collection[date]
) -> Profiles:
    """Profiles that `columns` of landed batches would have if the contract read them; of days that it can read."""
    import duckdb

    table = landing_table(engine.settings, contract.source)
    listing = table.listing(days(LANDING_PARTITION, DateRange(min(wanted), max(wanted))))
    files = [file for file, partition in listing if date.fromisoformat(partition[LANDING_PARTITION]) in wanted]
    if not files:
        return {}
    landed = read_parquet(files)
    arrived = [row[0] for row in engine.con.execute(f"DESCRIBE SELECT * FROM {landed}").fetchall()]
    typed = f"({typed_rows(contract, landed, arrived)}) WHERE {IS_ACCEPTED}"
    try:
        return _profiles(engine, columns, f"(SELECT *, {LANDING_PARTITION} AS batch_date FROM {typed})", 0)
    except duckdb.Error:  # an expression that what landed then does not carry
        return {}


def _conformed(engine: Engine, contract: Contract, files: Sequence[str]) -> Profiles:
    """By day, of the columns that the files have."""
    if not files:
        return {}
    names = {row[0] for row in engine.con.execute(f"DESCRIBE SELECT * FROM {read_parquet(list(files))}").fetchall()}
    return _profiles(engine, [each for each in contract.columns if each.name in names], read_parquet(list(files)), 0)


def _profiles(engine: Engine, columns: Sequence[Column], source: str, rows: int) -> Profiles:
    """By day, in order. Exact quartiles: approximate ones would differ from run to run."""
    parts = [part for column in columns for part in _measures(column)]
    every = max(1, rows // _SAMPLE)
    sample = f"WHERE hash(_line) % {every} = 0" if every > 1 else ""
    query = f"SELECT batch_date, count(*), {', '.join(parts)} FROM {source} {sample} GROUP BY 1 ORDER BY 1"
    return {date.fromisoformat(day): _row(columns, total, values)
            for day, total, *values in engine.con.execute(query).fetchall()}  # fmt: skip


def _measures(column: Column) -> list[str]:
    name = quoted(column.name)
    if not _sized(column):
        return [f"count({name})", "NULL", "NULL", "NULL"]
    sized = f"FILTER ({name} <> 0)"
    return [f"count({name})", f"count(*) {sized}",
            f"quantile_cont(abs(CAST({name} AS DOUBLE)), [0.25, 0.5, 0.75]) {sized}",
            f"count(*) FILTER ({name} <> 0 AND {name} % 1 = 0)"]  # fmt: skip


def _sized(column: Column) -> bool:
    """Whether the size of its values means something: numbers that are no keys."""
    kind = column.type.partition("(")[0]
    return kind in ("integer", "double", "decimal") and not column.primary_key and column.unit_check


def _row(columns: Sequence[Column], total: int, values: Sequence[object]) -> dict[str, Profile]:
    fours = [values[place : place + 4] for place in range(0, len(values), 4)]
    return {column.name: _profile(total, *four) for column, four in zip(columns, fours, strict=True)}


def _profile(rows: int, filled: object, values: object, quartiles: object, whole: object) -> Profile:
    if not isinstance(quartiles, list):
        return Profile(rows, int(str(filled)))
    return Profile(rows, int(str(filled)), int(str(values)), tuple(quartiles), int(str(whole)))


def problems(engine: Engine, candidate: Candidate, days: Sequence[date]) -> dict[date, dict[tuple[str, str], Problem]]:
    """What is wrong with quarantined rows of these days, by (column, what): a row may have several problems."""
    files = [str(candidate.folder / "quarantine" / file.path) for file in candidate.quarantine
             if date.fromisoformat(file.partition[LANDING_PARTITION]) in days]  # fmt: skip
    codes = problem_codes(candidate.contract)
    if not files or not codes:
        return {}
    rows = f"{read_parquet(files)}, (VALUES {', '.join(f'({literal(code)})' for code in codes)}) c(code)"
    first = ", ".join(f"arg_min({name}, (_source, _line))" for name in ("_source", "_line", "_reasons"))
    query = (f"SELECT {quoted(LANDING_PARTITION)}, code, count(*), {first} FROM {rows} "
             "WHERE contains('; ' || _reasons, '; ' || code) GROUP BY 1, 2 ORDER BY 1, 2")  # fmt: skip
    found: dict[date, dict[tuple[str, str], Problem]] = defaultdict(dict)
    with candidate.undisturbed():
        for day, code, number, file, line, reasons in engine.con.execute(query).fetchall():
            column, _, what = code.partition(": ")
            found[date.fromisoformat(day)][column, what] = Problem(number, file, line, _example(reasons, code))
    return dict(found)


def _example(reasons: str, code: str) -> str:
    """The text that a reason quotes: "amount: not a double (x1); ..." quotes x1."""
    said = reasons[reasons.index(code) + len(code) :].partition("; ")[0]
    return said[2:-1] if said.startswith(" (") and said.endswith(")") else ""


def columns_before(engine: Engine, source: str, first: date) -> tuple[str, ...]:
    """The columns of the newest landed batch with rows before `first`, in their order; () where there is none."""
    table = landing_table(engine.settings, source)
    listing = table.listing(until(LANDING_PARTITION, first - timedelta(days=1)))
    filled = [(file, partition) for file, partition in listing if not file.endswith("-empty.parquet")]
    newest = max((partition[LANDING_PARTITION] for _, partition in filled), default=None)
    last = [(file, partition) for file, partition in filled if partition[LANDING_PARTITION] == newest]
    return columns_by_day(engine, last).get(newest, ()) if newest else ()


def columns_of(runs: Mapping[date, tuple[str, ...]], dates: DateRange) -> dict[date, tuple[str, ...]]:
    """The columns of each day, from the days on which they change."""
    found: dict[date, tuple[str, ...]] = {}
    last: tuple[str, ...] = ()
    for day in dates:
        last = found[day] = runs.get(day, last)
    return found
