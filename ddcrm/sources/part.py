"""A part of an extraction: columns, and a stream of batches that keeps the error that ended it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ddcrm import progress
from ddcrm.dates import DateRange

if TYPE_CHECKING:
    import pyarrow as pa

RESERVED = ("_source", "_line", "_batch_date")


@dataclass
class _Course:
    """How far the reading has come; apart from the part, so that a part given up is freed with its connection."""

    rows: int = 0
    finished: bool = False
    error: Exception | None = None


@dataclass(frozen=True)
class Part:
    """Rows of one or more days that share their columns; the reader can be read once.

    `reader` has the columns of the source as text in the source's order, then `_source` (text), `_line` (int64) and
    `_batch_date` (text, YYYY-MM-DD). Whoever reads it through another engine loses the class of an error on the way:
    `check()` or `translate_errors` gives the original back.
    """

    dates: DateRange
    columns: tuple[str, ...]  # the source's own, without the three reserved ones
    reader: pa.RecordBatchReader = field(repr=False)
    _course: _Course = field(default_factory=_Course, repr=False)

    @property
    def rows(self) -> int:
        """Rows handed on so far."""
        return self._course.rows

    @property
    def finished(self) -> bool:
        """Whether the last row was handed on and nothing went wrong."""
        return self._course.finished

    @property
    def error(self) -> Exception | None:
        """What ended the reading, if anything did."""
        return self._course.error

    def check(self) -> None:
        """Raise what went wrong while the reader was read, if anything did."""
        if self.error is not None:
            raise self.error


def make_part(source: str, dates: DateRange, columns: tuple[str, ...], batches: Iterator[pa.RecordBatch]) -> Part:
    """A part whose batches have the columns, then the reserved ones."""
    import pyarrow as pa

    course = _Course()
    reader = pa.RecordBatchReader.from_batches(part_schema(columns), _watched(course, source, str(dates), batches))
    progress.point("source.opened", source=source, dates=str(dates), columns=len(columns))
    return Part(dates, columns, reader, course)


def part_schema(columns: tuple[str, ...]) -> pa.Schema:
    """The schema of a part with these columns."""
    import pyarrow as pa

    kinds = {"_line": pa.int64()}
    return pa.schema([(name, kinds.get(name, pa.string())) for name in (*columns, *RESERVED)])


def stamped(batches: Iterator[pa.RecordBatch], source: str, day: str) -> Iterator[pa.RecordBatch]:
    """Batches that end in `_line`, with `_source` and `_batch_date` put beside it."""
    import pyarrow as pa

    for batch in batches:
        *values, line = batch.columns
        names = tuple(batch.schema.names[:-1])
        constants = [pa.repeat(pa.scalar(text, pa.string()), batch.num_rows) for text in (source, day)]
        yield pa.record_batch([*values, constants[0], line, constants[1]], schema=part_schema(names))


def ordinals(before: int, rows: int) -> pa.Array:
    """The numbers of `rows` rows that follow `before` others."""
    import numpy as np
    import pyarrow as pa

    return pa.array(np.arange(before + 1, before + rows + 1, dtype=np.int64))


@contextmanager
def translate_errors(*parts: Part) -> Iterator[None]:
    """Raise the parts' own errors instead of what an engine made of them; also where the engine swallowed one."""
    try:
        yield
    except Exception:
        for part in parts:
            part.check()
        raise
    for part in parts:
        part.check()


def shown_days(days: Sequence[object]) -> str:
    """Days for an error: the first ten of them, and how many more there are."""
    more = f" and {len(days) - 10} more" if len(days) > 10 else ""
    return ", ".join(str(day) for day in days[:10]) + more


def _watched(course: _Course, source: str, dates: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    try:
        for batch in batches:
            progress.point("source.batch", source=source, dates=dates, rows=batch.num_rows)
            course.rows += batch.num_rows
            yield batch
    except Exception as error:
        course.error = error
        raise
    course.finished = True
    progress.point("source.read", source=source, dates=dates, rows=course.rows)
