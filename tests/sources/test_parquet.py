"""Parquet: every kind of value as text, and damaged files refused."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ddcrm.contracts.model import Server
from ddcrm.errors import MalformedDataError, MissingDataError
from ddcrm.settings import Settings
from ddcrm.sources import parquet
from tests.sources.support import contract, read_all, rows

SERVER = Server("file", format="parquet", path="shop.parquet")
BERLIN = datetime(2026, 3, 5, 0, 30, tzinfo=ZoneInfo("Europe/Berlin"))


def read(folder: Path, allow_empty: bool = False) -> pa.Table:
    """Read shop.parquet."""
    [table] = read_all(contract(SERVER, allow_empty=allow_empty), Settings(sources_dir=folder))
    return table


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pa.array([1, None, -(2**63)]), ["1", None, str(-(2**63))]),
        (pa.array([0.1, 1e300, 1 / 3]), ["0.1", "1e+300", "0.3333333333333333"]),
        (pa.array([Decimal("1.50"), Decimal("-0.05")]), ["1.50", "-0.05"]),
        (pa.array(["", None, " x "]), ["", None, " x "]),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
        (pa.array(["a", None], pa.large_string()), ["a", None]),
        (pa.array([True, None, False]), ["true", None, "false"]),
        (pa.array([date(2026, 3, 5), None]), ["2026-03-05", None]),
        (pa.array([datetime(2026, 3, 5, 1, 2, 3, 4)]), ["2026-03-05 01:02:03.000004"]),
        (pa.array([BERLIN], pa.timestamp("s", "Europe/Berlin")), ["2026-03-04 23:30:00.000Z"]),
        (pa.array([time(1, 2, 3)]), ["01:02:03.000000"]),
        (pa.array([b"\xff\x00", b"a", None]), ["ff00", "61", None]),
        (pa.array([[1, None], [], None]), ["[1,null]", "[]", None]),
        (
            pa.array([{"a": Decimal("1.10"), "b": "ü", "c": date(2026, 3, 5)}]),
            ['{"a":1.10,"b":"ü","c":"2026-03-05"}'],
        ),
        (pa.nulls(2), [None, None]),
    ],
)
def test_values(tmp_path: Path, values: pa.Array, texts: list[str | None]) -> None:
    pq.write_table(pa.table({"v": values}), tmp_path / "shop.parquet")
    table = read(tmp_path)
    assert table["v"].to_pylist() == texts
    assert table["_line"].to_pylist() == list(range(1, len(texts) + 1))


def test_rows_are_counted_across_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_ROWS", 7)
    pq.write_table(pa.table({"id": list(range(100))}), tmp_path / "shop.parquet", row_group_size=10)
    assert rows(read(tmp_path), "id", "_line") == [(str(n), n + 1) for n in range(100)]


@pytest.mark.parametrize("keep", [slice(0, 5), slice(0, 3000), slice(100, None), slice(0, -1)])
def test_a_file_that_was_cut(tmp_path: Path, keep: slice) -> None:
    path = tmp_path / "shop.parquet"
    pq.write_table(pa.table({"id": list(range(10_000))}), path)
    path.write_bytes(path.read_bytes()[keep])
    with pytest.raises(MalformedDataError, match="damaged or was cut off") as caught:
        read(tmp_path)
    assert (caught.value.source, caught.value.partition, caught.value.file) == ("shop", "2026-03-05", "shop.parquet")


def test_a_file_that_was_damaged_in_its_middle(tmp_path: Path) -> None:
    path = tmp_path / "shop.parquet"
    pq.write_table(pa.table({"id": [str(n) for n in range(10_000)]}), path, compression="zstd", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[100:2000] = b"\xff" * 1900
    path.write_bytes(data)
    with pytest.raises(MalformedDataError, match="damaged or was cut off"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table([[1], [2]], names=["id", "ID"]), "differ only in case"),
        (pa.table({"_batch_date": [1]}), "keeps for itself"),
    ],
)
def test_bad_names(tmp_path: Path, table: pa.Table, message: str) -> None:
    pq.write_table(table, tmp_path / "shop.parquet")
    with pytest.raises(MalformedDataError, match=message):
        read(tmp_path)


def test_nothing(tmp_path: Path) -> None:
    (tmp_path / "shop.parquet").write_bytes(b"")
    with pytest.raises(MissingDataError, match="the file is empty"):
        read(tmp_path)
    pq.write_table(pa.table({"id": pa.array([], pa.int64())}), tmp_path / "shop.parquet")
    with pytest.raises(MissingDataError, match="no rows"):
        read(tmp_path)
    assert read(tmp_path, allow_empty=True).schema.names == ["id", "_source", "_line", "_batch_date"]
