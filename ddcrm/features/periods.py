"""What each customer bought within a period: the truth of a holdout, or the last period before it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from ddcrm.features.purchases import counted_days, purchase_lines
from ddcrm.lake.asof import as_of_view
from ddcrm.settings import PurchaseSettings

if TYPE_CHECKING:
    import ibis
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from ddcrm.lake.engine import Engine

LAST_PERIOD = ("last_purchase_days", "last_spend")
"""Purchase days and net spend of a last period; how long it is, who asks says."""


def period_totals(orders: ibis.Table, after: date, last: date, purchase: PurchaseSettings) -> ibis.Table:
    """Purchase days and net spend of each customer from the day after `after` to `last`.

    orders: as `purchase_features` takes them. Returns customer_id, purchase_days (int64) and spend (decimal(38,2),
    refunds subtracted), a row for each customer with a line in the period, in no order of rows.
    """
    import ibis

    days = counted_days(purchase_lines(orders, last, purchase))
    days = days.filter(days.event_date > ibis.literal(after))
    return days.group_by("customer_id").agg(
        purchase_days=days.bought_on.count(), spend=days.net.sum().cast("decimal(38, 2)")
    )


def period_table(engine: Engine, known: date, after: date, last: date) -> pa.Table:
    """The same as an Arrow table in the order of customer_id, from the orders as they were known at the end of `known`.

    No orders had arrived by then: no rows.
    """
    return engine.once(("period", known, after, last), lambda: _computed(engine, known, after, last))


def _computed(engine: Engine, known: date, after: date, last: date) -> pa.Table:
    import pyarrow as pa

    orders = as_of_view(engine, engine.settings, "orders", known)
    if orders is None:
        schema = [("customer_id", pa.string()), ("purchase_days", pa.int64()), ("spend", pa.decimal128(38, 2))]
        return pa.schema(schema).empty_table()
    totals = period_totals(orders, after, last, engine.settings.purchase)
    return engine.ibis.to_pyarrow(totals.order_by("customer_id")).combine_chunks()


def totals(ids: pa.ChunkedArray, found: pa.Table) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Purchase days and spend of the customers, (n,) each, from a table of `period_table`; 0 for who is not in it."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = pc.index_in(ids, found["customer_id"].combine_chunks())
    columns = (pc.fill_null(found[name].cast(pa.float64()).take(rows), 0.0) for name in ("purchase_days", "spend"))
    purchases, spend = (np.asarray(column.to_numpy(), dtype=np.float64) for column in columns)
    return purchases, spend


def with_last_period(engine: Engine, features: pa.Table, as_of: date, days: int) -> pa.Table:
    """Features, customer_id among them, with what the last `days` days brought: the columns LAST_PERIOD, float64."""
    found = totals(features["customer_id"], period_table(engine, as_of, as_of - timedelta(days=days), as_of))
    for name, values in zip(LAST_PERIOD, found, strict=True):
        features = features.append_column(name, [values])
    return features
