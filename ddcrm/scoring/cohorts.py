"""cohort_retention: of the customers of each month of first purchase, who bought in each month since, and how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def cohort_retention(as_of: date, found: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Every cohort in every month from its own to that of `as_of`, with zeros where nobody bought.

    found: rows of `features.cohorts.cohort_months`. Retention is active customers by those of the cohort.
    """
    import pyarrow as pa

    known = {(row["cohort"], row["months_since"]): row for row in found}
    rows = [row for cohort in sorted({row["cohort"] for row in found}) for row in _cohort(as_of, cohort, known)]
    return pa.Table.from_pylist(rows, schema=schema())


def schema() -> pa.Schema:
    """Columns and types of cohort_retention."""
    import pyarrow as pa

    return pa.schema([
        pa.field("as_of", pa.date32(), False), pa.field("cohort", pa.date32(), False),
        pa.field("months_since", pa.int32(), False), ("customers", pa.int32()), ("active", pa.int32()),
        ("retention", pa.float64()), ("revenue", pa.decimal128(18, 2)),
    ])  # fmt: skip


def _cohort(as_of: date, cohort: date, known: Mapping[tuple[date, int], Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    customers = known[cohort, 0]["active"]  # whoever is in a cohort bought in its first month
    last = (as_of.year - cohort.year) * 12 + as_of.month - cohort.month
    for since in range(last + 1):
        row = known.get((cohort, since), {"active": 0, "revenue": Decimal(0)})
        yield {"as_of": as_of, "cohort": cohort, "months_since": since, "customers": customers, "active": row["active"],
               "retention": row["active"] / customers, "revenue": row["revenue"]}  # fmt: skip
