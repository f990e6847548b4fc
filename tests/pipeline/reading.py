"""What a test reads back: rows and digests, from the warehouse and the lake, in plain SQL."""

from __future__ import annotations

from datetime import date
from typing import Any

import psycopg

from ddcrm.settings import Settings

TABLES = ("customer_scores", "customer_segments", "segment_profiles", "segment_migration", "cohort_retention",
          "revenue_tree", "value_by_period")  # fmt: skip


def rows(settings: Settings, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Rows of the warehouse."""
    from ddcrm.warehouse.connect import Warehouse

    with Warehouse.open(settings) as warehouse, psycopg.connect(warehouse.conninfo) as connection:
        return connection.execute(query, values).fetchall()


def published(settings: Settings, as_of: date) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of a published day, sorted, by table; with the digests of the ledger."""
    from ddcrm.warehouse.connect import Warehouse

    with Warehouse.open(settings) as warehouse, psycopg.connect(warehouse.conninfo) as connection:
        found = {table: connection.execute(f"SELECT * FROM crm.{table} WHERE as_of = %s", (as_of,)) for table in TABLES}
        content = {table: sorted(map(repr, answer)) for table, answer in found.items()}
        digests = "SELECT table_name, rows, digest FROM ops.publications WHERE as_of = %s ORDER BY 1"
        return {**content, "digests": connection.execute(digests, (as_of,)).fetchall()}


def ledger(settings: Settings) -> list[tuple[Any, ...]]:
    """What became of each batch, with its digest."""
    return rows(settings, "SELECT source, batch_date, landed, conformed, quarantined, excluded, duplicates, digest "
                          "FROM ops.batches ORDER BY 1, 2")  # fmt: skip


def conformed(settings: Settings) -> list[tuple[Any, ...]]:
    """The conformed orders, without the names of their files."""
    from ddcrm.lake.engine import Engine, read_parquet
    from ddcrm.lake.layout import conformed_table

    files = conformed_table(settings, "orders").files()
    if not files:
        return []
    with Engine(settings) as engine:
        return engine.con.execute(f"SELECT batch_date, order_id, line_no, customer_key, ordered_at, amount "
                                  f"FROM {read_parquet(files)} ORDER BY ALL").fetchall()  # fmt: skip


def landed(settings: Settings) -> list[tuple[Any, ...]]:
    """Rows of each landed day."""
    from ddcrm.lake.engine import Engine, read_parquet
    from ddcrm.lake.layout import landing_table

    files = landing_table(settings, "orders").files()
    if not files:
        return []
    with Engine(settings) as engine:
        return engine.con.execute(
            f"SELECT _batch_date, count(*) FROM {read_parquet(files)} GROUP BY 1 ORDER BY 1"
        ).fetchall()
