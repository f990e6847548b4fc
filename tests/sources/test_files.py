"""Which file is read for which days: a path with the day in it, one file with a column of days, one file for all."""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ddcrm.contracts.model import Column, Server
from ddcrm.errors import (
    ContractError,
    MalformedDataError,
    MissingDataError,
    SchemaChangedError,
    SettingsError,
)
from ddcrm.settings import Settings
from ddcrm.sources import open_source
from tests.sources.support import contract, csv_contract, days, read_all, read_part, rows, squeezed


def write(folder: Path, files: dict[str, str]) -> None:
    """Write files below a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_a_file_a_day_each_with_its_own_columns(settings: Settings, tmp_path: Path) -> None:
    write(tmp_path, {"2026-03-01/o.csv": "id,a\n1,x\n", "2026-03-02/o.csv": "b,id\ny,2\nz,3\n"})
    parts = list(open_source(csv_contract("{batch_date}/o.csv"), settings, days("2026-03-01", "2026-03-02")))
    assert [part.dates for part in parts] == [days("2026-03-01"), days("2026-03-02")]
    assert [part.columns for part in parts] == [("id", "a"), ("b", "id")]
    first, second = (read_part(part) for part in parts)
    assert rows(first, "id", "a", "_source", "_batch_date") == [("1", "x", "2026-03-01/o.csv", "2026-03-01")]
    assert rows(second, "id", "_line", "_batch_date") == [("2", 2, "2026-03-02"), ("3", 3, "2026-03-02")]


def test_the_day_in_another_form(settings: Settings, tmp_path: Path) -> None:
    write(tmp_path, {"2026/03/o_05.csv": "id\n1\n"})
    [table] = read_all(csv_contract("{batch_date:%Y/%m}/o_{batch_date:%d}.csv"), settings)
    assert table["_source"].to_pylist() == ["2026/03/o_05.csv"]


def test_a_path_with_another_placeholder(settings: Settings) -> None:
    with pytest.raises(ContractError, match="another placeholder"):
        read_all(csv_contract("{batch_date}/{shop}.csv"), settings)


def test_files_that_are_not_there_are_named_before_any_is_read(settings: Settings, tmp_path: Path) -> None:
    write(tmp_path, {"2026-03-02.csv": "id\n1\n"})
    parts = open_source(csv_contract("{batch_date}.csv"), settings, days("2026-03-01", "2026-03-03"))
    with pytest.raises(MissingDataError) as caught:
        next(parts)
    assert caught.value.message == "2 files are not there"
    assert (caught.value.partition, caught.value.file) == ("2026-03-01, 2026-03-03", "2026-03-01.csv")


@pytest.mark.parametrize("allow_empty", [False, True])
def test_a_file_that_is_not_there(settings: Settings, tmp_path: Path, allow_empty: bool) -> None:
    with pytest.raises(MissingDataError) as caught:
        read_all(csv_contract("{batch_date}.csv", allow_empty=allow_empty), settings)
    error = caught.value
    assert (error.source, error.partition, error.file) == ("shop", "2026-03-05", "2026-03-05.csv")
    assert str(tmp_path / "2026-03-05.csv") in str(error.hint)
    with pytest.raises(MissingDataError, match="the file is not there"):
        read_all(csv_contract("fixed.csv"), settings)


def test_a_folder_in_the_place_of_a_file(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "2026-03-05.csv").mkdir()
    with pytest.raises(MissingDataError, match="a folder where the file should be"):
        read_all(csv_contract("{batch_date}.csv"), settings)


def test_an_empty_day_in_a_range(settings: Settings, tmp_path: Path) -> None:
    write(tmp_path, {"2026-03-01.csv": "id\n1\n", "2026-03-02.csv": "id\n"})
    dates = days("2026-03-01", "2026-03-02")
    with pytest.raises(MissingDataError) as caught:
        read_all(csv_contract("{batch_date}.csv"), settings, dates)
    assert caught.value.partition == "2026-03-02"
    tables = read_all(csv_contract("{batch_date}.csv", allow_empty=True), settings, dates)
    assert [table.num_rows for table in tables] == [1, 0]


def test_a_fixed_file_is_what_is_known_on_the_last_day(settings: Settings, tmp_path: Path) -> None:
    write(tmp_path, {"products.csv": "id\n1\n"})
    [part] = open_source(csv_contract("products.csv"), settings, days("2026-03-01", "2026-03-05"))
    assert part.dates == days("2026-03-05")
    assert rows(read_part(part), "id", "_batch_date") == [("1", "2026-03-05")]


def test_a_format_that_is_none(settings: Settings, tmp_path: Path) -> None:
    write(tmp_path, {"shop.xml": "<a/>"})
    with pytest.raises(ContractError, match="'xml' can't be read"):
        read_all(contract(Server("file", format="xml", path="shop.xml")), settings)


# one file, rows picked by a column


def picking(column: str = "at", **more: Any) -> Any:
    """A contract of one file with a column of days."""
    return csv_contract("all.csv", ("id", "at"), partition_column=column, **more)


def test_rows_are_picked_by_their_day(settings: Settings, tmp_path: Path) -> None:
    lines = [f"{n},2026-03-0{n % 5 + 1} 10:00:00" for n in range(20)]
    write(tmp_path, {"all.csv": "id,at\n" + "\n".join(lines)})
    contract = picking(partition_format="yyyy-MM-dd HH:mm:ss")
    [part] = open_source(contract, settings, days("2026-03-02", "2026-03-04"))
    assert part.dates == days("2026-03-02", "2026-03-04")
    expected = [(str(n), n + 2, f"2026-03-0{n % 5 + 1}") for n in range(20) if n % 5 + 1 in (2, 3, 4)]
    assert rows(read_part(part), "id", "_line", "_batch_date") == expected


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (None, "2026-03-05"),
        (None, "2026-03-05 23:59:59"),
        ("dd.MM.yyyy", "05.03.2026"),
        ("yyyyMMdd", "20260305"),
        ("d MMM yyyy", "5 Mar 2026"),
        ("M/d/yy h:mm a", "3/5/26 1:30 PM"),
        ("yyyy-MM-dd'T'HH:mm:ssXXX", "2026-03-04T23:30:00+00:00"),  # half past midnight in Berlin
        (None, "2026-03-04T23:30:00Z"),
    ],
)
def test_dates_as_the_contract_writes_them(settings: Settings, tmp_path: Path, pattern: str | None, text: str) -> None:
    write(tmp_path, {"all.csv": f"id,at\n1,{text}\n"})
    found = dataclasses.replace(picking(**({"partition_format": pattern} if pattern else {})), timezone="Europe/Berlin")
    assert rows(read_all(found, settings)[0], "id", "_batch_date") == [("1", "2026-03-05")]
    with pytest.raises(MissingDataError):
        read_all(found, settings, days("2026-03-04"))


def test_the_day_is_the_contracts_where_the_column_has_another_time_zone(settings: Settings, tmp_path: Path) -> None:
    write(tmp_path, {"all.csv": "id,at\n1,2026-03-04 23:30\n2,2026-03-05 23:30\n"})
    columns = (Column("id", "id", "string"), Column("at", "at", "timestamp", timezone="UTC"))
    found = dataclasses.replace(picking(partition_format="yyyy-MM-dd HH:mm"), columns=columns, timezone="Europe/Berlin")
    assert rows(read_all(found, settings)[0], "id") == [("1",)]


@pytest.mark.parametrize(
    ("text", "message"), [("5.3.2026", "is not a date"), ("", "is empty"), ('""', "is not a date")]
)
def test_a_row_without_a_day(settings: Settings, tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, {"all.csv": f'id,at\n1,2026-03-05\n"2\n",2026-03-01\n3,{text}\n4,x\n'})
    with pytest.raises(MalformedDataError) as caught:
        read_all(picking(partition_format="yyyy-MM-dd"), settings)
    error = caught.value
    assert error.message == f"the partition column {message}"
    assert (error.source, error.partition, error.file, error.row) == ("shop", "2026-03-05", "all.csv", 5)
    assert error.column == "at"
    assert "yyyy-MM-dd" in str(error.hint)


def test_the_partition_column_in_another_case_or_missing(settings: Settings, tmp_path: Path) -> None:
    write(tmp_path, {"all.csv": "id,At\n1,2026-03-05\n"})
    assert rows(read_all(picking("AT"), settings)[0], "id") == [("1",)]
    with pytest.raises(SchemaChangedError, match="the partition column is not in the file") as caught:
        read_all(picking("day"), settings)
    assert caught.value.column == "day"


def test_a_day_that_the_file_has_no_rows_of(settings: Settings, tmp_path: Path) -> None:
    write(tmp_path, {"all.csv": "id,at\n1,2026-03-05\n2,2026-03-07\n"})
    asked = days("2026-03-05", "2026-03-07")
    with pytest.raises(MissingDataError, match="no rows of the day") as caught:
        read_all(picking(), settings, asked)
    assert (caught.value.partition, caught.value.file) == ("2026-03-06", "all.csv")
    assert rows(read_all(picking(allow_empty=True), settings, asked)[0], "id") == [("1",), ("2",)]


def test_a_file_without_rows_is_missing_whatever_the_day(settings: Settings, tmp_path: Path) -> None:
    write(tmp_path, {"all.csv": "id,at\n"})
    with pytest.raises(MissingDataError):
        read_all(picking(), settings)
    assert rows(read_all(picking(allow_empty=True), settings)[0]) == []


# behind a URL


@pytest.fixture
def memory() -> Any:
    """fsspec's file system in memory, empty."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def test_files_behind_a_url(settings: Settings, memory: Any) -> None:
    memory.pipe("/shop/2026-03-05.csv", b"id\n1\n")
    [table] = read_all(csv_contract("memory://shop/{batch_date}.csv"), settings)
    assert rows(table, "id", "_source") == [("1", "memory://shop/2026-03-05.csv")]
    with pytest.raises(MissingDataError, match="the file is not there"):
        read_all(csv_contract("memory://shop/{batch_date}.csv"), settings, days("2026-03-06"))


