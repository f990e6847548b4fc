"""PostgreSQL: every value as the server writes it, the rows of the right days, in one stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from ddcrm.contracts.model import Column, Server
from ddcrm.errors import (
    ContractError,
    MalformedDataError,
    MissingDataError,
    SchemaChangedError,
    SourceError,
    SourceUnavailableError,
)
from ddcrm.settings import Settings
from ddcrm.sources import open_source
from tests.sources.support import contract, days, read_all, rows

Execute = Callable[..., Any]
OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture
def execute(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Execute]:
    """Execute SQL in a new database, whose URL is the secret `shop-db`."""
    monkeypatch.setenv("DDCRM_SECRET_SHOP_DB", postgres_url)
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection.execute


def table(name: str = "orders", allow_empty: bool = False, timezone: str = "UTC", **options: Any) -> Any:
    """A contract of a table."""
    server = Server("sql", table=name, secret="shop-db", options=options)
    return contract(server, ("id",), allow_empty=allow_empty, timezone=timezone)


def read(contract: Any, first: str = "2026-03-05", last: str | None = None) -> pa.Table:
    """The one part's table."""
    [found] = read_all(contract, Settings(), days(first, last))
    return found


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("bigint", "9223372036854775807", "9223372036854775807"),
        ("numeric", "12345678901234567890.1234567890", "12345678901234567890.1234567890"),
        ("numeric(12,2)", "1.5", "1.50"),
        ("float8", "0.1", "0.1"),
        ("float8", "1e300", "1e+300"),
        ("real", "0.1", "0.1"),
        ("boolean", "true", "true"),
        ("text", "' ü '", " ü "),
        ("text", "''", ""),
        ("varchar(5)", "'007'", "007"),
        ("date", "'2026-03-05'", "2026-03-05"),
        ("timestamp", "'2026-03-05 01:02:03.45'", "2026-03-05 01:02:03.45"),
        ("timestamptz", "'2026-03-05 01:02:03+01'", "2026-03-05 00:02:03+00"),
        ("interval", "'1 day 2 hours'", "P1DT2H"),
        ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("json", "'{\"a\":  1.10}'", '{"a":  1.10}'),
        ("jsonb", "'{\"a\":  1.10}'", '{"a": 1.10}'),
        ("bytea", "'\\xff00'", "\\xff00"),
        ("text[]", "ARRAY['a', NULL, 'b\"']", '["a",null,"b\\""]'),
        ("numeric[]", "ARRAY[1.10]", "[1.10]"),
        ("int4range", "'[1,3)'", "[1,3)"),
        ("point", "'(1,2)'", "(1,2)"),
        ("text", "NULL", None),
    ],
)
def test_values(execute: Execute, kind: str, value: str, text: str | None) -> None:
    execute(f"CREATE TABLE orders (v {kind})")
    execute(f"INSERT INTO orders VALUES ({value})")
    found = read(table())
    assert found["v"].to_pylist() == [text]
    assert (found["_source"][0].as_py(), found["_batch_date"][0].as_py()) == ("orders", "2026-03-05")


