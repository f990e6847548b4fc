"""The orders of the models' benchmark, in one Parquet file: customer, day, amount.

    python -m bench.models_data FILE MARKS CUSTOMERS DAYS

They are those of the shop (bench/data.py), under the names of the conformed layer.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np

from bench.data import Shop, simulate


def write(shop: Shop, file: Path) -> int:
    """Write the orders in the order of time; returns how many there are."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    orders = simulate(shop)
    days = np.datetime64(shop.first, "D") + np.floor(orders.time).astype("timedelta64[D]")
    customer = pc.utf8_lpad(pa.array(orders.customer).cast(pa.string()), 7, "0")
    cents = pa.array(orders.cents).cast(pa.decimal128(19, 0))
    table = pa.table(
        {
            "customer_key": pc.binary_join_element_wise("C", customer, ""),
            "order_id": pa.array(np.arange(len(days))).cast(pa.string()),
            "event_date": pa.array(days),
            "amount": pc.multiply(cents, Decimal("0.01")).cast(pa.decimal128(18, 2)),
        }
    )
    pq.write_table(table, file)
    return len(days)


def main(file: str, marks: str, customers: str, days: str) -> None:
    """Make them in a process of its own."""
    orders = write(Shop(customers=int(customers), days=int(days)), Path(file))
    Path(marks).write_text(json.dumps({"orders": orders}), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
