"""The digest: the same for the same content however it is stored, another for any other content."""

from __future__ import annotations

import hashlib
import random
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddcrm.errors import PublishError
from ddcrm.warehouse.digest import digest_table, sort_by_key

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("day", pa.date32()),
        ("n", pa.int32()),
        ("small", pa.int16()),
        ("x", pa.float64()),
        ("money", pa.decimal128(18, 2)),
        ("name", pa.string()),
        ("flag", pa.bool_()),
        ("at", pa.timestamp("us", "UTC")),
    ]
)
KEY = ["day", "id"]


def _rows(count: int = 50) -> list[dict]:
    chance = random.Random(7)
    return [
        {
            "id": f"C{number:03d}",
            "day": date(2026, 3, 1 + number % 3),
            "n": chance.choice([None, 0, 1, -5]),
            "small": chance.choice([None, 0, 3]),
            "x": chance.choice([None, 0.0, 1 / 3]),
            "money": chance.choice([None, Decimal("0.00"), Decimal("-12.34")]),
            "name": chance.choice([None, "", "Zoë", "a\0b"]),
            "flag": chance.choice([None, True, False]),
            "at": chance.choice([None, datetime(2026, 3, 1, 12, 0, 0, 5)]),
        }
        for number in range(count)
    ]


ROWS = _rows()
TABLE = pa.Table.from_pylist(ROWS, SCHEMA)
DIGEST = digest_table(TABLE, KEY)


def test_it_is_a_sha256_and_stable_between_runs() -> None:
    """Stored digests must stay comparable: the same bytes hashed by hand."""
    table = pa.table({"k": pa.array(["b", "a"]), "v": pa.array([None, 7], pa.int32())})
    text = hashlib.sha256(b"k\0large_string\n" + bytes([0b11000000]) + np.array([1, 1], "<i8").tobytes() + b"ab")
    number = hashlib.sha256(b"v\0int32\n" + bytes([0b10000000]) + np.array([7, 0], "<i4").tobytes())
    whole = hashlib.sha256(b"ddcrm table digest 1\n2\n" + text.digest() + number.digest())
    assert digest_table(table, ["k"]) == whole.hexdigest()


def test_the_order_of_rows_makes_no_difference() -> None:
    shuffled = ROWS.copy()
    for seed in range(5):
        random.Random(seed).shuffle(shuffled)
        assert digest_table(pa.Table.from_pylist(shuffled, SCHEMA), KEY) == DIGEST


@pytest.mark.parametrize("cuts", [[1], [7, 8], [0, 50], [25]])
def test_chunks_make_no_difference(cuts: list[int]) -> None:
    bounds = [0, *cuts, len(ROWS)]
    pieces = [TABLE.slice(start, end - start) for start, end in pairwise(bounds)]
    assert digest_table(pa.concat_tables(pieces), KEY) == DIGEST


def test_encodings_make_no_difference() -> None:
    text = pa.array([row["name"] for row in ROWS])
    ids = pa.array([row["id"] for row in ROWS])
    forms = [text.dictionary_encode(), text.cast(pa.large_string()), text.cast(pa.string_view())]
    for form in forms:
        table = TABLE.set_column(6, "name", form).set_column(0, "id", ids.dictionary_encode())
        assert digest_table(table, KEY) == DIGEST
    halves = [ids[:20].dictionary_encode(), ids[20:].dictionary_encode()]
    assert digest_table(TABLE.set_column(0, "id", pa.chunked_array(halves)), KEY) == DIGEST


def test_what_lies_under_a_null_makes_no_difference() -> None:
    hidden = pa.Array.from_buffers(
        pa.int32(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(np.array([7, 99], "<i4").tobytes())], null_count=1
    )
    assert hidden.to_pylist() == [7, None]
    tables = [pa.table({"k": ["a", "b"], "v": values}) for values in (hidden, pa.array([7, None], pa.int32()))]
    assert digest_table(tables[0], ["k"]) == digest_table(tables[1], ["k"])


def test_every_nan_is_the_same() -> None:
    bits = np.array([0x7FF8000000000000, 0xFFF8000000000001], "<u8").view("<f8")
    first, second = (pa.table({"k": ["a"], "v": pa.array(bits[n : n + 1])}) for n in (0, 1))
    assert digest_table(first, ["k"]) == digest_table(second, ["k"])


