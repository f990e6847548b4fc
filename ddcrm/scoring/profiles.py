"""segment_profiles: how large each segment is, what is typical of it, who belongs to it, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ddcrm.scoring.actions import Actions
from ddcrm.scoring.money import Cents, divided
from ddcrm.scoring.schemes import SCHEMES
from ddcrm.scoring.schemes.base import Day, Segmentation
from ddcrm.scoring.scores import Scored
from ddcrm.scoring.words import money, number

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class _Group:
    """What is counted of one segment; money in whole cents, sums exact."""

    customers: int
    spend: int
    recency_days_median: float
    frequency_mean: float
    monetary_value_mean: int
    clv_mean: int | None

    @property
    def typical(self) -> str:
        """The same in words."""
        often = f"{number(self.frequency_mean)} purchase days after the first"
        words = [f"last purchase {number(self.recency_days_median)} days ago (median)", often]
        words.append(f"{money(self.monetary_value_mean)} a purchase day")
        if self.clv_mean is not None:
            words.append(f"{money(self.clv_mean)} expected")
        return ", ".join(words)


def segment_profiles(as_of: date, day: Day, found: Sequence[Segmentation], actions: Actions) -> pa.Table:
    """The published table: a row for each segment that has customers, in the order of scheme and segment."""
    import pyarrow as pa

    rows = [row for segmentation in found for row in _rows(day, segmentation, actions)]
    rows.sort(key=lambda row: (row["scheme"].encode(), row["segment"].encode()))
    return pa.Table.from_pylist([{"as_of": as_of, **row} for row in rows], schema=schema())


def schema() -> pa.Schema:
    """Columns and types of segment_profiles."""
    import pyarrow as pa

    amount, text = pa.decimal128(18, 2), pa.string()
    return pa.schema([
        pa.field("as_of", pa.date32(), False), pa.field("scheme", text, False), pa.field("segment", text, False),
        pa.field("customers", pa.int32(), False), ("share", pa.float64()), ("revenue_share", pa.float64()),
        ("recency_days_median", pa.float64()), ("frequency_mean", pa.float64()), ("monetary_value_mean", amount),
        ("clv_365d_mean", amount), ("typical", text), ("rule", text), ("action", text),
        ("explanation", text), ("fidelity", pa.float64()), ("explained_share", pa.float64()),
    ])  # fmt: skip


def _rows(day: Day, segmentation: Segmentation, actions: Actions) -> list[dict[str, Any]]:
    order = np.argsort(segmentation.codes, kind="stable")
    sizes = np.bincount(segmentation.codes, minlength=len(segmentation.names))
    parts = np.split(order, np.cumsum(sizes)[:-1])
    revenue = np.maximum(day.scores.spend, 0)
    total = int(revenue.sum())
    scheme = SCHEMES[segmentation.scheme]
    why = scheme.explained(day, segmentation)
    rows = []
    for code, (name, customers) in enumerate(zip(segmentation.names, parts, strict=True)):
        if len(customers):
            group = _group(day.scores, revenue, customers)
            words = {"rule": scheme.rule(day, name), "action": actions.of(scheme.name, name)}
            told = {"explanation": why.words[code], "fidelity": why.fidelity, "explained_share": why.told[code]}
            rows.append({**_facts(group, len(order), total), "scheme": scheme.name, "segment": name, **words, **told})
    return rows


def _group(scores: Scored, revenue: Cents, customers: NDArray[np.intp]) -> _Group:
    n = len(customers)
    return _Group(
        customers=n,
        spend=int(revenue[customers].sum()),
        recency_days_median=float(np.median(scores.columns["recency_days"][customers])),
        frequency_mean=int(scores.columns["frequency"][customers].sum(dtype=np.int64)) / n,
        monetary_value_mean=int(divided(scores.monetary[customers].sum(), n)),
        clv_mean=None if scores.clv is None else int(divided(scores.clv[customers].sum(), n)),
    )


def _facts(group: _Group, customers: int, revenue: int) -> dict[str, Any]:
    """The figures of a group; the revenue share leaves out customers whose refunds exceed what they bought."""
    return {
        "customers": group.customers,
        "share": group.customers / customers,
        "revenue_share": group.spend / revenue if revenue else None,
        "recency_days_median": group.recency_days_median,
        "frequency_mean": group.frequency_mean,
        "monetary_value_mean": _decimal(group.monetary_value_mean),
        "clv_365d_mean": None if group.clv_mean is None else _decimal(group.clv_mean),
        "typical": group.typical,
    }


def _decimal(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)