def test_compressed_and_columnar_files_behind_a_url(settings: Settings, memory: Any) -> None:
    memory.pipe("/shop/a.csv.gz", squeezed(["id,name", "1,a"]))
    assert rows(read_all(csv_contract("memory://shop/a.csv.gz"), settings)[0]) == [("1", "a")]
    with memory.open("/shop/a.parquet", "wb") as file:
        pq.write_table(pa.table({"id": [1]}), file)
    server = Server("file", format="parquet", path="memory://shop/a.parquet")
    assert rows(read_all(contract(server), settings)[0]) == [("1",)]


def test_secrets_of_a_url_do_not_show(settings: Settings, memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDCRM_SECRET_BUCKET", json.dumps({"key": "hidden"}))
    server = Server("file", format="csv", path="memory://me:hidden@shop/{batch_date}.csv?sig=hidden", secret="bucket")
    with pytest.raises(MissingDataError) as caught:
        read_all(contract(server), settings)
    assert "hidden" not in f"{caught.value}{caught.value.as_dict()}"
    monkeypatch.setenv("DDCRM_SECRET_BUCKET", "hidden")
    with pytest.raises(SettingsError, match="is not a JSON object") as unreadable:
        read_all(contract(server), settings)
    assert "hidden" not in str(unreadable.value)


def test_a_kind_of_url_that_nothing_reads(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="nothing that is installed reads nosuch://"):
        read_all(csv_contract("nosuch://bucket/{batch_date}.csv"), settings)


def test_the_file_on_another_day_is_another_file(settings: Settings, tmp_path: Path) -> None:
    write(tmp_path, {f"{date(2026, 3, n)}.csv": f"id\n{n}\n" for n in range(1, 32)})
    tables = read_all(csv_contract("{batch_date}.csv"), settings, days("2026-03-01", "2026-03-31"))
    assert [table["id"][0].as_py() for table in tables] == [str(n) for n in range(1, 32)]
