"""Parquet: every value as text, nested ones as JSON."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ddcrm.errors import MalformedDataError
from ddcrm.sources.columns import check_names, write_json
from ddcrm.sources.location import Location
from ddcrm.sources.part import ordinals

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_ROWS = 50_000  # a batch


class ParquetFile:
    """A Parquet file; `columns` is None where it has no bytes at all.

    Raises MalformedDataError for a file that was cut off or is damaged.
    """

    def __init__(self, location: Location) -> None:
        self._location = location
        self._file = self._open()
        self.columns: tuple[str, ...] | None = tuple(self._file.schema_arrow.names) if self._file else None
        check_names(self.columns or (), location.facts)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows as text columns and `_line`, the ordinal of the row."""
        import pyarrow as pa

        rows = 0
        for batch in self._read():
            lines = ordinals(rows, batch.num_rows)
            rows += batch.num_rows
            columns = [_as_text(column) for column in batch.columns]
            yield pa.record_batch([*columns, lines], names=[*batch.schema.names, "_line"])

    def _open(self) -> pq.ParquetFile | None:
        import pyarrow.parquet as pq

        stream = self._location.open()
        with self._location.errors():
            if stream.seek(0, os.SEEK_END) == 0:
                return None
            stream.seek(0)
        with self._location.errors(), _damage(self._location.facts):
            return pq.ParquetFile(stream)

    def _read(self) -> Iterator[pa.RecordBatch]:
        if self._file is None:
            return
        batches = self._file.iter_batches(batch_size=_ROWS)
        while True:
            with self._location.errors(), _damage(self._location.facts):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch


class _damage:
    """pyarrow's errors inside the block become MalformedDataError."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self._facts = facts

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        import pyarrow as pa

        if isinstance(error, pa.ArrowException) or (isinstance(error, OSError) and error.errno is None):
            raise MalformedDataError(
                "the Parquet file is damaged or was cut off", **self._facts, hint="Deliver it again."
            ) from None


def _as_text(column: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.types as kinds

    kind = column.type
    if kinds.is_dictionary(kind):
        return _as_text(column.dictionary_decode())
    if kinds.is_nested(kind):
        return pa.array([None if value is None else write_json(value) for value in column.to_pylist()], pa.string())
    if (
        kinds.is_binary(kind)
        or kinds.is_large_binary(kind)
        or kinds.is_fixed_size_binary(kind)
        or kinds.is_binary_view(kind)
    ):
        return pa.array([None if value is None else value.hex() for value in column.to_pylist()], pa.string())
    if kinds.is_timestamp(kind) and kind.tz is not None:
        return column.cast(pa.timestamp(kind.unit, "UTC")).cast(pa.string())
    return column.cast(pa.string())
