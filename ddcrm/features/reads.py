"""Which columns of the conformed rows the features can read: what else changes there, no score follows from it."""

from __future__ import annotations

from collections.abc import Iterable

from ddcrm.features.families import FAMILIES, entities_of

SCORED_ON = ("orders", "market")
"""The entities that every scored day reads; the others are read where a model that speaks uses their features."""

_OWN = {
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
READS: dict[str, tuple[str, ...]] = {
    **{entity: columns for family in FAMILIES for entity, columns in family.reads.items()},
    **_OWN,
}
"""By entity; of an entity that is not here nothing is read. Every feature counts, asked for or not."""


def read_besides(features: Iterable[str]) -> tuple[str, ...]:
    """The entities beyond SCORED_ON that these features are made of, by name."""
    return tuple(entity for entity in entities_of(features) if entity not in SCORED_ON)
