"""From candidate to conformed: what the audit found is set aside, then the days are replaced whole, in one commit."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from ddcrm import progress
from ddcrm.contracts.model import Contract
from ddcrm.dates import DateRange
from ddcrm.lake.candidates import Candidate
from ddcrm.lake.casts import sql_type
from ddcrm.lake.conform import output_columns
from ddcrm.lake.counts import DayCounts
from ddcrm.lake.delta import StagedFile, Table, stage
from ddcrm.lake.engine import Engine, quoted, read_parquet, storage_errors
from ddcrm.lake.layout import LANDING_PARTITION, conformed_table, days, landing_table, quarantine_table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

AUDIT_ROWS = 1_000_000  # rows that are audited as one frame, where the days of a month have more
AUDIT_COLUMNS = ("event_date", "batch_date", "_source", "_line")  # that an audited frame has beside those of the entity
SMALL_ROWS = 20_000  # months of a long range are audited together until they have so many rows
_VECTOR = 2048  # rows that the engine hands over at once


@dataclass(frozen=True)
class AuditFrame:
    """Conformed rows that are judged together: `frame` has `_row` (0, 1, ...) and where each row stood in landing.

    `share` is the part of the days' rows that it holds: 1, unless a single day has more than AUDIT_ROWS.
    """

    dates: DateRange
    frame: pd.DataFrame
    share: float = 1.0


def audit_frames(engine: Engine, candidate: Candidate) -> Iterator[AuditFrame]:
    """The candidate's rows, a month of days together as long as it fits; decimals as floats (for checking only)."""
    rows = {day: counts.conformed for day, counts in candidate.counts.items()}
    for dates in audit_ranges(rows):
        total = sum(rows[day] for day in dates if day in rows)
        with candidate.undisturbed():
            for frame in _frames(engine, candidate, dates, total):
                frame.insert(0, "_row", range(len(frame)))
                yield AuditFrame(dates, frame, len(frame) / total if total else 1.0)