def test_a_snapshot_is_the_whole_table_of_the_last_day_in_the_order_of_its_key(execute: Execute) -> None:
    execute("CREATE SCHEMA shop")
    execute("CREATE TABLE shop.orders (v text, b integer, a integer, PRIMARY KEY (a, b))")
    execute("INSERT INTO shop.orders SELECT 'x', n % 7, n / 7 FROM generate_series(0, 999) n ORDER BY md5(n::text)")
    [part] = open_source(table("shop.orders"), Settings(), days("2026-03-01", "2026-03-05"))
    assert part.dates == days("2026-03-05")
    found = part.reader.read_all()
    assert rows(found, "a", "b", "_line") == [(str(n // 7), str(n % 7), n + 1) for n in range(1000)]
    assert set(found["_batch_date"].to_pylist()) == {"2026-03-05"}


def test_names_are_only_names(execute: Execute) -> None:
    names = ['say "hi"; DROP', "100%", ":a", "select", "é"]
    columns = ", ".join(f"{quoted(name)} integer" for name in names)
    execute(f'CREATE TABLE "or\'d%ers" ({columns})')
    execute('INSERT INTO "or\'d%ers" VALUES (1, 2, 3, 4, 5)')
    assert rows(read(table("or'd%ers")), *names) == [("1", "2", "3", "4", "5")]


def quoted(name: str) -> str:
    """A name as SQL quotes it."""
    return '"' + name.replace('"', '""') + '"'


def test_a_view_and_its_columns_in_their_order(execute: Execute) -> None:
    execute("CREATE VIEW orders AS SELECT 1 AS z, 'a' AS y")
    assert read(table()).schema.names[:2] == ["z", "y"]


MOMENTS = """
    INSERT INTO orders VALUES
    (1, '2026-03-03 22:59:59Z'), (2, '2026-03-03 23:00:00Z'), (3, '2026-03-04 12:00:00Z'),
    (4, '2026-03-04 23:30:00Z'), (5, '2026-03-05 22:59:59.999Z'), (6, '2026-03-05 23:00:00Z'), (7, NULL)
"""


def test_days_of_moments_are_the_contracts(execute: Execute) -> None:
    execute("CREATE TABLE orders (id integer PRIMARY KEY, at timestamptz)")
    execute(MOMENTS)
    found = read(table(cursor_column="at", timezone="Europe/Berlin"), "2026-03-04", "2026-03-05")
    assert rows(found, "id", "_batch_date") == [
        ("2", "2026-03-04"),
        ("3", "2026-03-04"),
        ("4", "2026-03-05"),
        ("5", "2026-03-05"),
    ]
    assert set(found["_source"].to_pylist()) == {"orders where at in [2026-03-04, 2026-03-06)"}


@pytest.mark.parametrize("by_column", [False, True])
def test_days_of_moments_in_another_time_zone(execute: Execute, by_column: bool) -> None:
    execute("SET TimeZone TO 'UTC'")
    execute("CREATE TABLE orders (id integer PRIMARY KEY, at timestamp)")
    execute(MOMENTS)
    if by_column:
        columns = [Column("at", "at", "timestamp", timezone="UTC")]
        server = Server("sql", table="orders", secret="shop-db", options={"cursor_column": "at"})
        found = read(contract(server, columns, timezone="Europe/Berlin"))
    else:
        found = read(table(cursor_column="at", cursor_timezone="UTC", timezone="Europe/Berlin"))
    assert rows(found, "id") == [("4",), ("5",)]


def test_days_of_moments_without_an_offset(execute: Execute) -> None:
    execute("SET TimeZone TO 'UTC'")
    execute("CREATE TABLE orders (id integer PRIMARY KEY, at timestamp)")
    execute(MOMENTS)
    found = read(table(cursor_column="AT", timezone="Europe/Berlin"), "2026-03-03", "2026-03-05")
    expected = ["2026-03-03"] * 2 + ["2026-03-04"] * 2 + ["2026-03-05"] * 2
    assert found["_batch_date"].to_pylist() == expected


def test_the_days_of_a_clock_change(execute: Execute) -> None:
    """The 29th of March has 23 hours in Berlin: from 23:00 of the day before to 22:00, as UTC counts."""
    execute("CREATE TABLE orders (id integer PRIMARY KEY, at timestamptz)")
    hours = "SELECT n, timestamptz '2026-03-28 00:00Z' + n * interval '1 hour' FROM generate_series(0, 71) n"
    execute(f"INSERT INTO orders {hours}")
    found = read(table(cursor_column="at", timezone="Europe/Berlin"), "2026-03-29")
    assert [int(value) for value in found["id"].to_pylist()] == list(range(23, 46))


@pytest.mark.parametrize("kind", ["date", "text"])
def test_days_of_dates_and_of_text(execute: Execute, kind: str) -> None:
    execute(f"CREATE TABLE orders (id integer PRIMARY KEY, day {kind})")
    execute("INSERT INTO orders SELECT n, ('2026-03-0' || n)::date FROM generate_series(1, 9) n")
    found = read(table(cursor_column="day"), "2026-03-04", "2026-03-06")
    assert rows(found, "id", "_batch_date") == [(str(n), f"2026-03-0{n}") for n in (4, 5, 6)]


def test_days_without_rows_are_named(execute: Execute) -> None:
    execute("CREATE TABLE orders (id integer, at date)")
    execute("INSERT INTO orders VALUES (1, '2026-03-02')")
    dates = ("2026-03-01", "2026-03-03")
    with pytest.raises(MissingDataError) as caught:
        read(table(cursor_column="at"), *dates)
    assert (caught.value.source, caught.value.partition) == ("shop", "2026-03-01, 2026-03-03")
    assert rows(read(table(cursor_column="at", allow_empty=True), *dates)) == [("1", "2026-03-02")]


def test_an_empty_table(execute: Execute) -> None:
    execute("CREATE TABLE orders (id integer)")
    with pytest.raises(MissingDataError, match="there are no rows"):
        read(table())
    assert read(table(allow_empty=True)).schema.names == ["id", "_source", "_line", "_batch_date"]


def test_a_table_that_is_not_there(execute: Execute) -> None:
    with pytest.raises(MissingDataError, match="the table is not there") as caught:
        read(table("shop.nowhere"))
    assert (caught.value.source, caught.value.table) == ("shop", "shop.nowhere")


def test_a_cursor_that_is_not_there(execute: Execute) -> None:
    execute("CREATE TABLE orders (id integer)")
    with pytest.raises(SchemaChangedError, match="the cursor column is not in the table") as caught:
        read(table(cursor_column="at"))
    assert caught.value.column == "at"
    with pytest.raises(ContractError, match="no cursor type 'epoch'"):
        read(table(cursor_column="id", cursor_type="epoch"))


@pytest.mark.parametrize(
    ("columns", "message"), [('id integer, "ID" integer', "only in case"), ("_line integer", "itself")]
)
def test_bad_names(execute: Execute, columns: str, message: str) -> None:
    execute(f"CREATE TABLE orders ({columns})")
    with pytest.raises(MalformedDataError, match=message):
        read(table())


def test_an_error_in_the_middle_shows_no_values(execute: Execute) -> None:
    execute("CREATE VIEW orders AS SELECT ('Anna' || n)::integer AS id FROM generate_series(1, 10) n")
    with pytest.raises(SourceError, match="the database could not run the query") as caught:
        read(table())
    assert "Anna" not in f"{caught.value}"
    assert not caught.value.retryable


def test_a_connection_that_breaks_in_the_middle(execute: Execute) -> None:
    execute("CREATE TABLE orders AS SELECT n AS id, repeat('x', 500) AS name FROM generate_series(1, 200000) n")
    [part] = open_source(table(), Settings(), days())
    part.reader.read_next_batch()
    stopped = execute(f"SELECT pg_terminate_backend(pid) {OTHERS}")
    assert stopped.fetchall() == [(True,)]
    with pytest.raises(SourceUnavailableError) as caught:
        part.reader.read_all()
    assert caught.value is part.error
    assert not part.finished


def test_a_table_that_somebody_locks_is_not_waited_for_without_an_end(
    execute: Execute, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ddcrm.sources import sql_connect

    assert sql_connect.LOCK_TIMEOUT == "60s"
    monkeypatch.setattr(sql_connect, "LOCK_TIMEOUT", "100ms")
    execute("CREATE TABLE orders AS SELECT 1 AS id")
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as holder:
        holder.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SourceUnavailableError) as caught:
            read(table())
    assert caught.value.retryable


def test_what_the_url_says_of_waiting_counts(execute: Execute) -> None:
    from ddcrm.sources.sql_connect import Database

    url = Database("postgresql://h/d?connect_timeout=5", "shop-db").libpq
    assert "connect_timeout=5&" in f"{url}&"
    assert "tcp_user_timeout=90000" in url
    assert Database("mysql+pymysql://h/d", "shop-db").parts.query == {}


def test_a_reading_given_up_leaves_no_connection(execute: Execute) -> None:
    execute("CREATE TABLE orders AS SELECT n AS id, repeat('x', 500) AS name FROM generate_series(1, 100000) n")
    [part] = open_source(table(), Settings(), days())
    part.reader.read_next_batch()
    del part
    open_connections = f"SELECT count(*) {OTHERS}"
    for _ in range(50):
        if execute(open_connections).fetchone() == (0,):
            break
        execute("SELECT pg_sleep(0.05)")
    assert execute(open_connections).fetchone() == (0,)


def test_many_rows_come_in_batches(execute: Execute) -> None:
    execute("CREATE TABLE orders AS SELECT n AS id, repeat('x', 100) AS name FROM generate_series(1, 200000) n")
    [part] = open_source(table(), Settings(), days())
    sizes, lines = [], []
    for batch in part.reader:
        sizes.append(batch.num_rows)
        lines += batch.column("_line").to_pylist()
    assert sum(sizes) == 200_000
    assert max(sizes) < 100_000
    assert lines == list(range(1, 200_001))
