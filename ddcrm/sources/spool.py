"""Records whose columns are known only when the last one was read: kept on disk meanwhile, as Arrow."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from ddcrm.errors import MalformedDataError, StorageFullError
from ddcrm.sources.columns import check_names, json_text

if TYPE_CHECKING:
    import pyarrow as pa

Row = tuple[int, Mapping[str, Any]]  # its line or ordinal, and its values as JSON has them

_ROWS = 5_000  # a batch
_IN_MEMORY = 32 << 20  # bytes, before the spool goes to disk


class Spool:
    """JSON objects as batches of text: `columns` in the order in which they first appeared, and how many `rows`.

    Everything is read at once, so an error of the source comes before the first batch. Raises MalformedDataError for
    a name that comes in two spellings or is reserved, and for text that is not Unicode.
    """

    def __init__(self, rows: Iterable[Row], facts: dict[str, Any]) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - it lives as long as the spool
        self._facts = facts
        self._batches = 0
        self.rows = 0
        columns: dict[str, None] = {}
        with _storage():
            for batch in _chunked(rows):
                columns |= dict.fromkeys(key for _, values in batch for key in values)
                self._write(batch)
        self.columns = tuple(columns)
        check_names(self.columns, facts)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows as text columns and `_line`; where a row lacks a column it has NULL."""
        import pyarrow as pa

        self._file.seek(0)
        for _ in range(self._batches):
            with pa.ipc.open_stream(self._file) as stream:
                batch = stream.read_next_batch()
                stream.read_all()  # up to the end of this batch's stream: the next one begins there
            held = dict(zip(batch.schema.names, batch.columns, strict=True))
            arrays = [held.get(f"={name}", pa.nulls(batch.num_rows, pa.string())) for name in self.columns]
            yield pa.record_batch([*arrays, held["_line"]], names=[*self.columns, "_line"])
        self._file.close()

    def _write(self, rows: Sequence[Row]) -> None:
        import pyarrow as pa

        names = dict.fromkeys(key for _, values in rows for key in values)
        arrays = [self._array(rows, name) for name in names]
        batch = pa.record_batch(
            [*arrays, pa.array([line for line, _ in rows], pa.int64())],
            names=[*(f"={name}" for name in names), "_line"],
        )
        with pa.ipc.new_stream(self._file, batch.schema) as stream:
            stream.write_batch(batch)
        self._batches += 1
        self.rows += len(rows)

    def _array(self, rows: Sequence[Row], name: str) -> pa.Array:
        import pyarrow as pa

        texts = [json_text(values.get(name)) for _, values in rows]
        try:
            return pa.array(texts, pa.string())
        except (UnicodeEncodeError, pa.ArrowInvalid):
            line = next(line for (line, _), text in zip(rows, texts, strict=True) if not _encodes(text))
            raise MalformedDataError(
                "text that is not Unicode (half of a surrogate pair)",
                **self._facts,
                row=line,
                column=name,
                hint="Have the source write whole characters.",
            ) from None


def _encodes(text: str | None) -> bool:
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        return False
    return True


def _chunked(rows: Iterable[Row]) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


@contextmanager
def _storage() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StorageFullError(
            "there is no space left for the rows of the source",
            folder=tempfile.gettempdir(),
            hint="Make space there, or name another folder in TMPDIR.",
        ) from None
