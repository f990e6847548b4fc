"""Landing: what arrived, as text, exactly as received. No change of a column's type or name can break it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Protocol

from ddcrm import progress
from ddcrm.dates import DateRange
from ddcrm.errors import DdcrmError, SourceError
from ddcrm.lake.delta import StagedFile, discard, stage, stage_empty
from ddcrm.lake.engine import Engine, quoted
from ddcrm.lake.layout import LANDING_PARTITION, days, landing_table

if TYPE_CHECKING:
    import pyarrow as pa


class Part(Protocol):
    """A piece of an extraction with columns of its own (a file, a query): see `ddcrm.sources.Part`."""

    @property
    def dates(self) -> DateRange: ...

    @property
    def reader(self) -> pa.RecordBatchReader: ...

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
    engine: Engine, source: str, part: Part, folder: object, schema: pa.Schema | None
) -> tuple[list[StagedFile], pa.Schema]:
    from pathlib import Path

    where = Path(str(folder))
    _check_columns(source, part)
    view = "landing_part"
    engine.con.register(view, part.reader)
    query = (
        f"SELECT * REPLACE (CAST({quoted(LANDING_PARTITION)} AS VARCHAR) AS {quoted(LANDING_PARTITION)}) FROM {view}"
    )
    try:
        files = stage(engine, query, where, [LANDING_PARTITION])
    except DdcrmError:
        raise
    except Exception:
        part.check()  # the engine wraps what the source raised: the source's own error says more
        raise
    finally:
        engine.con.unregister(view)
    part.check()
    files += _stage_empty_days(engine, part, where, {file.partition[LANDING_PARTITION] for file in files})
    return files, _union(schema, part.reader.schema)


def _stage_empty_days(engine: Engine, part: Part, folder: object, filled: set[str]) -> list[StagedFile]:
    from pathlib import Path

    columns = ", ".join(
        f"CAST(NULL AS {'BIGINT' if name == '_line' else 'VARCHAR'}) AS {quoted(name)}"
        for name in part.reader.schema.names
        if name != LANDING_PARTITION
    )
    empty = [day for day in part.dates if str(day) not in filled]
    return [stage_empty(engine, f"SELECT {columns}", Path(str(folder)), {LANDING_PARTITION: str(day)}) for day in empty]


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
