"""What each customer has bought, as of a day: one row a customer, from order lines.

Pure Ibis expressions that mean the same on DuckDB and on PySpark: lines are summed to customer and day, days to
customers; what needs more than that (gaps, distinct orders, distinct products) is a family of its own, and costs
nothing unless one of its columns is asked for. No result depends on the order of rows: sums are of decimals and
integers, and ties are broken by value.

`docs/features.md` says what every column means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING

from ddcrm.features.family import within
from ddcrm.settings import PurchaseSettings

if TYPE_CHECKING:
    import ibis

WINDOWS = (30, 90, 365)
COUNTED = tuple(days * periods for days in WINDOWS for periods in (1, 2))  # so that two periods can be compared

CORE_TYPES = {
    "customer_id": "string",
    "first_purchase_on": "date",
    "last_purchase_on": "date",
    "recency_days": "int32",
    "tenure_days": "int32",
    "frequency": "int32",
    "purchase_days": "int32",
    "spend": "decimal(18, 2)",
    "sales": "decimal(18, 2)",
    "refunds": "decimal(18, 2)",
    "refund_share": "float64",
    "monetary_value": "float64",
    "items": "int64",
    **{f"spend_{days}d": "decimal(18, 2)" for days in WINDOWS},
    **{f"purchase_days_{days}d": "int32" for days in COUNTED},
    "first_channel": "string",
    "last_channel": "string",
}
REPEAT_TYPES = {"repeat_spend": "decimal(18, 2)", "repeat_monetary_value": "float64"}
GAP_TYPES = {"gap_mean_days": "float64", "gap_std_days": "float64"}
ORDER_TYPES = {"orders": "int32", **{f"orders_{days}d": "int32" for days in WINDOWS}}
PRODUCT_TYPES = {"products": "int32"}

FEATURE_TYPES = {**CORE_TYPES, **REPEAT_TYPES, **GAP_TYPES, **ORDER_TYPES, **PRODUCT_TYPES}
"""Every column, in its order, with its type."""

_WIDE = "decimal(38, 2)"  # of sums, until the last: sums of amounts that fit decimal(18,2) need not

_OPTIONAL_TYPES = {"quantity": "int64", "product_id": "string", "channel": "string", "status": "string",
                   "cost": "decimal(18, 2)"}  # fmt: skip


def purchase_features(
    orders: ibis.Table, as_of: date, purchase: PurchaseSettings, columns: Sequence[str] | None = None
) -> ibis.Table:
    """One row for each customer with a purchase day on or before `as_of`.

    orders: order lines with customer_key, order_id, event_date (date) and amount (decimal; refunds negative); quantity,
    product_id, channel and status where they are known. Lines after `as_of` are left out here, whoever let them in.
    columns: the features wanted, all of FEATURE_TYPES by default; what is not asked for is not computed.

    Returns customer_id and the columns in the order of FEATURE_TYPES, with its types, in no order of rows.
    Raises KeyError for a column that is not in FEATURE_TYPES.
    """
    wanted = _wanted(columns)
    lines = _lines(orders, as_of, purchase)
    days = counted_days(lines)
    customers = _customers(days, as_of)
    table = customers
    for types, family in _FAMILIES:
        if wanted & types.keys():
            table = beside(table, family(lines, days, customers, as_of))
    if wanted & REPEAT_TYPES.keys():
        table = _repeat(table)
    return table.select(**{name: table[name].cast(kind) for name, kind in FEATURE_TYPES.items() if name in wanted})


def purchase_lines(orders: ibis.Table, as_of: date, purchase: PurchaseSettings) -> ibis.Table:
    """The order lines that count at `as_of`: customer_id, order_id, event_date, amount, cost, quantity, product_id,
    channel, and `bought`: whether the line makes its day a purchase day. `orders` as for `purchase_features`.
    """
    return _lines(orders, as_of, purchase)


def _wanted(columns: Sequence[str] | None) -> set[str]:
    wanted = {"customer_id", *(FEATURE_TYPES if columns is None else columns)}
    unknown = wanted - FEATURE_TYPES.keys()
    if unknown:
        raise KeyError(f"there is no feature {', '.join(sorted(unknown))}")
    return wanted


def _lines(orders: ibis.Table, as_of: date, purchase: PurchaseSettings) -> ibis.Table:
    """The lines that count at all, with `bought`: whether the line makes its day a purchase day."""
    import ibis

    known = orders.columns
    absent = {name: ibis.null().cast(kind) for name, kind in _OPTIONAL_TYPES.items() if name not in known}
    lines = orders.mutate(**absent) if absent else orders
    lines = lines.filter(lines.event_date <= ibis.literal(as_of), lines.customer_key.notnull())
    if purchase.exclude_status:
        lines = lines.filter(lines.status.isnull() | lines.status.notin(list(purchase.exclude_status)))
    bought = {"positive": lines.amount > 0, "non_negative": lines.amount >= 0, "any": ibis.literal(True)}
    return lines.select("order_id", "event_date", "amount", "quantity", "product_id", "channel",
                        "cost", customer_id=lines.customer_key, bought=bought[purchase.counts])  # fmt: skip


def counted_days(lines: ibis.Table) -> ibis.Table:
    """Customer and day. `bought_on` is the day itself where it is a purchase day, else NULL."""
    import ibis

    days = lines.group_by("customer_id", "event_date").agg(
        net=lines.amount.sum().cast(_WIDE),
        refunded=lines.amount.sum(where=lines.amount < 0).cast(_WIDE),
        items=lines.quantity.sum(where=lines.bought),
        channel=lines.channel.min(where=lines.bought),
        bought=lines.bought.cast("int8").max() > 0,
    )
    return days.mutate(bought_on=ibis.ifelse(days.bought, days.event_date, ibis.null().cast("date")))


def _customers(days: ibis.Table, as_of: date) -> ibis.Table:
    """The core family: what takes no more than a grouping of the days. A customer is who has a purchase day."""
    import ibis

    table = days.group_by("customer_id").agg(
        first_purchase_on=days.bought_on.min(),
        last_purchase_on=days.bought_on.max(),
        purchase_days=days.bought_on.count(),
        spend=days.net.sum().cast(_WIDE),
        refunds=(-days.refunded.sum()).fill_null(0).cast(_WIDE),
        items=days["items"].sum(),
        first_channel=days.channel.argmin(days.bought_on, where=days.bought & days.channel.notnull()),
        last_channel=days.channel.argmax(days.bought_on, where=days.bought & days.channel.notnull()),
        first_spend=days.net.fill_null(0).argmin(days.bought_on, where=days.bought),
        **{f"spend_{n}d": days.net.sum(where=within(days.event_date, as_of, n)).fill_null(0) for n in WINDOWS},
        **{f"purchase_days_{n}d": days.bought_on.count(where=within(days.event_date, as_of, n)) for n in COUNTED},
    )
    table = table.filter(table.purchase_days > 0)
    today = ibis.literal(as_of)
    table = table.mutate(
        recency_days=today.delta(table.last_purchase_on, unit="day"),
        tenure_days=today.delta(table.first_purchase_on, unit="day"),
        frequency=table.purchase_days - 1,
        sales=(table.spend + table.refunds).cast(_WIDE),
        monetary_value=_mean(table.spend, table.purchase_days),
    )
    return table.mutate(refund_share=_float(table.refunds) / _float(table.sales).nullif(0))


def _early(lines: ibis.Table, days: ibis.Table, customers: ibis.Table, as_of: date) -> ibis.Table:
    """Returns from before the first purchase day."""
    firsts = customers.select("customer_id", "first_purchase_on")
    returns = days.filter(~days.bought)
    joined = returns.inner_join(firsts, "customer_id")
    early = joined.filter(joined.event_date < joined.first_purchase_on)
    return early.group_by("customer_id").agg(early_spend=early.net.sum())


def _repeat(table: ibis.Table) -> ibis.Table:
    """What came in after the first purchase day: all spend, less the first day's, less returns from before it."""
    spent = (table.spend - table.first_spend - table.early_spend.fill_null(0)).cast(_WIDE)
    return table.mutate(repeat_spend=spent, repeat_monetary_value=_mean(spent, table.frequency.nullif(0)))


