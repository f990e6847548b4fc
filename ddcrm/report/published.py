"""What the report reads of a published day: sums and counts, made in the warehouse; no customer's row leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ddcrm.warehouse.connect import Warehouse

Rows = list[Mapping[str, Any]]

_FIRST = ("rfm", "value_tier", "kmeans")
WINDOW_DAYS = 90  # of the segments over time

_QUERIES = {
    "totals": """
        SELECT count(*) AS customers, sum(clv_365d) AS clv, count(clv_365d) AS valued, avg(p_alive) AS p_alive,
               sum(expected_orders_90d) AS orders_90d, min(value_method) AS value_method, min(withheld) AS withheld,
               count(clv_365d_high) AS with_interval, count(*) FILTER (WHERE clv_365d_high = 0) AS interval_of_nothing
        FROM crm.customer_scores WHERE as_of = %(as_of)s""",
    "rfm": """
        SELECT r, f, count(*) AS customers, avg(monetary_value)::float8 AS monetary_value
        FROM crm.customer_scores WHERE as_of = %(as_of)s GROUP BY r, f ORDER BY r, f""",
    "deciles": """
        SELECT decile, count(*) AS customers, sum(clv_365d) AS clv,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY clv_365d)::numeric AS clv_median,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY clv_365d_low)::numeric AS low_median,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY clv_365d_high)::numeric AS high_median
        FROM (SELECT clv_365d, clv_365d_low, clv_365d_high,
                     ntile(10) OVER (ORDER BY clv_365d DESC, customer_id) AS decile
              FROM crm.customer_scores WHERE as_of = %(as_of)s AND clv_365d IS NOT NULL) AS ranked
        GROUP BY decile ORDER BY decile""",
    "profiles": """
        SELECT * FROM crm.segment_profiles WHERE as_of = %(as_of)s ORDER BY scheme, customers DESC, segment""",
    "sizes": """
        SELECT as_of, scheme, segment, customers FROM crm.segment_profiles
        WHERE as_of BETWEEN %(since)s AND %(as_of)s ORDER BY as_of, scheme, segment""",
    "migration": """
        SELECT scheme, from_segment, to_segment, customers FROM crm.segment_migration
        WHERE as_of = %(as_of)s ORDER BY scheme, from_segment, to_segment""",
    "cohorts": """
        SELECT cohort, months_since, customers, retention FROM crm.cohort_retention
        WHERE as_of = %(as_of)s ORDER BY cohort, months_since""",
    "tree": "SELECT * FROM crm.revenue_tree WHERE as_of = %(as_of)s ORDER BY period_days, split, node",
    "periods": "SELECT * FROM crm.value_by_period WHERE as_of = %(as_of)s ORDER BY period",
    "publications": """
        SELECT table_name, rows, digest, models FROM ops.publications WHERE as_of = %(as_of)s ORDER BY table_name""",
}


@dataclass(frozen=True)
class PublishedDay:
    """The day, and the rows of each query by its name."""

    as_of: date
    found: Mapping[str, Rows]

    @property
    def totals(self) -> Mapping[str, Any]:
        """Sums over all customers."""
        return self.found["totals"][0]

    @property
    def models(self) -> Mapping[str, str]:
        """The versions of the models that the day was scored with."""
        return {name: version for row in self.found["publications"] for name, version in (row["models"] or {}).items()}

    @property
    def schemes(self) -> list[str]:
        """The published ways of segmenting, the best known first."""
        there = {row["scheme"] for row in self.found["profiles"]}
        return [*(name for name in _FIRST if name in there), *sorted(there - set(_FIRST))]

    def of(self, name: str, scheme: str) -> Rows:
        """The rows of one scheme."""
        return [row for row in self.found[name] if row["scheme"] == scheme]


def read_day(warehouse: Warehouse, as_of: date) -> PublishedDay:
    """Read a published day, all in one snapshot."""
    from psycopg import IsolationLevel
    from psycopg.rows import dict_row

    values = {"as_of": as_of, "since": as_of - timedelta(days=WINDOW_DAYS)}
    with warehouse.session(as_of=as_of) as session:
        session.isolation_level = IsolationLevel.REPEATABLE_READ
        session.read_only = True
        with session.transaction(), session.cursor(row_factory=dict_row) as cursor:
            return PublishedDay(
                as_of, {name: cursor.execute(query, values).fetchall() for name, query in _QUERIES.items()}
            )
