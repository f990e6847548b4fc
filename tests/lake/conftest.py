"""A project in a temporary folder, an engine, and batches made by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ddcrm.contracts.model import Column, Contract, Exclusion, Server
from ddcrm.dates import DateRange
from ddcrm.lake.engine import Engine
from ddcrm.lake.landing import Landed, land
from ddcrm.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "ddcrm.toml").write_text("[engine]\nmemory_limit = '1GB'\n")
    return load_settings(tmp_path)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    with Engine(settings) as engine:
        yield engine


@dataclass
class Part:
    """A part of an extraction that stands in memory."""

    dates: DateRange
    reader: pa.RecordBatchReader

    def check(self) -> None:
        pass


def part(
    day: str, rows: Sequence[dict[str, Any]], columns: Sequence[str] | None = None, source: str = "file.csv"
) -> Part:
    names = list(columns or rows[0])
    data = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    data["_source"] = pa.array([source] * len(rows), pa.string())
    data["_line"] = pa.array(range(2, len(rows) + 2), pa.int64())
    data["_batch_date"] = pa.array([day] * len(rows), pa.string())
    return Part(DateRange.parse(day), pa.table(data).to_reader())


def land_rows(
    engine: Engine,
    day: str,
    rows: Sequence[dict[str, Any]],
    columns: Sequence[str] | None = None,
    source: str = "shop",
) -> Landed:
    return land(engine, source, DateRange.parse(day), [part(day, rows, columns)])


def orders_contract(**changes: Any) -> Contract:
    columns = (
        Column("order_id", "OrderNo", "string", required=True, primary_key=True),
        Column("customer_key", "Cust", "string", required=True, classification="pseudonymous"),
        Column("ordered_at", "TS", "timestamp", required=True, role="event_time"),
        Column(
            "amount",
            "total_cents",
            "decimal(18,2)",
            required=True,
            transform="CAST(total_cents AS DECIMAL(18, 2)) / 100",
        ),
        Column("quantity", "q", "integer", minimum="0"),
    )
    values: dict[str, Any] = {
        "source": "shop",
        "version": "1.0.0",
        "entity": "orders",
        "effective_from": date(2026, 1, 1),
        "columns": columns,
        "server": Server("file", format="csv"),
        "timezone": "Europe/Berlin",
        "fingerprint": "one",
        "max_quarantined_share": 1.0,
        "exclude": (Exclusion("test_orders", "customer_key = 'test'"),),
    }
    return Contract(**{**values, **changes})


def order(
    number: str = "1",
    customer: str = "anna",
    moment: str = "2026-01-05 10:00:00",
    cents: str = "100",
    q: str = "1",
) -> dict[str, Any]:
    return {"OrderNo": number, "Cust": customer, "TS": moment, "total_cents": cents, "q": q}
