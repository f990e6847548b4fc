"""Frequency, recency, tenure and repeat spend from orders in memory: what the models of value learn from, and no more.

The pipeline computes features in the engine, from data of any size; this is for a table of orders that is at hand. The
columns are those of `purchase_features`, to the bit: customer, day and row become one integer, these are sorted, and
money is summed in cents, exactly (ddcrm/features/numbered.py says how customers become numbers).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ddcrm.features.numbered import changes, low_bits, numbered
from ddcrm.settings import PurchaseSettings

if TYPE_CHECKING:
    import pyarrow as pa

Numbers = NDArray[Any]
Words = NDArray[np.uint64]
Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]
_BITS = 64
_CORES = 2
_EPOCH = date(1970, 1, 1)
_ROWS = 2**15  # at once: what is made of them stays near the processor
_KINDS = (np.int64, np.int32, np.int32, np.int32, np.float64)


def purchase_summary(orders: pa.Table, as_of: date, purchase: PurchaseSettings | None = None) -> pa.Table:
    """customer_id, frequency, recency_days, tenure_days and repeat_monetary_value of each customer, as of a day.

    orders: order lines with customer_key, event_date (dates, or local times, of which the day counts) and amount
    (decimal with at most two places, whole numbers, or floats, which are rounded to cents); status where the settings
    exclude some. The rows stand in the order in which customers first appear. Feed them to `model_times`, or to a model
    whose unit of time is a day.
    """
    purchase = purchase or PurchaseSettings()
    lines = _counted(orders, as_of, purchase)
    return _table(lines["customer_key"], *_customers(lines, as_of, purchase.counts))


def _customers(lines: pa.Table, as_of: date, counts: str) -> list[Numbers]:
    """Of each customer: first row, purchase days, days since the first and since the last of them, repeat spend."""
    sort = _sorted(lines["customer_key"], lines["event_date"])
    cents = _cents(lines["amount"])
    bought = _bought(cents, lines["amount"], counts)
    found: list[Numbers] = [np.empty(len(lines), kind) for kind in _KINDS]  # untouched memory takes no room
    known = 0
    with ThreadPoolExecutor(_CORES) as pool:
        for part in pool.map(lambda some: _of_customers(some, sort, bought, cents), sort.whole_customers()):
            for column, values in zip(found, part, strict=True):
                column[known : known + len(values)] = values
            known += len(part[0])
    row, count, first, last, spent = (column[:known] for column in found)
    until = np.int32((as_of - _EPOCH).days - sort.day)
    return [row, count, until - first, until - last, spent]


def _counted(orders: pa.Table, as_of: date, purchase: PurchaseSettings) -> pa.Table:
    """The lines that count at all; a table is copied only where some do not."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keep = []
    for name, cast in (("customer_key", _texts), ("event_date", _dates)):
        orders = orders.set_column(orders.schema.get_field_index(name), name, cast(orders[name]))
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


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Views and dictionaries as what they stand for; keys that are no texts stay."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        column = column.cast(pa.large_string() if pa.types.is_string(kind) else kind)
    return column.cast(pa.large_string()) if pa.types.is_string_view(kind) else column


