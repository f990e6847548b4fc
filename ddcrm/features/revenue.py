"""Revenue of two periods by what became of their customers, and of each month with what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import reduce
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis

CLASSES = ("new", "returned", "kept", "lost", "passive")
_MONEY = "decimal(38, 2)"


def revenue_classes(lines: ibis.Table, as_of: date, windows: Sequence[int]) -> ibis.Table:
    """For each window of n days: the last n days up to `as_of` against the n days before, by class of customer.

    lines: `purchases.purchase_lines`. Columns: period_days, class, customers, orders_before, orders_after,
    revenue_before, revenue_after. Classes: kept (bought in both), new (first purchase ever in the later one), returned
    (bought before both), lost (bought only in the earlier one), passive (only refunds in either). An order belongs to
    the day of its first line that counts.
    """
    customers = _customers(lines, as_of, windows)
    return reduce(lambda left, right: left.union(right), [_classes(customers, as_of, n) for n in windows])


def _customers(lines: ibis.Table, as_of: date, windows: Sequence[int]) -> ibis.Table:
    """One row a customer: first purchase day, and for each window purchases, orders and revenue of both periods."""
    bought = lines.filter(lines.bought)
    orders = bought.group_by("customer_id", "order_id").agg(day=bought.event_date.min())
    started = orders.group_by("customer_id").agg(
        **{f"{name}_orders": where.sum().cast("int64") for name, where in _periods(orders.day, as_of, windows).items()}
    )
    periods = _periods(lines.event_date, as_of, windows)
    customers = lines.group_by("customer_id").agg(
        first=lines.event_date.min(where=lines.bought),
        **{f"{name}_bought": lines.bought.any(where=where).fill_null(False) for name, where in periods.items()},
        **{f"{name}_revenue": lines.amount.sum(where=where).cast(_MONEY) for name, where in periods.items()},
    )
    return customers.left_join(started, "customer_id")


def _periods(day: ibis.Value, as_of: date, windows: Sequence[int]) -> dict[str, ibis.Value]:
    import ibis

    found = {}
    for n in windows:
        start, before = (ibis.literal(as_of - timedelta(days=k * n)) for k in (1, 2))
        found[f"after_{n}"] = day > start
        found[f"before_{n}"] = (day > before) & (day <= start)
    return found


def _classes(customers: ibis.Table, as_of: date, n: int) -> ibis.Table:
    import ibis

    before, after = customers[f"before_{n}_bought"], customers[f"after_{n}_bought"]
    is_new = customers["first"] > ibis.literal(as_of - timedelta(days=n))
    found = ibis.cases(
        (before & after, "kept"), (before, "lost"), (after & is_new, "new"), (after, "returned"), else_="passive"
    )
    rows = customers.mutate(**{"class": found})
    sums = {
        f"{what}_{when}": rows[f"{when}_{n}_{what}"].sum().fill_null(0)
        for what in ("orders", "revenue")
        for when in ("before", "after")
    }
    table = rows.group_by("class").agg(customers=rows.count().cast("int64"), **sums)
    kinds = {"orders": "int64", "revenue": _MONEY}
    return table.select("class", "customers", period_days=ibis.literal(n).cast("int32"),
                        **{name: table[name].cast(kinds[name.split("_")[0]]) for name in sums})  # fmt: skip


def monthly_sums(lines: ibis.Table) -> ibis.Table:
    """One row a calendar month with lines that count: month, customers (who bought), revenue, cost, and more.

    lines: `purchases.purchase_lines`. `cost` is that of the lines that have one; `revenue_without_cost` is the revenue
    of the others, NULL where every line has a cost.
    """
    rows = lines.mutate(month=lines.event_date.truncate("M").cast("date"))
    unknown = rows.cost.isnull()
    return rows.group_by("month").agg(
        customers=rows.customer_id.nunique(where=rows.bought).cast("int64"),
        revenue=rows.amount.sum().cast(_MONEY),
        cost=rows.cost.sum().fill_null(0).cast(_MONEY),
        revenue_without_cost=rows.amount.sum(where=unknown).cast(_MONEY),
    )
