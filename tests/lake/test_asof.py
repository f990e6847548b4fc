"""The as-of view: what was known at the end of a day, checked against a plain search in Python."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ddcrm.dates import DateRange
from ddcrm.lake.accept import accept
from ddcrm.lake.asof import as_of_view
from ddcrm.lake.candidates import make_candidate
from ddcrm.lake.engine import Engine
from tests.lake.conftest import land_rows, order

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: test.{source}
name: {source}
version: 1.0.0
status: active
servers:
  - {{server: files, type: local, path: '{source}/{{batch_date}}.csv', format: csv}}
schema:
  - name: orders
    physicalName: orders
    logicalType: object
    properties:
      - {{name: order_id, physicalName: OrderNo, logicalType: string, required: true, primaryKey: true}}
      - {{name: customer_key, physicalName: Cust, logicalType: string, required: true}}
      - name: ordered_at
        physicalName: TS
        logicalType: timestamp
        required: true
        customProperties:
          - {{property: ddcrm.role, value: event_time}}
      - {{name: amount, physicalName: total_cents, logicalType: number, required: true}}
customProperties:
  - {{property: ddcrm.entity, value: orders}}
  - {{property: ddcrm.effectiveFrom, value: '2026-01-01'}}
  - {{property: ddcrm.deliveryMode, value: {delivery}}}
"""


def contract(engine: Engine, source: str = "shop", delivery: str = "corrections") -> Any:
    from ddcrm.contracts import load_contract

    file = Path(engine.settings.contracts_dir) / source / "1.0.0.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(CONTRACT.format(source=source, delivery=delivery))
    return load_contract(file)


def deliver(engine: Engine, agreed: Any, day: str, rows: list[dict[str, Any]]) -> None:
    land_rows(engine, day, rows, columns=list(order()), source=agreed.source)
    accept(engine, make_candidate(engine, agreed, DateRange.parse(day)))


def seen(engine: Engine, day: str) -> dict[str, str]:
    view = as_of_view(engine, engine.settings, "orders", date.fromisoformat(day))
    assert view is not None
    rows = view.to_pyarrow().to_pylist()
    assert len({row["order_id"] for row in rows}) == len(rows)
    return {row["order_id"]: str(row["amount"]) for row in rows}


def test_a_late_row_changes_the_days_from_its_arrival_on(engine: Engine) -> None:
    agreed = contract(engine)
    deliver(engine, agreed, "2026-01-03", [order("1", cents="5")])
    deliver(engine, agreed, "2026-01-06", [order("2", moment="2026-01-03 12:00:00", cents="7")])
    assert seen(engine, "2026-01-05") == {"1": "5.00"}
    assert seen(engine, "2026-01-06") == {"1": "5.00", "2": "7.00"}


def test_a_correction_replaces_from_its_arrival_on(engine: Engine) -> None:
    agreed = contract(engine)
    deliver(engine, agreed, "2026-01-05", [order("1", cents="5")])
    deliver(engine, agreed, "2026-01-07", [order("1", cents="6")])
    assert [seen(engine, f"2026-01-0{day}")["1"] for day in (5, 6, 7, 8)] == ["5.00", "5.00", "6.00", "6.00"]


def test_rows_dated_after_as_of_are_not_seen(engine: Engine) -> None:
    agreed = contract(engine)
    deliver(engine, agreed, "2026-01-05", [order("1", cents="5"), order("2", moment="2026-01-09 00:00:00")])
    assert set(seen(engine, "2026-01-08")) == {"1"}
    assert set(seen(engine, "2026-01-09")) == {"1", "2"}


def test_a_correction_that_moves_a_row_into_the_future_hides_it(engine: Engine) -> None:
    agreed = contract(engine)
    deliver(engine, agreed, "2026-01-05", [order("1")])
    deliver(engine, agreed, "2026-01-06", [order("1", moment="2026-01-20 00:00:00")])
    assert set(seen(engine, "2026-01-05")) == {"1"}
    assert seen(engine, "2026-01-06") == {}


def test_a_snapshot_is_the_newest_delivery_alone(engine: Engine) -> None:
    agreed = contract(engine, delivery="snapshot")
    deliver(engine, agreed, "2026-01-05", [order("1"), order("2")])
    deliver(engine, agreed, "2026-01-07", [order("2"), order("3")])
    assert set(seen(engine, "2026-01-06")) == {"1", "2"}
    assert set(seen(engine, "2026-01-07")) == {"2", "3"}


def test_two_sources_of_one_entity_stand_side_by_side(engine: Engine) -> None:
    shop, till = contract(engine, "shop"), contract(engine, "till")
    deliver(engine, shop, "2026-01-05", [order("s1")])
    deliver(engine, till, "2026-01-05", [order("t1")])
    deliver(engine, shop, "2026-01-05", [order("s2")])
    assert set(seen(engine, "2026-01-05")) == {"s2", "t1"}


def test_nothing_arrived(engine: Engine) -> None:
    contract(engine)
    assert as_of_view(engine, engine.settings, "orders", date(2026, 1, 5)) is None
    assert as_of_view(engine, engine.settings, "orders", date(2025, 1, 5)) is None


@pytest.mark.parametrize("seed", range(3))
def test_equals_a_plain_search(engine: Engine, seed: int) -> None:
    agreed = contract(engine)
    chance = random.Random(seed)
    first = date(2026, 1, 3)
    log: list[tuple[str, str, str, str]] = []
    for offset in range(8):
        day = str(first + timedelta(days=offset))
        rows = {}
        for _ in range(12):
            number, happened = str(chance.randrange(20)), str(first + timedelta(days=chance.randrange(-2, 9)))
            rows[number] = order(number, moment=f"{happened} 12:00:00", cents=str(chance.randrange(1000)))
        deliver(engine, agreed, day, list(rows.values()))
        log += [(day, number, row["TS"][:10], row["total_cents"]) for number, row in rows.items()]
    for offset in range(8):
        day = str(first + timedelta(days=offset))
        newest = {number: (happened, cents) for arrived, number, happened, cents in log if arrived <= day}
        expected = {number: f"{cents}.00" for number, (happened, cents) in newest.items() if happened <= day}
        assert seen(engine, day) == expected