def _dates(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    return (pc.floor_temporal(column, unit="day") if pa.types.is_timestamp(column.type) else column).cast(pa.date32())


def _cents(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Money as cents; 0 where it is unknown."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_integer(column.type):
        column = column.cast(pa.decimal128(22, 2))  # any of 64 bits
    money = column.cast(pa.decimal128(18, 2))
    cents = np.empty(len(money), np.float64)
    at = 0
    for chunk in (pc.fill_null(money, 0) if money.null_count else money).chunks:
        words = np.frombuffer(chunk.buffers()[1], "<i8")  # two for each number, the lower one first: 18 digits fit it
        cents[at : at + len(chunk)] = words[2 * chunk.offset :: 2][: len(chunk)]
        at += len(chunk)
    return cents


def _bought(cents: NDArray[np.float64], column: pa.ChunkedArray, counts: str) -> Flags | None:
    """Whether a line makes its day a purchase day (None: all of them do)."""
    import pyarrow.compute as pc

    if counts == "any":
        return None
    bought: Flags = cents >= {"positive": 1, "non_negative": 0}[counts]
    if column.null_count:
        bought &= pc.is_valid(column).to_numpy()
    return None if bought.all() else bought


@dataclass(frozen=True)
class _Sorted:
    """Lines by customer and day: numbers of customer, day and row in one, from the first bits to the last."""

    key: Words
    day: int  # since 1970: day 0 of the key
    day_bits: int
    row_bits: int
    rows: Rows | None  # where there was no room for them in the key

    def part(self, which: slice) -> tuple[Words, Rows]:
        """Customer and day, and the row."""
        key = self.key[which]
        row = (key & low_bits(self.row_bits)).astype(np.int64) if self.rows is None else self.rows[which]
        return key >> np.uint64(self.row_bits), row

    def whole_customers(self) -> Iterator[slice]:
        """Slices of some _ROWS rows; no customer is in two of them."""
        begin = 0
        while begin < len(self.key):
            last = self.key[min(begin + _ROWS, len(self.key)) - 1] | low_bits(self.day_bits + self.row_bits)
            end = begin + int(np.searchsorted(self.key[begin:], last, side="right"))
            yield slice(begin, end)
            begin = end


def _sorted(keys: pa.ChunkedArray, dates: pa.ChunkedArray) -> _Sorted:
    import pyarrow.compute as pc

    row_bits = max(len(keys) - 1, 0).bit_length()
    begin, end = ((day.as_py() or _EPOCH) - _EPOCH for day in pc.min_max(dates).values())
    day_bits = (end - begin).days.bit_length()
    key, bits = numbered(keys, _BITS - day_bits - row_bits)
    fits = bits + day_bits + row_bits <= _BITS
    at = 0
    for chunk in dates.chunks:
        days = np.frombuffer(chunk.buffers()[1], np.int32)[chunk.offset : chunk.offset + len(chunk)]
        for some in (days[start : start + _ROWS] for start in range(0, len(days), _ROWS)):
            part = key[at : at + len(some)]
            part <<= np.uint64(day_bits)
            part |= (some - np.int32(begin.days)).view(np.uint32)
            if fits:
                part <<= np.uint64(row_bits)
                part |= np.arange(at, at + len(some), dtype=np.uint64)
            at += len(some)
    if fits:
        key.sort()
        return _Sorted(key, begin.days, day_bits, row_bits, None)
    rows = np.argsort(key, kind="stable")
    return _Sorted(key[rows], begin.days, day_bits, 0, rows)


def _of_customers(which: slice, lines: _Sorted, bought: Flags | None, cents: NDArray[np.float64]) -> list[Numbers]:
    """Of each customer who bought: first row, purchase days, the first and the last of them, spend after the first."""
    (at, row), day_bits = lines.part(which), lines.day_bits
    counted = at
    if bought is not None:
        counts = bought[row]
        begins = _begins(at >> np.uint64(day_bits))
        some = np.repeat(np.logical_or.reduceat(counts, begins), np.diff(begins, append=len(at)))
        counted, at, row = at[counts], at[some], row[some]
    begins = _begins(counted >> np.uint64(day_bits))
    day = _day_of(counted, day_bits)
    first, last = day[begins], day[np.append(begins, len(day))[1:] - 1]
    count = np.add.reduceat(changes(counted), begins, dtype=np.int32)
    if bought is not None:
        begins, day = _begins(at >> np.uint64(day_bits)), _day_of(at, day_bits)
    later = day > np.repeat(first, np.diff(begins, append=len(at)))
    spent = np.add.reduceat(cents[row] * later, begins)  # exact up to 2^53
    return [np.minimum.reduceat(row, begins), count, first, last, spent]


def _day_of(at: Words, day_bits: int) -> NDArray[np.int32]:
    return (at & low_bits(day_bits)).astype(np.int32)


def _begins(values: Words) -> Rows:
    return np.flatnonzero(changes(values))


def _table(
    keys: pa.ChunkedArray, row: Rows, count: Numbers, tenure: Numbers, recency: Numbers, cents: NDArray[np.float64]
) -> pa.Table:
    """Customers in the order of their first rows."""
    import pyarrow as pa

    places = max(len(row) - 1, 0).bit_length()
    key = row.astype(np.uint64) << np.uint64(places)
    key |= np.arange(len(row), dtype=np.uint64)
    key.sort()  # faster than argsort
    order = (key & low_bits(places)).astype(np.int64)
    key >>= np.uint64(places)
    customers = keys.take(_column(key, pa.uint64()))
    if pa.types.is_large_string(customers.type):
        customers = customers.cast(pa.string())
    del key
    frequency = count[order] - np.int32(1)
    again = frequency > 0
    mean = np.where(again, np.maximum(cents[order] / 100, 0.0) / np.maximum(frequency, 1), np.nan)
    columns = {
        "customer_id": customers,
        "frequency": _column(frequency, pa.int32()),
        "recency_days": _column(recency[order], pa.int32()),
        "tenure_days": _column(tenure[order], pa.int32()),
        "repeat_monetary_value": _column(mean, pa.float64(), again),
    }
    return pa.table(columns)


def _column(values: Numbers, kind: pa.DataType, known: Flags | None = None) -> pa.Array:
    """The values, NULL where they are not known; pa.array would import pandas for it."""
    import pyarrow as pa

    bits = None if known is None else pa.py_buffer(np.packbits(known, bitorder="little"))
    return pa.Array.from_buffers(kind, len(values), [bits, pa.py_buffer(values)])
