"""Do both compute the same? The script's scores of a day beside ddcrm's, customer by customer, in the warehouse."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Agreement:
    """Customers that each has; of those of both, the shares that agree, and sums over them as ddcrm's / script's."""

    customers: int
    only_one: int
    same_frequency: float
    same_recency: float
    orders_ratio: float
    orders_correlation: float
    clv_ratio: float
    clv_correlation: float

    def sentence(self) -> str:
        """The same in words."""
        missing = f", {self.only_one:,} are with one of them only" if self.only_one else ""
        return (
            f"Both score the same {self.customers:,} customers{missing}: frequency is equal for "
            f"{self.same_frequency:.2%}, recency for {self.same_recency:.2%}. Sums, ddcrm / script: expected orders in "
            f"365 days {self.orders_ratio:.3f} (correlation {self.orders_correlation:.4f}), lifetime value "
            f"{self.clv_ratio:.3f} (correlation {self.clv_correlation:.4f})."
        )


_QUERY = """
SELECT count(*) FILTER (WHERE a.customer_id IS NOT NULL AND b.customer_id IS NOT NULL),
       count(*) FILTER (WHERE a.customer_id IS NULL OR b.customer_id IS NULL),
       avg((a.frequency = b.frequency)::int)::float8, avg((a.recency_days = b.recency_days)::int)::float8,
       sum(a.expected_orders_365d) FILTER (WHERE b.customer_id IS NOT NULL)
         / sum(b.expected_orders_365d) FILTER (WHERE a.customer_id IS NOT NULL),
       corr(a.expected_orders_365d, b.expected_orders_365d),
       sum(a.clv_365d) FILTER (WHERE b.customer_id IS NOT NULL)::float8
         / sum(b.clv_365d) FILTER (WHERE a.customer_id IS NOT NULL)::float8,
       corr(a.clv_365d::float8, b.clv_365d::float8)
FROM (SELECT * FROM crm.customer_scores WHERE as_of = %s) a
FULL JOIN script.customer_scores b USING (customer_id)
"""


def agreement(url: str, as_of: str) -> Agreement:
    """Compare what is published of `as_of` with what the script left."""
    import psycopg

    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        row = connection.execute(_QUERY, [as_of]).fetchone()
    return Agreement(*row)  # type: ignore[misc]
