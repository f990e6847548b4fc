"""The quick way and the exact way of reading CSV agree on whatever comes, and with the csv module where it can tell."""

from __future__ import annotations

import csv
import io
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ddcrm.errors import MalformedDataError
from ddcrm.sources import csv_precise
from ddcrm.sources.csv_file import CsvFile
from ddcrm.sources.dialect import Dialect

Outcome = list[tuple[object, ...]] | str

PIECES = ["a", ",", '"', "\n", "\r\n", " ", "é"]
TEXTS = st.lists(st.sampled_from([*PIECES, "\r", "\\"]), max_size=40).map("".join)
CUTS = st.lists(st.integers(0, 60), max_size=6)
DIALECTS = st.sampled_from([Dialect(), Dialect(escape="\\"), Dialect(quote=""), Dialect(quote="", escape="\\")])


def quick(text: str, dialect: Dialect, cuts: list[int]) -> Outcome:
    """What CsvFile makes of blocks that end at `cuts`."""
    data = text.encode()
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    blocks = [data[begin:end] for begin, end in pairwise(places)]
    try:
        batches = list(CsvFile(blocks, dialect, {}, 0).batches())
    except MalformedDataError as error:
        return f"{error.message} {error.row} {error.column}"
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def exact(text: str, dialect: Dialect) -> Outcome:
    """What csv_precise makes of the whole text."""
    names = ("x", "y")
    try:
        found = list(_checked(text, dialect, names))
    except MalformedDataError as error:
        return f"{error.message} {error.row} {error.column}"
    return [(*record.fields, record.line) for record in found]


def _checked(text: str, dialect: Dialect, names: tuple[str, ...]) -> list[csv_precise.Record]:
    found = []
    for record in csv_precise.records(text, 2, dialect, {}, True, names):
        csv_precise.check_width(record, names, {})
        found.append(record)
    return found


@settings(max_examples=600, deadline=None)
@given(TEXTS, DIALECTS, CUTS)
@example('a,"b"\n"c', Dialect(), [])
@example("a,b\\", Dialect(escape="\\"), [7])
@example('"","a"""\r\n\r\n', Dialect(), [5])
def test_they_agree_on_anything(text: str, dialect: Dialect, cuts: list[int]) -> None:
    assert quick("x,y\n" + text, dialect, cuts) == exact(text, dialect)


VALUES = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=8),
    CUTS,
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_what_the_csv_module_writes_comes_back(written: list[tuple[str, str]], cuts: list[int], quoting: int) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=quoting, lineterminator="\n")
    writer.writerows([("x", "y"), *written])
    found = quick(buffer.getvalue(), Dialect(), cuts)
    assert [tuple(value or "" for value in row[:2]) for row in found] == written
    breaks = [1 + sum(value.count("\n") for value in row) for row in written]
    assert [row[2] for row in found] == [2 + sum(breaks[:n]) for n in range(len(written))]
    if quoting == csv.QUOTE_ALL:
        assert None not in {value for row in found for value in row}
