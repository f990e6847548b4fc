"""The tables about the whole business at an as_of: cohorts, what moved revenue, value by period. Money is exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from ddcrm.scoring.cohorts import cohort_retention
from ddcrm.scoring.revenue_tree import revenue_tree
from ddcrm.scoring.value_by_period import impossible_shares, value_by_period

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

    from ddcrm.lake.engine import Engine

REVENUE_WINDOWS = (30, 90, 365)
HISTORY_KEYS = {
    "cohort_retention": ("cohort", "months_since"),
    "revenue_tree": ("period_days", "split", "node"),
    "value_by_period": ("period",),
}
"""What tells the rows of a day apart."""


@dataclass(frozen=True)
class History:
    """The tables by name; warnings: what of them is not known though it was told, in words."""

    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def read_history(engine: Engine, as_of: date) -> History:
    """cohort_retention, revenue_tree and value_by_period, from the order lines known at `as_of`."""
    from ddcrm.features.cohorts import cohort_months
    from ddcrm.features.purchases import purchase_lines
    from ddcrm.features.revenue import monthly_sums, revenue_classes
    from ddcrm.lake.asof import as_of_view

    settings = engine.settings
    orders = as_of_view(engine, settings, "orders", as_of)
    if orders is None:
        return History()
    lines = _kept(engine, purchase_lines(orders, as_of, settings.purchase))
    cohorts = _rows(engine, cohort_months(lines))
    classes = _rows(engine, revenue_classes(lines, as_of, REVENUE_WINDOWS))
    months = _rows(engine, monthly_sums(lines))
    market = as_of_view(engine, settings, "market", as_of)
    shares = [] if market is None else _rows(engine, market.select("period", "market_size", "own_share"))
    tables = {
        "cohort_retention": cohort_retention(as_of, cohorts),
        "revenue_tree": revenue_tree(as_of, classes, REVENUE_WINDOWS),
        "value_by_period": value_by_period(as_of, months, shares, settings.value.margin),
    }
    return History(tables, impossible_shares(months, shares))


def _kept(engine: Engine, lines: ibis.Table) -> ibis.Table:
    """The lines as a table of the engine's: the view is read once, not by each query."""
    columns = ("customer_id", "order_id", "event_date", "amount", "cost", "bought")
    return engine.ibis.create_table("history_lines", lines.select(*columns), temp=True, overwrite=True)


def _rows(engine: Engine, table: ibis.Table) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = engine.ibis.to_pyarrow(table).to_pylist()
    return found
