"""revenue_tree: why revenue changed between two periods, split so that the parts add up to the cent.

Two splits of the same change. By class of customer: new, returned, kept, lost (and passive: refunds only). By factor,
as revenue = customers x orders a customer x spend an order: each factor in this order is moved from its earlier to its
later value while those before it have moved and those after it have not (the effects depend on that order, their sum
does not). The change of the kept customers is split once more into its two factors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

CLASSES = ("new", "returned", "kept", "lost", "passive")
_BEFORE, _AFTER = ("kept", "lost"), ("kept", "new", "returned")  # who bought in which period
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class _Side:
    """One period: customers who bought, their orders, and all revenue (refunds of the others, too)."""

    customers: int
    orders: int
    revenue: Decimal


@dataclass(frozen=True)
class _Change:
    """Two periods."""

    before: _Side
    after: _Side

    @property
    def amount(self) -> Decimal:
        return self.after.revenue - self.before.revenue


def revenue_tree(as_of: date, found: Sequence[Mapping[str, Any]], windows: Sequence[int]) -> pa.Table:
    """The tree for each window; found: rows of `features.revenue.revenue_classes`."""
    import pyarrow as pa

    rows = [
        {"as_of": as_of, "period_days": n, **row}
        for n in sorted(windows)
        for row in _tree({row["class"]: row for row in found if row["period_days"] == n})
    ]
    table = pa.Table.from_pylist(rows, schema=schema())
    return table.sort_by([(name, "ascending") for name in ("as_of", "period_days", "split", "node")])


def schema() -> pa.Schema:
    """Columns and types of revenue_tree."""
    import pyarrow as pa

    money, count, factor = pa.decimal128(18, 2), pa.int64(), pa.float64()
    return pa.schema([
        pa.field("as_of", pa.date32(), False), pa.field("period_days", pa.int32(), False),
        pa.field("split", pa.string(), False), pa.field("node", pa.string(), False), ("customers_before", count),
        ("customers_after", count), ("orders_before", count), ("orders_after", count), ("revenue_before", money),
        ("revenue_after", money), ("factor_before", factor), ("factor_after", factor), ("change", money),
    ])  # fmt: skip


def _tree(found: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    changes = {name: _change(name, found.get(name)) for name in CLASSES}
    total = _Change(_sum([one.before for one in changes.values()]), _sum([one.after for one in changes.values()]))
    yield _node("total", "total", total)
    for name, change in changes.items():
        yield _node("class", name, change)
    yield from _factors("factor", total, with_customers=True)
    yield from _factors("kept_factor", changes["kept"], with_customers=False)


def _change(name: str, row: Mapping[str, Any] | None) -> _Change:
    if row is None:
        return _Change(_Side(0, 0, Decimal(0)), _Side(0, 0, Decimal(0)))
    sides = [
        _Side(row["customers"] if name in there else 0, row[f"orders_{when}"], row[f"revenue_{when}"])
        for when, there in (("before", _BEFORE), ("after", _AFTER))
    ]
    return _Change(*sides)


def _sum(sides: Sequence[_Side]) -> _Side:
    revenue = sum((side.revenue for side in sides), Decimal(0))
    return _Side(sum(side.customers for side in sides), sum(side.orders for side in sides), revenue)


def _node(split: str, name: str, change: _Change) -> dict[str, Any]:
    before, after = change.before, change.after
    return {
        "split": split, "node": name, "customers_before": before.customers, "customers_after": after.customers,
        "orders_before": before.orders, "orders_after": after.orders, "revenue_before": before.revenue,
        "revenue_after": after.revenue, "change": change.amount,
    }  # fmt: skip


def _factors(split: str, change: _Change, *, with_customers: bool) -> Iterator[dict[str, Any]]:
    """The effect of each factor; where there was nothing before (or is nothing after) the first factor takes it all."""
    before, after = change.before, change.after
    factors = {
        "customers": (float(before.customers), float(after.customers)),
        "orders_per_customer": (_ratio(before.orders, before.customers), _ratio(after.orders, after.customers)),
        "spend_per_order": (_ratio(before.revenue, before.orders), _ratio(after.revenue, after.orders)),
    }
    if not with_customers:
        del factors["customers"]
    for name, effect in zip(factors, _effects(change, with_customers), strict=True):
        values = dict(zip(("factor_before", "factor_after"), factors[name], strict=True))
        yield {"split": split, "node": name, **values, "change": effect}


def _effects(change: _Change, with_customers: bool) -> list[Decimal]:
    """Differences of the revenue there would be with the factors moved one after another, each rounded to the cent."""
    before, after = change.before, change.after
    steps = [before.revenue]
    whole = all((before.customers, before.orders, after.customers, after.orders))
    if with_customers:
        steps.append(_cents(Fraction(before.revenue) * after.customers / before.customers) if whole else after.revenue)
    steps.append(_cents(Fraction(before.revenue) * after.orders / before.orders) if whole else after.revenue)
    steps.append(after.revenue)
    return [later - earlier for earlier, later in pairwise(steps)]


def _cents(amount: Fraction) -> Decimal:
    """Rounded half to even; exact for any size."""
    return Decimal(round(amount * 100)).scaleb(-2).quantize(_CENT, ROUND_HALF_EVEN)


def _ratio(total: Decimal | int, n: int) -> float | None:
    return float(Fraction(total) / n) if n else None
