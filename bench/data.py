"""The shop of the benchmark: customers who buy as BG/NBD and Gamma-Gamma have it, one CSV file of orders a day.

The same size and seed give the same bytes. Times are days as floats, from the first day's midnight.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

Floats = NDArray[np.float64]

COLUMNS = ("order_no", "customer_no", "ordered_at", "pieces", "amount", "channel")
CHANNELS = ("web", "store", "app")
_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Shop:
    """How large it is and how its customers buy; rates are per day, money per order."""

    customers: int = 1_000_000
    days: int = 730
    first: date = date(2024, 1, 1)
    seed: int = 20_240_101
    r: float = 0.5
    alpha: float = 25.0
    a: float = 0.8
    b: float = 3.0
    p: float = 6.0
    q: float = 4.0
    v: float = 15.0

    @property
    def last(self) -> date:
        """The day that the benchmark ingests and scores; all days before it are history."""
        return self.first + timedelta(days=self.days - 1)


@dataclass(frozen=True)
class Orders:
    """Orders in the order of time: `customer` (n,) from 0, `time` (n,) in days, `cents` (n,)."""

    customer: NDArray[np.int64]
    time: Floats
    cents: NDArray[np.int64]


def simulate(shop: Shop) -> Orders:
    """All orders of all customers; every customer has at least one, on a day that any is as likely as another."""
    rng = np.random.default_rng(shop.seed)
    begins = rng.uniform(0, shop.days, shop.customers)
    pace = rng.gamma(shop.r, 1 / shop.alpha, shop.customers)
    leaves = rng.beta(shop.a, shop.b, shop.customers)
    customer, time = _purchases(rng, shop.days, begins, pace, leaves)
    order = np.lexsort((customer, time))
    customer, time = customer[order], time[order]
    rate = rng.gamma(shop.q, 1 / shop.v, shop.customers)
    amount = rng.standard_gamma(shop.p, len(time)) / rate[customer]
    cents = np.clip(np.rint(100 * amount), 1, 10_000_000).astype(np.int64)
    return Orders(customer, time, cents)


def _purchases(
    rng: np.random.Generator, days: int, begins: Floats, pace: Floats, leaves: Floats
) -> tuple[NDArray[np.int64], Floats]:
    """Everybody's first purchase, then each round the next one of those who are still there."""
    who, now = np.arange(len(begins)), begins
    customers, times = [who], [now]
    while len(who):
        now = now + rng.standard_exponential(len(who)) / np.maximum(pace[who], 1e-12)
        here = now < days
        who, now = who[here], now[here]
        customers.append(who)
        times.append(now)
        stays = rng.random(len(who)) >= leaves[who]
        who, now = who[stays], now[stays]
    return np.concatenate(customers), np.concatenate(times)


def write_days(shop: Shop, folder: Path) -> int:
    """Write `<day>/orders.csv` for each day below `folder` unless the same is there; returns the number of orders."""
    marker = folder / "shop.json"
    wanted = {name: str(value) for name, value in asdict(shop).items()}
    if marker.is_file() and (known := json.loads(marker.read_text("utf-8")))["shop"] == wanted:
        return int(known["orders"])
    shutil.rmtree(folder, ignore_errors=True)
    orders = simulate(shop)
    bounds = np.searchsorted(orders.time, np.arange(shop.days + 1))
    for number in range(shop.days):
        day = folder / str(shop.first + timedelta(days=number))
        day.mkdir(parents=True)
        _write_day(orders, slice(bounds[number], bounds[number + 1]), shop.first, day / "orders.csv")
    marker.write_text(json.dumps({"shop": wanted, "orders": len(orders.time)}), "utf-8")
    return len(orders.time)


def _write_day(orders: Orders, rows: slice, first: date, file: Path) -> None:
    from pyarrow import csv

    csv.write_csv(_table(orders, rows, first), file, csv.WriteOptions(quoting_style="needed"))


def _table(orders: Orders, rows: slice, first: date) -> pa.Table:
    """The rows of one file; order numbers count through all days, pieces and channel follow from them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    number = np.arange(rows.start, rows.stop)
    seconds = np.floor(orders.time[rows] * _DAY_SECONDS).astype("timedelta64[s]")
    customer = pc.utf8_lpad(pa.array(orders.customer[rows]).cast(pa.string()), 7, "0")
    columns = [
        pc.binary_join_element_wise("A", pc.utf8_lpad(pa.array(number).cast(pa.string()), 8, "0"), "-"),
        pc.binary_join_element_wise("C", customer, ""),
        pc.strftime(pa.array(np.datetime64(first, "s") + seconds), format="%Y-%m-%d %H:%M:%S"),
        pa.array(1 + number % 3),
        pc.multiply(pa.array(orders.cents[rows]).cast(pa.decimal128(19, 0)), Decimal("0.01")),
        pa.array(np.array(CHANNELS)[number % len(CHANNELS)]),
    ]
    return pa.table(columns, names=list(COLUMNS))


def main(folder: str, marks: str, customers: str, days: str) -> None:
    """Make the orders of a shop in a process of its own."""
    orders = write_days(Shop(customers=int(customers), days=int(days)), Path(folder))
    Path(marks).write_text(json.dumps({"orders": orders}), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
