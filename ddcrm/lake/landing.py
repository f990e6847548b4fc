"""Landing: what arrived, as text, exactly as received. No change of a column's type or name can break it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ddcrm import progress
from ddcrm.dates import DateRange
from ddcrm.errors import DdcrmError, SourceError
from ddcrm.lake.delta import StagedFile, discard, stage, stage_empty, stage_table
from ddcrm.lake.engine import Engine, quoted
from ddcrm.lake.layout import LANDING_PARTITION, days, landing_table

if TYPE_CHECKING:
    import pyarrow as pa

_SMALL_ROWS, _SMALL_BYTES = 100_000, 64 << 20  # what is read of a part before the engine is asked to write it


class Part(Protocol):
    """A piece of an extraction with columns of its own (a file, a query): see `ddcrm.sources.Part`."""

    @property
    def dates(self) -> DateRange:
        """The days whose rows it has."""
        ...

    @property
    def reader(self) -> pa.RecordBatchReader:
        """Its rows, to be read once."""
        ...

    def check(self) -> None:
        """Raise what went wrong while the reader was read."""


@dataclass(frozen=True)
class Landed:
    """What landed: rows a day (0 for a day that arrived empty) and the table's new version."""

    source: str
    dates: DateRange
    rows: dict[date, int]
    version: int


def land(engine: Engine, source: str, dates: DateRange, parts: Iterable[Part]) -> Landed:
    """Write the parts of an extraction and make them, in one commit, the landed batches of `dates`.

    Until the commit nothing is visible; if a part fails, what was staged is removed and the error goes on.
    """
    table = landing_table(engine.settings, source)
    staged: list[StagedFile] = []
    schema: pa.Schema | None = None
    try:
        for part in parts:
            files, schema = _stage_part(engine, source, part, table.folder, schema)
            staged += files
            progress.point("land.staged", source=source, dates=str(part.dates), rows=sum(file.rows for file in files))
    except BaseException:
        discard(staged, table.folder)
        raise
    if schema is None:
        raise SourceError("nothing was extracted", source=source, partition=str(dates))
    progress.point("land.before_commit", source=source, dates=str(dates))
    version = table.commit(staged, schema, replace=days(LANDING_PARTITION, dates))
    rows = _rows_by_day(staged, dates)
    progress.point("land.committed", source=source, dates=str(dates), rows=sum(rows.values()))
    return Landed(source, dates, rows, version)


def _stage_part(
    engine: Engine, source: str, part: Part, folder: Path, schema: pa.Schema | None
) -> tuple[list[StagedFile], pa.Schema]:
    _check_columns(source, part)
    try:
        whole, head = _head(part.reader)
        files = stage_table(head, folder, LANDING_PARTITION) if whole else _stage_large(engine, part, head, folder)
    except DdcrmError:
        raise
    except Exception:
        part.check()  # the engine wraps what the source raised: the source's own error says more
        raise
    part.check()
    files += _stage_empty_days(part, folder, {file.partition[LANDING_PARTITION] for file in files})
    return files, _union(schema, part.reader.schema)


def _head(reader: pa.RecordBatchReader) -> tuple[bool, pa.Table]:
    """The first rows of a part, and whether they are all."""
    import pyarrow as pa

    batches: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in reader:
        batches.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows > _SMALL_ROWS or size > _SMALL_BYTES:
            return False, pa.Table.from_batches(batches, reader.schema)
    return True, pa.Table.from_batches(batches, reader.schema)


def _stage_large(engine: Engine, part: Part, head: pa.Table, folder: Path) -> list[StagedFile]:
    """The rest goes through the engine, as it comes."""
    import pyarrow as pa

    view, schema = "landing_part", part.reader.schema
    engine.con.register(view, pa.RecordBatchReader.from_batches(schema, chain(head.to_batches(), part.reader)))
    query = (
        f"SELECT * REPLACE (CAST({quoted(LANDING_PARTITION)} AS VARCHAR) AS {quoted(LANDING_PARTITION)}) FROM {view}"
    )
    try:
        return stage(engine, query, folder, [LANDING_PARTITION])
    finally:
        engine.con.unregister(view)


def _stage_empty_days(part: Part, folder: Path, filled: set[str]) -> list[StagedFile]:
    import pyarrow as pa

    schema = pa.schema([field for field in part.reader.schema if field.name != LANDING_PARTITION])
    empty = [{LANDING_PARTITION: str(day)} for day in part.dates if str(day) not in filled]
    return stage_empty(schema, folder, empty)


def _check_columns(source: str, part: Part) -> None:
    names = [name.lower() for name in part.reader.schema.names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SourceError(
            "columns that differ at most in case",
            source=source,
            partition=str(part.dates),
            column=", ".join(twice),
            hint="Ask the source for distinct names.",
        )


def _union(schema: pa.Schema | None, more: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    fields = list(schema) if schema is not None else []
    known = {field.name.lower() for field in fields}
    kinds = {"_line": pa.int64()}
    return pa.schema(
        [
            *fields,
            *(pa.field(name, kinds.get(name, pa.string())) for name in more.names if name.lower() not in known),
        ]
    )


def _rows_by_day(staged: Sequence[StagedFile], dates: DateRange) -> dict[date, int]:
    rows = dict.fromkeys(dates, 0)
    for file in staged:
        rows[date.fromisoformat(file.partition[LANDING_PARTITION])] += file.rows
    return rows
