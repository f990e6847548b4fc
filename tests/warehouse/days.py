"""Days to publish, made up: small, whole, and told apart by a marker in every table."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from ddcrm.warehouse.tables import PUBLISHED, arrow_schema

DAY = date(2026, 3, 5)
NEXT = DAY + timedelta(days=1)


def make_day(as_of: date = DAY, customers: int = 20, marker: str = "a") -> dict[str, pa.Table]:
    """All published tables of a day; `marker` stands in a text column of each, its bytes' sum where there is none."""
    sign = sum(marker.encode())
    ids = [f"C{number:04d}" for number in range(customers)]
    return {
        "customer_scores": _table("customer_scores", as_of, customers, customer_id=ids, withheld=[marker] * customers),
        "customer_segments": _table(
            "customer_segments",
            as_of,
            customers,
            customer_id=ids,
            scheme=["rfm"] * customers,
            segment=[marker] * customers,
        ),
        "segment_profiles": _table(
            "segment_profiles", as_of, 1, segment=["all"], customers=[customers], typical=[marker]
        ),
        "segment_migration": _table("segment_migration", as_of, 1, to_segment=[marker], customers=[customers]),
        "cohort_retention": _table("cohort_retention", as_of, 1, customers=[customers], active=[sign]),
        "revenue_tree": _table("revenue_tree", as_of, 1, node=[marker]),
        "value_by_period": _table("value_by_period", as_of, 1, customers=[sign]),
    }


def _table(name: str, as_of: date, rows: int, **given: list[Any]) -> pa.Table:
    schema = arrow_schema(next(table for table in PUBLISHED if table.name == name))
    columns = {
        field.name: given.get(field.name, [as_of] * rows if field.name == "as_of" else _values(field.type, rows))
        for field in schema
    }
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in schema})


def _values(kind: pa.DataType, rows: int) -> list[Any]:
    if pa.types.is_decimal(kind):
        return [Decimal(number * 7) / 100 for number in range(rows)]
    if pa.types.is_integer(kind):
        return [number % 5 for number in range(rows)]
    if pa.types.is_floating(kind):
        return [number / 3 for number in range(rows)]
    if pa.types.is_date(kind):
        return [DAY] * rows
    return [None if number % 4 == 3 else f"t{number % 3}" for number in range(rows)] if rows > 1 else ["x"] * rows


def no_audit(schema: str, table: str, published_name: str) -> None:
    """An audit that everything passes."""
