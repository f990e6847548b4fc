"""What the demo found: queries of the warehouse, as a user would write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddcrm.demo.show import Show

if TYPE_CHECKING:
    from ddcrm.warehouse.connect import Warehouse


@dataclass(frozen=True)
class Finding:
    """A table of the summary: its title, its columns, the query that gives them."""

    title: str
    header: tuple[str, ...]
    query: str


FINDINGS = (
    Finding("Segments by rfm, kmeans, usage (crm.current_segment_profiles)",
            ("scheme", "segment", "customers", "share %", "revenue %"), """
        SELECT scheme, segment, customers, round(100 * share::numeric, 1), round(100 * revenue_share::numeric, 1)
        FROM crm.current_segment_profiles WHERE scheme IN ('rfm', 'kmeans', 'usage')
        ORDER BY scheme DESC, customers DESC, segment"""),
    Finding("Segments by lifecycle and value_tier, and why somebody is in them (the same table)",
            ("scheme", "segment", "right of %", "why"), """
        SELECT scheme, segment, round(100 * fidelity::numeric, 1), explanation
        FROM crm.current_segment_profiles WHERE scheme IN ('lifecycle', 'value_tier')
        ORDER BY scheme, revenue_share DESC, segment"""),
    Finding("The ten most valuable customers (crm.current_customer_scores)",
            ("customer", "segment", "purchase days", "mean spend, EUR", "P(alive)", "orders in 365 d",
             "value in 365 d, EUR"), """
        SELECT customer_id, segment, frequency + 1, monetary_value, round(p_alive::numeric, 3),
               round(expected_orders_365d::numeric, 1), clv_365d
        FROM crm.current_customer_scores JOIN crm.current_customer_segments USING (as_of, customer_id)
        WHERE scheme = 'rfm' AND clv_365d IS NOT NULL ORDER BY clv_365d DESC, customer_id LIMIT 10"""),
    Finding("Quarantined rows (ops.batch_reasons)", ("source", "reason", "rows"), """
        SELECT source, reason, sum(rows)::bigint FROM ops.batch_reasons WHERE outcome = 'quarantined'
        GROUP BY source, reason ORDER BY 3 DESC, source, reason"""),
    Finding("Published days (ops.publications)", ("day", "customers", "digest of customer_scores"), """
        SELECT as_of, rows, left(digest, 16) FROM ops.publications WHERE table_name = 'customer_scores'
        ORDER BY as_of DESC LIMIT 8"""),
)  # fmt: skip


def show_findings(warehouse: Warehouse, show: Show) -> None:
    """Print what is in the warehouse; raises WarehouseError."""
    from sqlalchemy import text

    with warehouse.begin() as connection:
        for finding in FINDINGS:
            show.table(finding.title, finding.header, [tuple(row) for row in connection.execute(text(finding.query))])
