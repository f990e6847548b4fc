"""READS names every column that a feature can read: else a change in one would seem to touch nothing."""

from __future__ import annotations

from datetime import date

import ibis

from ddcrm.contracts.entities import ENTITIES
from ddcrm.features import purchases
from ddcrm.features.families import FAMILIES, FEATURE_TYPES
from ddcrm.features.reads import READS, SCORED_ON, read_besides
from ddcrm.settings import PurchaseSettings

TYPES = {"event_date": "date", "ordered_at": "timestamp", "amount": "decimal(18, 2)", "cost": "decimal(18, 2)",
         "quantity": "int64", "line_no": "int64"}  # fmt: skip


def test_features_read_nothing_else() -> None:
    orders = ibis.table({name: TYPES.get(name, "string") for name in READS["orders"]}, name="orders")
    for counts in ("positive", "non_negative", "any"):
        purchase = PurchaseSettings(counts=counts, exclude_status=("cancelled",))
        features = purchases.purchase_features(orders, date(2026, 1, 1), purchase)
        assert features.columns == tuple(purchases.FEATURE_TYPES)
    assert set(purchases._OPTIONAL_TYPES) <= set(READS["orders"])  # absent ones would be taken for NULL


def test_every_family_is_there_and_only_orders_and_the_market_are_read_every_day() -> None:
    for family in FAMILIES:
        for entity, columns in family.reads.items():
            assert set(columns) <= set(READS[entity])
    assert read_besides(["spend", "category_share", "tickets_open"]) == ("products", "tickets")
    assert read_besides(FEATURE_TYPES) == tuple(sorted(set(READS) - set(SCORED_ON)))


def test_they_are_columns_that_there_are() -> None:
    for entity, names in READS.items():
        assert set(names) <= {"event_date", *ENTITIES[entity].columns}
