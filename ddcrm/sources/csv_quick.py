"""The quick reading of CSV: pyarrow parses whole blocks of records whose quotes and line breaks are all regular.

pyarrow alone would take text behind a closing quote and a quote that never closes for data, and knows no line numbers.
So the places of quotes and line feeds are looked at first (numpy): where anything is irregular, csv_precise reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddcrm.sources.dialect import Dialect

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True)
class Cut:
    """How many bytes of a buffer are whole records, and whether their quotes and line ends are all regular."""

    bytes: int
    regular: bool


def cut(buffer: bytes, dialect: Dialect) -> Cut:
    """The whole records at the begin of a buffer that begins with one."""
    if not _plain(buffer, dialect):
        return Cut(0, False)
    if not dialect.quote or dialect.quote.encode() not in buffer:
        return Cut(buffer.rfind(b"\n") + 1, True)
    quotes, feeds = _places(buffer, dialect.quote), _places(buffer, "\n")
    outside = feeds[_before(quotes, feeds) % 2 == 0]
    if not len(outside):
        return Cut(0, _paired(buffer, quotes, dialect))
    size = int(outside[-1]) + 1
    return Cut(size, _paired(buffer, quotes[quotes < size], dialect))


def parse(data: bytes, line: int, width: int, dialect: Dialect) -> pa.Table | None:
    """The records of regular data from `line` on: text columns, then `_line`; None where csv_precise must look."""
    import pyarrow as pa
    import pyarrow.csv as pc

    names = [str(number) for number in range(width)]
    try:
        table = pc.read_csv(
            pa.BufferReader(data),
            read_options=pc.ReadOptions(column_names=names, block_size=len(data) + 1),
            parse_options=pc.ParseOptions(
                delimiter=dialect.delimiter, quote_char=dialect.quote or False, newlines_in_values=True
            ),
            convert_options=pc.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                check_utf8=False,
            ),
        )
    except pa.ArrowInvalid:
        return None
    lines = _lines(data, line, table.num_rows, dialect)
    return None if lines is None else table.append_column("_line", pa.array(lines, pa.int64()))


def _plain(buffer: bytes, dialect: Dialect) -> bool:
    """Whether there are neither escapes nor carriage returns alone (outside quotes or in them)."""
    if not dialect.special.isascii() or (dialect.escape and dialect.escape.encode() in buffer):
        return False
    alone = buffer.count(b"\r") - buffer.count(b"\r\n")
    return alone == 0 or (alone == 1 and buffer.endswith(b"\r"))


def _places(buffer: bytes, character: str) -> np.ndarray:
    import numpy as np

    return np.flatnonzero(np.frombuffer(buffer, np.uint8) == ord(character))


def _before(quotes: np.ndarray, places: np.ndarray) -> np.ndarray:
    """How many quotes stand before each place."""
    import numpy as np

    return np.searchsorted(quotes, places)


def _paired(buffer: bytes, quotes: np.ndarray, dialect: Dialect) -> bool:
    """Whether every odd quote opens a field (or continues a doubled one) and every even one closes it."""
    import numpy as np

    ends = np.frombuffer(f"{dialect.delimiter}\n".encode(), np.uint8)
    data = np.frombuffer(b"\n" + buffer + b"\n", np.uint8)  # so that there is something before and behind each quote
    opens, closes = quotes[0::2], quotes[1::2]
    doubled = np.zeros(len(quotes) + 1, bool)  # whether a quote follows the one before it directly
    doubled[1:-1] = np.diff(quotes) == 1
    begins = np.isin(data[opens], ends) | doubled[0:-1:2]
    behind = data[closes + 2]
    stops = (
        np.isin(behind, ends)
        | doubled[2::2][: len(closes)]
        | ((behind == 13) & (data[np.minimum(closes + 3, len(data) - 1)] == 10))
    )
    return bool(begins.all() and stops.all())


def _lines(data: bytes, line: int, rows: int, dialect: Dialect) -> np.ndarray | None:
    """The line on which each record starts."""
    import numpy as np

    feeds = data.count(b"\n") + (not data.endswith(b"\n"))
    if feeds == rows:
        return np.arange(line, line + rows)
    places = _places(data, "\n")
    quotes = _places(data, dialect.quote) if dialect.quote else places[:0]
    ends = places[_before(quotes, places) % 2 == 0]
    starts = np.concatenate([[0], ends + 1])
    ends = np.append(ends, len(data))
    blank = (ends == starts) | ((ends == starts + 1) & (np.frombuffer(data + b"\n", np.uint8)[starts] == 13))
    starts = starts[~blank]
    return line + _before(places, starts) if len(starts) == rows else None


__all__: Sequence[str] = ("Cut", "cut", "parse")
