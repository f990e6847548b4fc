"""The orders of the models' benchmark, in one Parquet file: customer, day, amount.

    python -m bench.models_data FILE MARKS CUSTOMERS DAYS KEYS

They are those of the shop (bench/data.py), under the names of the conformed layer. KEYS says what customers look like
(bench/keys.py); those of the shop are padded.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np

from bench.data import Shop, simulate
from bench.keys import KEYS


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
