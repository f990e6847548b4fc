"""Frequency, recency, tenure and repeat spend from orders in memory: what the models of value learn from, and no more.

The pipeline computes features in the engine, from data of any size; this is for a table of orders that is at hand. The
columns are those of `purchase_features`, to the bit: customers become numbers, customer and day one sorted integer,
and money is summed in cents, exactly (ddcrm/features/numbered.py says how customers are told apart).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ddcrm.settings import PurchaseSettings

if TYPE_CHECKING:
    import pyarrow as pa

Whole = NDArray[np.integer[Any]]
Flags = NDArray[np.bool_]


def purchase_summary(orders: pa.Table, as_of: date, purchase: PurchaseSettings | None = None) -> pa.Table:
    """customer_id, frequency, recency_days, tenure_days and repeat_monetary_value of each customer, as of a day.

    orders: order lines with customer_key, event_date (dates, or local times, of which the day counts) and amount
    (decimal with at most two places, whole numbers, or floats, which are rounded to cents); status where the settings
    exclude some. The rows stand in the order in which customers first appear. Feed them to `model_times`, or to a model
    whose unit of time is a day.
    """
    from ddcrm.features.numbered import numbered

    purchase = purchase or PurchaseSettings()
    lines = _counted(orders, as_of, purchase)
    code, customers = numbered(lines["customer_key"])
    day = _days(lines["event_date"].combine_chunks()) - np.int32(_day_number(as_of))  # 0 is as_of
    times = _times(code, day, _bought(lines["amount"], purchase.counts), len(customers))
    cents = _cents(lines["amount"])  # once more: it takes less time than room
    cents[day <= times["first"][code]] = 0  # repeat spend is that of later days
    spent = np.bincount(code, cents, len(customers))  # exact up to 2^53
    return _table(customers, times, spent)


def _counted(orders: pa.Table, as_of: date, purchase: PurchaseSettings) -> pa.Table:
    """The lines that count at all; a table is copied only where some do not."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keep = []
    orders = orders.set_column(orders.schema.get_field_index("event_date"), "event_date", _dates(orders["event_date"]))
    if (last := pc.max(orders["event_date"]).as_py()) is not None and last > as_of:
        keep.append(pc.less_equal(orders["event_date"], pa.scalar(as_of)))
    for name in ("customer_key", "event_date"):
        if orders[name].null_count:
            keep.append(pc.is_valid(orders[name]))
    if purchase.exclude_status:
        keep.append(pc.invert(pc.is_in(orders["status"], pa.array(purchase.exclude_status))))
    lines = orders.select(["customer_key", "event_date", "amount"])
    for number, mask in enumerate(keep):
        keep[number] = mask if number == 0 else pc.and_(keep[number - 1], mask)
    return lines.filter(keep[-1]) if keep else lines


def _dates(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    return (pc.floor_temporal(column, unit="day") if pa.types.is_timestamp(column.type) else column).cast(pa.date32())


def _days(column: pa.Array) -> NDArray[np.int32]:
    import pyarrow as pa

    return column.view(pa.int32()).to_numpy()


def _day_number(day: date) -> int:
    return day.toordinal() - date(1970, 1, 1).toordinal()


def _cents(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Money as cents; 0 where it is unknown."""
    import pyarrow as pa
    import pyarrow.compute as pc

    money = column.cast(pa.decimal128(18, 2))
    cents = np.empty(len(money), np.float64)
    at = 0
    for chunk in (pc.fill_null(money, 0) if money.null_count else money).chunks:
        words = np.frombuffer(
            chunk.buffers()[1], dtype="<i8"
        )  # two for each number, the lower one first: 18 digits fit it
        cents[at : at + len(chunk)] = words[2 * chunk.offset :: 2][: len(chunk)]
        at += len(chunk)
    return cents


def _bought(column: pa.ChunkedArray, counts: str) -> Flags | None:
    """Whether a line makes its day a purchase day (None: all of them do)."""
    import pyarrow.compute as pc

    if counts == "any":
        return None
    bought: Flags = _cents(column) >= {"positive": 1, "non_negative": 0}[counts]
    if column.null_count:
        bought &= pc.is_valid(column).to_numpy()
    return None if bought.all() else bought


def _times(code: Whole, day: NDArray[np.int32], bought: Flags | None, n: int) -> dict[str, Whole]:
    """Purchase days, and the first and last of them, of each customer; first is after all days where there is none."""
    base = int(day.min(initial=0))
    bits = (int(day.max(initial=0)) - base + 1).bit_length()
    key = code.astype(np.int64)
    key <<= bits
    key |= day - np.int32(base)
    if bought is not None:
        key = key[bought]
    key.sort()
    key = key[np.append(True, key[1:] != key[:-1])[: len(key)]]
    count = np.bincount(key >> bits, minlength=n)
    end = np.cumsum(count)
    some, first, last = count > 0, np.ones(n, np.int32), np.zeros(n, np.int32)
    for found, at in ((first, (end - count)[some]), (last, end[some] - 1)):
        found[some] = (key[at] & ((1 << bits) - 1)) + base
    return {"count": count, "first": first, "last": last}


def _table(customers: pa.Array, times: dict[str, Whole], spent: NDArray[Any]) -> pa.Table:
    import pyarrow as pa

    some = times["count"] > 0
    count, first, last = (times[name][some] for name in ("count", "first", "last"))
    again = count > 1
    mean = np.where(again, np.maximum(spent[some] / 100, 0.0) / np.maximum(count - 1, 1), np.nan)
    columns = {
        "customer_id": customers if some.all() else customers.filter(pa.array(some)),
        "frequency": pa.array((count - 1).astype(np.int32)),
        "recency_days": pa.array((-last).astype(np.int32)),
        "tenure_days": pa.array((-first).astype(np.int32)),
        "repeat_monetary_value": pa.array(mean, mask=~again),
    }
    return pa.table(columns)
