"""Databases without a way of their own, by SQLite: values as they are stored, days by the begin of their text."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
import sqlalchemy as sa

from ddcrm.contracts.model import Server
from ddcrm.errors import ContractError, MissingDataError, SchemaChangedError
from ddcrm.settings import Settings
from ddcrm.sources import open_source, sql_other
from ddcrm.sources.columns import database_text
from ddcrm.sources.sql_query import Cursor
from tests.sources.support import contract, days, read_all, rows


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """A new database, whose URL is the secret `shop-db`."""
    monkeypatch.setenv("DDCRM_SECRET_SHOP_DB", f"sqlite:///{tmp_path / 'shop.db'}")
    with sqlite3.connect(tmp_path / "shop.db", isolation_level=None) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")
        yield connection
    connection.close()


def table(allow_empty: bool = False, timezone: str = "UTC", name: str = "orders", **options: Any) -> Any:
    """A contract of a table."""
    server = Server("sql", table=name, secret="shop-db", options=options)
    return contract(server, ("id",), allow_empty=allow_empty, timezone=timezone)


def read(contract: Any, first: str = "2026-03-05", last: str | None = None) -> pa.Table:
    """The one part's table."""
    [found] = read_all(contract, Settings(), days(first, last))
    return found


def test_values_as_they_are_stored(database: sqlite3.Connection) -> None:
    database.execute(
        "CREATE TABLE orders (a INTEGER, b NUMERIC(12,2), c REAL, d TEXT, e BLOB, f TIMESTAMP, g BOOLEAN, h TEXT)"
    )
    database.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                     (2**62, 0.125, 0.1, " 007", b"\xff\x00", "2026-03-05T01:02", 1, None))  # fmt: skip
    found = read(table())
    assert rows(found) == [(str(2**62), "0.125", "0.1", " 007", "ff00", "2026-03-05T01:02", "1", None)]
    assert found["_source"].to_pylist() == ["orders"]


def test_the_order_is_the_keys(database: sqlite3.Connection) -> None:
    database.execute("CREATE TABLE orders (x INTEGER, id INTEGER, PRIMARY KEY (id)) WITHOUT ROWID")
    database.execute('CREATE VIEW "a %s""view" AS SELECT * FROM orders')
    database.executemany("INSERT INTO orders VALUES (?, ?)", [(n, n * 7919 % 1009) for n in range(1009)])
    assert [int(value) for value in read(table())["id"].to_pylist()] == list(range(1009))
    assert read(table(name='a %s"view')).num_rows == 1009


def test_rows_come_in_batches(database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_other, "_ROWS", 100)
    database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    database.executemany("INSERT INTO orders VALUES (?)", [(n,) for n in range(1, 1051)])
    [part] = open_source(table(), Settings(), days())
    batches = list(part.reader)
    assert [batch.num_rows for batch in batches] == [100] * 10 + [50]
    assert [line for batch in batches for line in batch.column("_line").to_pylist()] == list(range(1, 1051))


@pytest.mark.parametrize("kind", ["TIMESTAMP", "DATE", "TEXT"])
@pytest.mark.parametrize("form", ["{} 00:00:00", "{}T00:00:00.000", "{}"])
def test_rows_of_days(database: sqlite3.Connection, kind: str, form: str) -> None:
    database.execute(f"CREATE TABLE orders (id INTEGER PRIMARY KEY, at {kind})")
    database.executemany("INSERT INTO orders VALUES (?, ?)", [(n, form.format(f"2026-03-0{n}")) for n in range(1, 10)])
    found = read(table(cursor_column="at"), "2026-03-04", "2026-03-06")
    assert rows(found, "id", "_batch_date") == [(str(n), f"2026-03-0{n}") for n in (4, 5, 6)]
    with pytest.raises(MissingDataError) as caught:
        read(table(cursor_column="at"), "2026-03-09", "2026-03-11")
    assert caught.value.partition == "2026-03-10, 2026-03-11"


def test_days_of_another_time_zone_are_refused(database: sqlite3.Connection) -> None:
    database.execute("CREATE TABLE orders (id INTEGER, at TIMESTAMP)")
    with pytest.raises(ContractError, match="days of its own time zone only"):
        read(table(cursor_column="at", cursor_timezone="UTC", timezone="Europe/Berlin"))


def test_what_is_not_there(database: sqlite3.Connection) -> None:
    with pytest.raises(MissingDataError, match="the table is not there"):
        read(table())
    database.execute("CREATE TABLE orders (id INTEGER)")
    with pytest.raises(SchemaChangedError, match="the cursor column is not in the table"):
        read(table(cursor_column="at"))
    with pytest.raises(MissingDataError, match="there are no rows"):
        read(table())


def test_nothing_of_dlt_is_left_behind(
    database: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    database.execute("CREATE TABLE orders (id INTEGER)")
    database.execute("INSERT INTO orders VALUES (1)")
    assert read(table()).num_rows == 1
    assert {path.name for path in tmp_path.iterdir()} <= {"shop.db"}


# what drivers of other databases give


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("", ""),
        (True, "true"),
        (Decimal("1E+2"), "100"),
        (Decimal("0.10"), "0.10"),
        (0.1, "0.1"),
        (date(2026, 3, 5), "2026-03-05"),
        (datetime(2026, 3, 5, 1, 2, 3, tzinfo=UTC), "2026-03-05 01:02:03+00:00"),
        (timedelta(hours=1), "1:00:00"),
        (memoryview(b"\xff"), "ff"),
        ([1, Decimal("1.10"), {"a": None}], '[1,1.10,{"a":null}]'),
        ({"b", "a"}, '["a","b"]'),
    ],
)
def test_values_of_drivers(value: Any, text: str | None) -> None:
    assert database_text(value) == text


@pytest.mark.parametrize(
    ("kind", "value", "day", "first"),
    [
        ("timestamptz", datetime(2026, 3, 4, 23, 30, tzinfo=UTC), "2026-03-05", datetime(2026, 3, 4, 23, tzinfo=UTC)),
        ("timestamptz", datetime(2026, 3, 5, 0, 30, tzinfo=timezone(timedelta(hours=2))), "2026-03-04",
         datetime(2026, 3, 4, 23, tzinfo=UTC)),
        ("timestamp", datetime(2026, 3, 4, 23, 30), "2026-03-05", datetime(2026, 3, 4, 23)),
        ("date", date(2026, 3, 5), "2026-03-05", date(2026, 3, 5)),
        ("text", "2026-03-05T23:30", "2026-03-05", "2026-03-05"),
    ],
)  # fmt: skip
def test_days_of_drivers(kind: str, value: Any, day: str, first: Any) -> None:
    """A cursor whose values are UTC where they have no offset, and days that are Berlin's."""
    cursor = Cursor(sa.column("at"), kind, ZoneInfo("UTC"), ZoneInfo("Europe/Berlin"))
    assert cursor.day(value) == day
    assert cursor.bound(date(2026, 3, 5)) == first
