"""Which columns of the conformed rows the features can read: what else changes there, no score follows from it."""

from __future__ import annotations

READS = {
    "orders": (
        "order_id",
        "customer_key",
        "event_date",
        "product_id",
        "quantity",
        "amount",
        "channel",
        "status",
        "cost",
    ),
    "market": ("period", "market_size", "own_share"),
}
"""By entity; of an entity that is not here nothing is read. Every feature counts, asked for or not."""