def _frames(engine: Engine, candidate: Candidate, dates: DateRange, total: int) -> Iterator[pd.DataFrame]:
    """One frame, or for a day that is too large several, in the order of the lines."""
    names = output_columns(candidate.contract)
    listed = ", ".join(_checkable(name, kind) for name, kind in names.items())
    files = [file for file in candidate.rows if date.fromisoformat(file.partition["batch_date"]) in dates]
    source = read_parquet(candidate.files(files)) if files else f"({_no_rows(candidate)})"
    system = ", ".join(AUDIT_COLUMNS)
    query = f"SELECT {listed}, {system} FROM {source} ORDER BY batch_date, _source, _line"
    with engine.con.cursor() as cursor:
        result = cursor.execute(query)
        if total <= AUDIT_ROWS:
            yield result.fetch_df()
            return
        while len(frame := result.fetch_df_chunk(max(1, AUDIT_ROWS // _VECTOR))):
            yield frame


def audit_ranges(rows: Mapping[date, int], most: int = AUDIT_ROWS, least: int = SMALL_ROWS) -> list[DateRange]:
    """The days in the portions that are judged together. Pure.

    A portion is a month; less where it has more than `most` rows, several months while they have fewer than `least`.
    """
    portions: list[list[date]] = []
    size = 0
    for day in sorted(rows):
        last = portions[-1][-1] if portions else None
        another_month = last is not None and (last.year, last.month) != (day.year, day.month)
        if last is None or (another_month and size >= least) or size + rows[day] > most:
            portions.append([])
            size = 0
        portions[-1].append(day)
        size += rows[day]
    return [DateRange(days[0], days[-1]) for days in portions]


def _no_rows(candidate: Candidate) -> str:
    columns = [
        f"CAST(NULL AS {sql_type(kind)}) AS {quoted(name)}" for name, kind in output_columns(candidate.contract).items()
    ]
    system = [
        "CAST(NULL AS DATE) AS event_date",
        "'' AS batch_date",
        "'' AS _source",
        "CAST(0 AS BIGINT) AS _line",
    ]
    return f"SELECT {', '.join(columns + system)} LIMIT 0"


def _checkable(name: str, kind: str) -> str:
    return f"CAST({quoted(name)} AS DOUBLE) AS {quoted(name)}" if kind.startswith("decimal") else quoted(name)


def failed_rows(audited: AuditFrame, reasons: Mapping[int, str]) -> pa.Table:
    """The rows that the audit sets aside: where they stood in landing, with the reason."""
    import pyarrow as pa

    rows = sorted(reasons)
    place = audited.frame.iloc[rows]
    texts = [reasons[row] for row in rows]
    return pa.table(
        {
            "_batch_date": pa.array(place["batch_date"], pa.string()),
            "_source": pa.array(place["_source"], pa.string()),
            "_line": pa.array(place["_line"], pa.int64()),
            "_code": pa.array([text.split("; ")[0] for text in texts], pa.string()),
            "_reasons": pa.array(texts, pa.string()),
        }
    )


@dataclass(frozen=True)
class Accepted:
    """What was committed: each day's counts and digests of its rows, and the conformed table's new version.

    used: digests of no more than what features can read (`features.reads`), so that other columns don't change them.
    """

    counts: dict[date, DayCounts]
    digests: dict[date, str]
    used: dict[date, str]
    version: int


def accept(engine: Engine, candidate: Candidate, failed: pa.Table | None = None) -> Accepted:
    """Commit a candidate without the `failed` rows (which join the quarantine), replacing all its days.

    Quarantine is committed first: what counts as conformed appears last, and a run killed between can be run again.
    """
    settings, source = engine.settings, candidate.contract.source
    conformed, quarantine = (
        conformed_table(settings, candidate.contract.entity),
        quarantine_table(settings, source),
    )
    progress.point("accept.begin", source=source, dates=str(candidate.dates))
    with candidate.undisturbed(), storage_errors(settings.lake_dir):
        rows, held = _place(engine, candidate, conformed, quarantine, failed)
        progress.point("accept.placed", source=source, dates=str(candidate.dates))
        quarantine.commit(held, _quarantine_schema(engine, source), days(LANDING_PARTITION, candidate.dates))
        progress.point("accept.quarantine_committed", source=source, dates=str(candidate.dates))
        version = conformed.commit(
            rows,
            _conformed_schema(candidate),
            [("source", "=", source), *days("batch_date", candidate.dates)],
        )
    counts = _after(candidate.counts, failed)
    progress.point(
        "accept.committed",
        source=source,
        dates=str(candidate.dates),
        rows=sum(day.conformed for day in counts.values()),
    )
    files = [str(conformed.folder / file.path) for file in rows]
    digests, used = _digests(engine, files, [output_columns(candidate.contract), _used(candidate.contract)])
    return Accepted(counts, digests, used, version)


def _used(contract: Contract) -> set[str]:
    """The columns that features can read, and those by which rows are found."""
    from ddcrm.features.reads import READS

    read = set(READS.get(contract.entity, ()))
    return (read & {"event_date", *output_columns(contract)}) | set(contract.key) if read else set()


def _digests(engine: Engine, files: Sequence[str], groups: Sequence[Iterable[str]]) -> list[dict[date, str]]:
    """For each group of columns the days' digests: none without columns.

    A day's is its rows and the sum of the rows' md5, so that it does not depend on their order or files.
    """
    listed = [sorted(names) for names in groups]
    found: list[dict[date, str]] = [{} for _ in groups]
    if not files:
        return found
    totals = ", ".join(map(_digest_of, listed))
    query = f"SELECT batch_date, count(*), {totals} FROM {read_parquet(list(files))} GROUP BY 1"
    for day, number, *sums in engine.con.execute(query).fetchall():
        for digests, total in zip(found, sums, strict=True):
            if total is not None:
                digests[date.fromisoformat(day)] = f"{number}-{int(total):x}"
    return found


def _digest_of(names: Sequence[str]) -> str:
    """SQL of the sum over rows."""
    if not names:
        return "NULL"
    texts = ", ".join(f"coalesce(CAST({quoted(name)} AS VARCHAR), chr(0))" for name in names)
    return f"CAST(sum(CAST(md5_number_lower(concat_ws(chr(31), {texts})) AS HUGEINT)) AS VARCHAR)"


def _place(
    engine: Engine, candidate: Candidate, conformed: Table, quarantine: Table, failed: pa.Table | None
) -> tuple[list[StagedFile], list[StagedFile]]:
    rows, held = list(candidate.rows), list(candidate.quarantine)
    touched = set(failed.column("_batch_date").to_pylist()) if failed is not None and failed.num_rows else set()
    kept = [
        _link(file, candidate.folder / "rows", conformed.folder)
        for file in rows
        if file.partition["batch_date"] not in touched
    ]
    placed = [_link(file, candidate.folder / "quarantine", quarantine.folder) for file in held]
    if touched:
        engine.con.register("audit_failed", failed)
        affected = candidate.files([file for file in rows if file.partition["batch_date"] in touched])
        same = "r.batch_date = f._batch_date AND r._source = f._source AND r._line = f._line"
        good = f"SELECT r.* FROM {read_parquet(affected)} r ANTI JOIN audit_failed f ON {same}"
        kept += stage(engine, good, conformed.folder, ["source", "batch_date"], "batch_date, _source, _line")
        placed += stage(
            engine,
            _failed_text(engine, candidate, sorted(touched)),
            quarantine.folder,
            [LANDING_PARTITION],
            "_source, _line",
        )
        engine.con.unregister("audit_failed")
    return kept, placed


def _failed_text(engine: Engine, candidate: Candidate, touched: Sequence[str]) -> str:
    table = landing_table(engine.settings, candidate.contract.source)
    files = [file for day in touched for file in table.files([(LANDING_PARTITION, "=", day)])]
    landed = read_parquet(files)
    return f"SELECT l.*, f._code, f._reasons FROM {landed} l JOIN audit_failed f USING (_batch_date, _source, _line)"


def _link(file: StagedFile, folder: Path, target: Path) -> StagedFile:
    """Give the file a name of its own in the table's folder: a hard link, no second writing."""
    place = Path(file.path)
    path = place.with_name(f"{secrets.token_hex(6)}-{place.name}")
    (target / path).parent.mkdir(parents=True, exist_ok=True)
    os.link(folder / place, target / path)
    return replace(file, path=str(path))


def _after(counts: Mapping[date, DayCounts], failed: pa.Table | None) -> dict[date, DayCounts]:
    after = {day: DayCounts.from_dict(values.as_dict()) for day, values in counts.items()}
    if failed is not None:
        codes = Counter(zip(failed.column("_batch_date").to_pylist(), failed.column("_code").to_pylist(), strict=True))
        for (day, code), number in codes.items():
            after[date.fromisoformat(day)].conformed -= number
            after[date.fromisoformat(day)].quarantined[code] += number
    return after


def _conformed_schema(candidate: Candidate) -> pa.Schema:
    import pyarrow as pa

    fields = [pa.field("source", pa.string()), pa.field("batch_date", pa.string())]
    fields += [pa.field(name, _arrow(kind)) for name, kind in output_columns(candidate.contract).items()]
    return pa.schema(
        [
            *fields,
            pa.field("event_date", pa.date32()),
            pa.field("contract_version", pa.string()),
            pa.field("_source", pa.string()),
            pa.field("_line", pa.int64()),
        ]
    )


def _quarantine_schema(engine: Engine, source: str) -> pa.Schema:
    import pyarrow as pa
    from deltalake import DeltaTable

    landing = pa.schema(DeltaTable(str(landing_table(engine.settings, source).folder)).schema().to_arrow())
    return pa.schema([*landing, pa.field("_code", pa.string()), pa.field("_reasons", pa.string())])


def _arrow(kind: str) -> pa.DataType:
    import pyarrow as pa

    named = {
        "string": pa.string(),
        "integer": pa.int64(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us", "UTC"),
    }
    if kind in named:
        return named[kind]
    precision, scale = sql_type(kind).removeprefix("DECIMAL(").removesuffix(")").split(", ")
    return pa.decimal128(int(precision), int(scale))
