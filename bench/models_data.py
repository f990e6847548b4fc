"""The orders of the models' benchmark, in one Parquet file: customer, day, amount.

    python -m bench.models_data FILE MARKS CUSTOMERS DAYS KEYS

They are those of the shop (bench/data.py), under the names of the conformed layer. KEYS are what customers look like:
padded (C0000017, as in the shop), short (C17) or uuid.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np

from bench.data import Shop, simulate

_SPREAD = 0x9E3779B97F4A7C15F39CC0605CEDC835  # odd: no two numbers have the same product modulo 2^128
KEYS: dict[str, Callable[[int], str]] = {
    "padded": lambda number: f"C{number:07}",
    "short": lambda number: f"C{number}",
    "uuid": lambda number: str(uuid.UUID(int=number * _SPREAD % 2**128)),
}


def write(shop: Shop, file: Path, keys: str = "padded") -> int:
    """Write the orders in the order of time; returns how many there are."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    orders = simulate(shop)
    days = np.datetime64(shop.first, "D") + np.floor(orders.time).astype("timedelta64[D]")
    names = pa.array([KEYS[keys](number) for number in range(int(orders.customer.max(initial=0)) + 1)])
    cents = pa.array(orders.cents).cast(pa.decimal128(19, 0))
    table = pa.table(
        {
            "customer_key": names.take(pa.array(orders.customer)),
            "order_id": pa.array(np.arange(len(days))).cast(pa.string()),
            "event_date": pa.array(days),
            "amount": pc.multiply(cents, Decimal("0.01")).cast(pa.decimal128(18, 2)),
        }
    )
    pq.write_table(table, file)
    return len(days)


def main(file: str, marks: str, customers: str, days: str, keys: str) -> None:
    """Make them in a process of its own."""
    orders = write(Shop(customers=int(customers), days=int(days)), Path(file), keys)
    Path(marks).write_text(json.dumps({"orders": orders}), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
