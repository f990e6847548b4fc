"""A project whose conformed orders are put there directly: what training and scoring begin with."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from ddcrm.lake.delta import stage
from ddcrm.lake.engine import Engine
from ddcrm.lake.layout import conformed_table
from ddcrm.settings import Settings, load_settings
from tests.pipeline.shop import CONTRACT

FIRST = date(2026, 1, 1)
SOURCE = "orders"
_QUERY = """
    SELECT order_id, line_no, customer_key, CAST(event_date AS TIMESTAMPTZ) AS ordered_at, CAST(NULL AS VARCHAR) AS
    product_id, CAST(1 AS BIGINT) AS quantity, amount, CAST(NULL AS DECIMAL(18, 2)) AS cost, CAST(NULL AS VARCHAR) AS
    channel, CAST(NULL AS VARCHAR) AS status, CAST(NULL AS VARCHAR) AS currency, event_date, 'orders' AS source,
    CAST(batch_date AS VARCHAR) AS batch_date FROM arrived
"""


def project(folder: Path, toml: str = "") -> Settings:
    """A project with the contract of the test shop, and no data."""
    (folder / "contracts/orders").mkdir(parents=True)
    (folder / "contracts/orders/1.0.0.yaml").write_text(CONTRACT)
    (folder / "ddcrm.toml").write_text(f'{toml}\n[engine]\nmemory_limit = "2GB"\n')
    return load_settings(folder)


def commit(settings: Settings, orders: pa.Table) -> None:
    """Put order lines into the lake, in place of what the days of their batches held.

    orders: order_id, line_no, customer_key, event_date, amount, batch_date.
    """
    table = conformed_table(settings, "orders")
    with Engine(settings) as engine:
        engine.con.register("arrived", orders)
        schema = engine.con.execute(f"{_QUERY} LIMIT 0").to_arrow_table().schema
        files = stage(engine, _QUERY, table.folder, table.partition_by)
        days = sorted({file.partition["batch_date"] for file in files})
        where = [("source", "=", SOURCE), ("batch_date", ">=", days[0]), ("batch_date", "<=", days[-1])]
        table.commit(files, schema, where)


def history(customers: int = 400, days: int = 100, seed: int = 5) -> pa.Table:
    """Purchases by the story that BG/NBD and Gamma-Gamma tell, each arriving on its day; one line an order."""
    chance = np.random.default_rng(seed)
    rows = []
    for customer in range(customers):
        rate, leaves = chance.gamma(0.8, 0.15), chance.beta(1.0, 3.0)
        day, worth = float(chance.integers(0, days)), chance.gamma(6.0, 8.0)
        while day < days:
            rows.append((f"C{customer:05}", int(day), round(chance.gamma(5.0, worth / 5.0), 2) + 0.01))
            if chance.random() < leaves:
                break
            day += 1 + chance.exponential(1 / rate)
    return orders([(customer, FIRST + timedelta(days=day), amount) for customer, day, amount in rows])


def orders(rows: list[tuple[str, date, float]], arrived: date | None = None, prefix: str = "A") -> pa.Table:
    """Order lines from (customer, day, amount); `arrived`: the batch of all of them, else each day's own."""
    return pa.table(
        {
            "order_id": [f"{prefix}{number:06}" for number in range(len(rows))],
            "line_no": pa.array([1] * len(rows), pa.int64()),
            "customer_key": [customer for customer, _, _ in rows],
            "event_date": pa.array([day for _, day, _ in rows], pa.date32()),
            "amount": pa.array([round(amount, 2) for _, _, amount in rows]).cast(pa.decimal128(18, 2)),
            "batch_date": pa.array([arrived or day for _, day, _ in rows], pa.date32()),
        }
    )
