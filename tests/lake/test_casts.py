"""Casting text: strict, never raising, and telling what could not be read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from ddcrm.contracts.model import Column
from ddcrm.lake.casts import missing_text, plain_cast, transform_cast

BERLIN = "Europe/Berlin"


def run(value: str, failed: str, text: str | None) -> tuple[Any, bool]:
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        return con.execute(f"SELECT {value}, {failed} FROM (SELECT ?::VARCHAR AS x) AS _landed", [text]).fetchone()


def read(kind: str, text: str | None, strptime: str | None = None) -> tuple[Any, bool]:
    cast = plain_cast(Column("x", "x", kind), missing_text("x", ("",)), BERLIN, strptime)
    return run(cast.value, cast.failed, text)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("decimal(18,2)", "1.50", Decimal("1.50")),
        ("decimal(18,2)", "-3", Decimal("-3.00")),
        ("decimal(18,2)", "1.5000", Decimal("1.50")),
        ("decimal(18,2)", " 7 ", Decimal("7.00")),
        ("integer", "+5", 5),
        ("integer", "12.0", 12),
        ("double", "1e3", 1000.0),
        ("boolean", "Yes", True),
        ("boolean", "0", False),
        ("date", "2024-02-29", date(2024, 2, 29)),
        (
            "timestamp",
            "2026-07-01 10:00:00",
            datetime(2026, 7, 1, 8, tzinfo=UTC),
        ),  # Berlin is two hours ahead in summer
        ("timestamp", "2026-01-01T10:00", datetime(2026, 1, 1, 9, tzinfo=UTC)),
        ("timestamp", "2026-07-01T10:00:00Z", datetime(2026, 7, 1, 10, tzinfo=UTC)),
        ("timestamp", "2026-07-01 10:00:00.250-0500", datetime(2026, 7, 1, 15, 0, 0, 250_000, tzinfo=UTC)),
        ("string", " kept ", " kept "),
    ],
)
def test_reads(kind: str, text: str, value: Any) -> None:
    assert read(kind, text) == (value, False)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("decimal(18,2)", "1.505"),
        ("decimal(18,2)", "1,5"),
        ("decimal(18,2)", "1,000.50"),
        ("decimal(18,2)", "1e3"),
        ("decimal(18,2)", "12345678901234567.00"),
        ("decimal(18,2)", "$5"),
        ("decimal(18,2)", "."),
        ("integer", "1.2"),
        ("integer", "0x1F"),
        ("integer", "1_000"),
        ("integer", "99999999999999999999"),
        ("double", "nan"),
        ("double", "1,5"),
        ("boolean", "maybe"),
        ("date", "2026-02-30"),
        ("date", "28.02.2026"),
        ("date", "2026-2-8"),
        ("timestamp", "2026-13-01 00:00:00"),
        ("timestamp", "1.7.2026 10:00"),
        ("timestamp", "yesterday"),
    ],
)
def test_refuses(kind: str, text: str) -> None:
    assert read(kind, text) == (None, True)


@pytest.mark.parametrize("kind", ["decimal(18,2)", "integer", "double", "boolean", "date", "timestamp", "string"])
def test_missing_is_not_a_failure(kind: str) -> None:
    assert read(kind, None) == (None, False)
    assert read(kind, "") == (None, False)


def test_formats() -> None:
    assert read("date", "28.02.2026", "%d.%m.%Y") == (date(2026, 2, 28), False)
    assert read("date", "2026-02-28", "%d.%m.%Y") == (None, True)
    assert read("timestamp", "01.07.2026 10:00", "%d.%m.%Y %H:%M") == (
        datetime(2026, 7, 1, 8, tzinfo=UTC),
        False,
    )


def test_formats_with_an_offset() -> None:
    moment = (datetime(2026, 7, 1, 8, tzinfo=UTC), False)
    assert read("timestamp", "2026-07-01T10:00:00+0200", "%Y-%m-%dT%H:%M:%S%z") == moment
    assert read("timestamp", "2026-07-01T08:00:00Z", "%Y-%m-%dT%H:%M:%S%z") == moment
    assert read("timestamp", "2026-07-01T08:00:00", "%Y-%m-%dT%H:%M:%S%z") == (None, True)


def transformed(kind: str, expression: str, text: str | None) -> tuple[Any, bool]:
    cast = transform_cast(Column("y", "x", kind, transform=expression), {"x": missing_text("x", ("",))}, BERLIN)
    return run(cast.value, cast.failed, text)


def test_transforms_read_and_fail_like_casts() -> None:
    cents = "CAST(x AS DECIMAL(18, 2)) / 100"
    assert transformed("decimal(18,2)", cents, "1999") == (Decimal("19.99"), False)
    assert transformed("decimal(18,2)", cents, "19x") == (None, True)
    assert transformed("decimal(18,2)", cents, "") == (None, False)
    assert transformed("date", "strptime(x, '%d.%m.%Y')", "31.12.2025") == (date(2025, 12, 31), False)
    assert transformed("date", "strptime(x, '%d.%m.%Y')", "32.12.2025") == (None, True)


def test_transform_may_say_that_a_value_is_missing() -> None:
    assert transformed("integer", "CASE WHEN x = 'none' THEN NULL ELSE CAST(x AS INTEGER) END", "none") == (
        None,
        False,
    )


def test_transformed_local_time_is_meant_in_the_contracts_zone() -> None:
    moment = transformed("timestamp", "strptime(x, '%Y%m%d%H')", "2026070110")
    assert moment == (datetime(2026, 7, 1, 8, tzinfo=UTC), False)


def test_an_expression_that_raises_spoils_its_own_row_alone() -> None:
    overflow = "CAST(CAST(x AS DECIMAL(18, 2)) AS BIGINT) * 9000000000000000"
    assert transformed("integer", overflow, "1000000") == (None, True)
    assert transformed("integer", overflow, "1") == (9_000_000_000_000_000, False)
    assert transformed("integer", overflow, "") == (None, False)


def test_a_nul_is_not_taken() -> None:
    assert read("string", "a\0b") == (None, True)
    assert transformed("string", "upper(x)", "a\0b") == (None, True)
    assert transformed("string", "upper(x)", "ab") == ("AB", False)