def _gaps(lines: ibis.Table, days: ibis.Table, customers: ibis.Table, as_of: date) -> ibis.Table:
    """Days between one purchase day and the next; the standard deviation from integer sums, which are exact."""
    import ibis

    bought = days.filter(days.bought).select("customer_id", "event_date")
    before = bought.event_date.lag().over(ibis.window(group_by=bought.customer_id, order_by=bought.event_date))
    gaps = bought.mutate(before=before)
    gap = gaps.event_date.delta(gaps.before, unit="day").cast("int64")
    gaps = gaps.filter(gaps.before.notnull()).select("customer_id", gap=gap)
    table = gaps.group_by("customer_id").agg(
        n=gaps.gap.count(), total=gaps.gap.sum().cast("int64"), squares=(gaps.gap * gaps.gap).sum().cast("int64")
    )
    deviation = _float(table.n * table.squares - table.total * table.total)
    variance = deviation / _float(table.n * (table.n - 1)).nullif(0)
    return table.select(
        "customer_id", gap_mean_days=_float(table.total) / _float(table.n), gap_std_days=variance.sqrt()
    )


def _orders(lines: ibis.Table, days: ibis.Table, customers: ibis.Table, as_of: date) -> ibis.Table:
    """Distinct orders with a line that counts, each on the first day of such a line."""
    bought = lines.filter(lines.bought)
    orders = bought.group_by("customer_id", "order_id").agg(ordered_on=bought.event_date.min())
    windows = {f"orders_{n}d": within(orders.ordered_on, as_of, n).cast("int64").sum() for n in WINDOWS}
    return orders.group_by("customer_id").agg(orders=orders.count(), **windows)


def _products(lines: ibis.Table, days: ibis.Table, customers: ibis.Table, as_of: date) -> ibis.Table:
    """Distinct products bought; NULL where no line says which."""
    pairs = lines.filter(lines.bought, lines.product_id.notnull()).select("customer_id", "product_id").distinct()
    return pairs.group_by("customer_id").agg(products=pairs.count())


_Family = Callable[["ibis.Table", "ibis.Table", "ibis.Table", date], "ibis.Table"]
_FAMILIES: tuple[tuple[dict[str, str], _Family], ...] = (
    (REPEAT_TYPES, _early),
    (GAP_TYPES, _gaps),
    (ORDER_TYPES, _orders),
    (PRODUCT_TYPES, _products),
)


def beside(table: ibis.Table, other: ibis.Table) -> ibis.Table:
    """The table with the other one's columns, where it has the customer."""
    joined = table.left_join(other, "customer_id")
    return joined.select(*table.columns, *(name for name in other.columns if name != "customer_id"))


def _float(value: ibis.Value) -> ibis.Value:
    return value.cast("float64")


def _mean(total: ibis.Value, n: ibis.Value) -> ibis.Value:
    """Money a purchase day, never below zero; NULL for n NULL."""
    mean = _float(total) / _float(n)
    return (mean > 0).ifelse(mean, 0 * _float(n))
