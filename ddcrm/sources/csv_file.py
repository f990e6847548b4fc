"""One CSV file as batches of text with the line of each record: quick where it can be, exact where it must."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ddcrm.errors import MalformedDataError
from ddcrm.sources import csv_precise, csv_quick
from ddcrm.sources.columns import check_names, told_names
from ddcrm.sources.csv_precise import Record
from ddcrm.sources.dialect import Dialect

if TYPE_CHECKING:
    import pyarrow as pa

LONGEST_RECORD = 32 << 20  # bytes; behind that an open quote is taken for one that never closes

_DELIMITERS = ",;\t|:"


class CsvFile:
    """A CSV file from its blocks of UTF-8; `columns` is None where there is not even a first record.

    `expected` is how many columns the contract knows: one column where it knows more is a wrong delimiter, if another
    one is in sight. Raises MalformedDataError for whatever can't be read, when the reading gets there.
    """

    def __init__(self, blocks: Iterable[bytes], dialect: Dialect, facts: dict[str, Any], expected: int) -> None:
        self._blocks = _prepared(iter(blocks), dialect)
        self._dialect, self._facts = dialect, facts
        self._line = dialect.skip_rows + 1
        self._buffer, self._final, self._cut_off = b"", False, False
        self._names: tuple[str, ...] = ()
        self._told: tuple[str | int, ...] = ()  # what errors call them
        first = self._first_record()
        if first is not None:
            self._check_delimiter(first, expected)
            self._names = self._named(first)
            check_names(self._names, facts | {"row": first.line})
            self._told = told_names(self._names)

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names of the header, or those of the contract."""
        return self._names or None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The records as text columns and `_line`."""
        while self._names:
            table = self._next_table()
            if table is not None and table.num_rows:
                yield from table.rename_columns([*self._names, "_line"]).combine_chunks().to_batches()
            if self._final and not self._buffer:
                return
            self._fill()

    def _fill(self) -> None:
        block = next(self._blocks, None)
        if block is not None:
            self._buffer += block
        elif not self._final:
            self._final = True
            self._cut_off = bool(self._buffer) and not self._buffer.endswith(b"\n")
            if self._cut_off and not (self._dialect.escape and self._buffer.endswith(self._dialect.escape.encode())):
                self._buffer += b"\n"

    def _drop(self, size: int) -> None:
        self._line += self._buffer.count(b"\n", 0, size)
        self._buffer = self._buffer[size:]

    def _first_record(self) -> Record | None:
        while not self._final:
            self._fill()
            text = self._text()
            first = next(csv_precise.records(text, self._line, self._dialect, self._facts, self._final), None)
            if first is not None:
                if self._dialect.header:
                    self._drop(len(text[: first.end].encode()))
                return first
            self._check_length()
        return None

    def _named(self, first: Record) -> tuple[str, ...]:
        if not self._dialect.header:
            return self._dialect.columns
        return tuple(name or f"column_{number}" for number, name in enumerate(first.fields, 1))

    def _check_delimiter(self, first: Record, expected: int) -> None:
        if len(first.fields) > 1 or expected < 2:
            return
        wanted = expected if self._dialect.header else len(self._dialect.columns)
        found = guess_delimiter(first.fields[0] or "", wanted, self._dialect)
        if found:
            raise MalformedDataError(
                f"one column where the contract has {wanted}: the delimiter looks like {_shown(found)}, "
                f"not {_shown(self._dialect.delimiter)}",
                **self._facts,
                row=first.line,
                hint="Correct the delimiter in the contract, or have the file written with it.",
            )

    def _next_table(self) -> pa.Table | None:
        """What whole records the buffer holds, which it then holds no more."""
        cut = csv_quick.cut(self._buffer, self._dialect)
        if cut.regular and cut.bytes:
            data = self._buffer[: cut.bytes]
            table = csv_quick.parse(data, self._line, len(self._names), self._dialect)
            if table is None:
                table, _ = self._precise(data.decode(), final=True)
            self._drop(cut.bytes)
            return table
        if cut.regular and not self._final:
            self._check_length()
            return None
        table, size = self._precise(self._text(), self._final)
        self._drop(len(self._buffer) if self._final else size)
        return table

    def _precise(self, text: str, final: bool) -> tuple[pa.Table, int]:
        hint = "It is the last line, and no line break ends it: was the file cut off?" if self._cut_off else None
        found: list[Record] = []
        for record in csv_precise.records(text, self._line, self._dialect, self._facts, final, self._told):
            csv_precise.check_width(record, self._told, self._facts, hint if record.end == len(text) else None)
            found.append(record)
        if not found:
            self._check_length()
        return _table(found, len(self._names)), len(text[: found[-1].end].encode()) if found else 0

    def _text(self) -> str:
        """The buffer without a character that a later block ends."""
        return codecs.utf_8_decode(self._buffer, "strict", False)[0]

    def _check_length(self) -> None:
        if len(self._buffer) <= LONGEST_RECORD:
            return
        for _ in csv_precise.records(self._text(), self._line, self._dialect, self._facts, True, self._names):
            break  # an open quote raises here
        raise MalformedDataError(
            f"a record of more than {LONGEST_RECORD >> 20} MiB",
            **self._facts,
            row=self._line,
            hint="Is it a CSV file, with line breaks between its records?",
        )


def guess_delimiter(line: str, expected: int, dialect: Dialect) -> str | None:
    """The delimiter that makes the most of a line (at most `expected` fields count); None where none splits it."""
    counts = {mark: min(_split(line, mark, dialect), expected) for mark in _DELIMITERS if mark not in dialect.special}
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] > 1 else None


def _split(line: str, delimiter: str, dialect: Dialect) -> int:
    text = re.sub(r'"[^"]*"', "", line) if dialect.quote == '"' else line
    return text.count(delimiter) + 1


def _shown(delimiter: str) -> str:
    return "a tab" if delimiter == "\t" else repr(delimiter)


def _table(records: Sequence[Record], width: int) -> pa.Table:
    import pyarrow as pa

    columns = list(zip(*(record.fields for record in records), strict=True)) or [()] * width
    names = [*(str(number) for number in range(width)), "_line"]
    arrays = [
        *(pa.array(column, pa.string()) for column in columns),
        pa.array([record.line for record in records], pa.int64()),
    ]
    return pa.table(arrays, names=names)


def _prepared(blocks: Iterator[bytes], dialect: Dialect) -> Iterator[bytes]:
    """The blocks behind the lines to be skipped; runs of blanks become tabs where the dialect says so."""
    if dialect.skip_rows:
        blocks = _skipped(blocks, dialect.skip_rows)
    return _tabbed(blocks) if dialect.whitespace else blocks


def _skipped(blocks: Iterator[bytes], lines: int) -> Iterator[bytes]:
    for block in blocks:
        while lines and b"\n" in block:
            block = block[block.index(b"\n") + 1 :]
            lines -= 1
        if not lines:
            yield block
            yield from blocks


def _tabbed(blocks: Iterator[bytes]) -> Iterator[bytes]:
    held = b""
    for block in blocks:
        held += block
        end = held.rfind(b"\n") + 1
        yield _joined(held[:end])
        held = held[end:]
    yield _joined(held)


def _joined(lines: bytes) -> bytes:
    single = re.sub(rb"[ \t]+", b"\t", lines)
    return re.sub(rb"(?m)^\t|\t(?=\r?$)", b"", single)