@pytest.mark.parametrize("column", SCHEMA.names)
def test_every_value_counts(column: str) -> None:
    """Each single value changed, and each made NULL, gives a digest of its own."""
    others = {
        "id": "D",
        "day": date(2030, 1, 1),
        "n": 9,
        "small": 9,
        "x": 1e-300,
        "money": Decimal("0.01"),
        "name": "x",
        "flag": None,
        "at": datetime(1970, 1, 1),
    }
    seen = {DIGEST}
    for place in range(0, len(ROWS), 7):
        changed = [dict(row) for row in ROWS]
        changed[place][column] = others[column] if changed[place][column] is not None else _some(column)
        seen.add(digest_table(pa.Table.from_pylist(changed, SCHEMA), KEY))
    assert len(seen) == 1 + len(range(0, len(ROWS), 7))


def _some(column: str) -> object:
    return next(row[column] for row in ROWS if row[column] is not None)


def test_null_and_empty_and_zero_differ() -> None:
    def digest(values: list, kind: pa.DataType) -> str:
        return digest_table(pa.table({"k": ["a", "b"], "v": pa.array(values, kind)}), ["k"])

    assert len({digest(values, pa.string()) for values in (["", None], [None, ""], [None, None], ["", ""])}) == 4
    assert len({digest(values, pa.int32()) for values in ([0, None], [None, 0], [None, None], [0, 0])}) == 4
    assert len({digest(values, pa.string()) for values in (["ab", "c"], ["a", "bc"], ["", "abc"])}) == 3


def test_names_types_order_and_rows_count() -> None:
    table = pa.table({"k": pa.array([1, 2], pa.int32()), "v": pa.array([3, 4], pa.int32())})
    variants = [
        table,
        table.rename_columns(["k", "w"]),
        table.select(["v", "k"]),
        table.set_column(1, "v", pa.array([3, 4], pa.int64())),
        table.set_column(1, "v", pa.array([3, 4], pa.decimal128(5, 0))),
        table.set_column(1, "v", pa.array([3, 4], pa.decimal128(6, 0))),
        table.slice(0, 1),
        table.slice(0, 0),
        table.select(["k"]),
    ]
    assert len({digest_table(variant, ["k"]) for variant in variants}) == len(variants)


def test_a_key_that_does_not_tell_rows_apart_is_refused() -> None:
    with pytest.raises(PublishError, match="not unique by day"):
        digest_table(TABLE, ["day"])
    with pytest.raises(PublishError, match="the key 'name' is NULL in"):
        digest_table(TABLE, ["name"])


def test_a_column_that_it_can_not_digest_is_refused() -> None:
    with pytest.raises(TypeError, match="list"):
        digest_table(pa.table({"k": ["a"], "v": [[1, 2]]}), ["k"])


def test_text_sorts_by_its_bytes_as_in_the_c_locale() -> None:
    words = ["b", "B", "a", "", "ä", "Z", "aa", "10", "9"]
    ordered = sort_by_key(pa.table({"k": words}), ["k"])["k"].to_pylist()
    assert ordered == sorted(words, key=lambda word: word.encode())


def test_a_sorted_table_is_not_copied() -> None:
    table = sort_by_key(TABLE, KEY)
    assert sort_by_key(table, KEY) is table
    assert table.to_pylist() == sorted(TABLE.to_pylist(), key=lambda row: (row["day"], row["id"]))


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.integers(0, 3), st.text(max_size=3)), st.one_of(st.none(), st.integers(-9, 9)), max_size=12
    ),
    st.randoms(use_true_random=False),
)
def test_equal_content_is_equal_digest_and_only_that(values: dict, chance: random.Random) -> None:
    def digest(rows: list[tuple]) -> str:
        columns = list(zip(*rows, strict=True)) if rows else [(), (), ()]
        kinds = (pa.int32(), pa.string(), pa.int32())
        arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        return digest_table(pa.table(arrays, names=["a", "b", "v"]), ["a", "b"])

    rows = [(*key, value) for key, value in values.items()]
    shuffled = chance.sample(rows, len(rows))
    assert digest(shuffled) == digest(rows)
    if rows:
        first = rows[0]
        assert digest([(first[0], first[1], 10), *rows[1:]]) != digest(rows)
        assert digest(rows[1:]) != digest(rows)
