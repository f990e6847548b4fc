"""What was planted, and what must become of every delivered row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ddcrm.demo.deliver import Drawn
from ddcrm.demo.files import parquet_bytes
from ddcrm.demo.parameters import Company
from ddcrm.demo.purchases import customer_truth

Planted = dict[str, dict[str, int]]

_KEYS = {"orders": "order_id", "events": "event_id", "tickets": "ticket_id", "feedback": "review_id",
         "contacts": "contact", "customers": "customer_no"}  # fmt: skip
_QUARANTINED = {
    "orders": ("broken_dates", "unknown_channels", "negative_prices", "thousands_separators", "missing_customer_keys",
               "missing_order_ids"),
    "events": ("anonymous_events",),
    "feedback": ("bad_ratings",),
    "contacts": ("broken_sent_dates",),
}  # fmt: skip
_EXCLUDED = {"orders": {"test": "test_orders"}}  # note -> the rule of the contract
_WARNED = {"customers": ("invalid_emails",), "tickets": ("bad_satisfactions",)}


def write_truth(company: Company, drawn: Drawn, rows: Mapping[str, int], folder: Path) -> Planted:
    """Write truth.json and truth/*.parquet below `folder`; returns the number of planted rows a source and kind."""
    table = planted_rows(company, drawn)
    planted: Planted = {}
    for source, kind in zip(table["source"], table["kind"], strict=True):
        kinds = planted.setdefault(source, {})
        kinds[kind] = kinds.get(kind, 0) + 1
    planted = {source: dict(sorted(kinds.items())) for source, kinds in planted.items()}
    (folder / "truth").mkdir()
    (folder / "truth" / "customers.parquet").write_bytes(parquet_bytes(customer_truth(company, drawn.truth)))
    (folder / "truth" / "planted.parquet").write_bytes(parquet_bytes(table))
    text = {"company": company.as_dict(), "planted": planted, "sources": outcomes(rows, planted)}
    (folder / "truth.json").write_text(json.dumps(text, indent=2) + "\n", "utf-8")
    return planted


def planted_rows(company: Company, drawn: Drawn) -> pd.DataFrame:
    """One row a delivered row that is not plain: source, kind, batch_date, key (as it was before it was spoilt)."""
    parts = []
    for source, rows in drawn.marked().items():
        chosen = rows[rows["note"] != ""]
        days = [company.day(day) for day in chosen["batch"]]
        parts.append(pd.DataFrame({"source": source, "kind": chosen["note"].to_numpy(), "batch_date": days,
                                   "key": chosen[_KEYS[source]].to_numpy()}))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def outcomes(rows: Mapping[str, int], planted: Planted) -> dict[str, dict[str, Any]]:
    """Where the rows of each source go: landed = conformed + quarantined + excluded + duplicates."""
    return {source: _outcome(source, count, planted.get(source, {})) for source, count in sorted(rows.items())}


def _outcome(source: str, landed: int, planted: Mapping[str, int]) -> dict[str, Any]:
    quarantined = {kind: planted[kind] for kind in _QUARANTINED.get(source, ()) if kind in planted}
    excluded = {rule: planted[kind] for kind, rule in _EXCLUDED.get(source, {}).items() if kind in planted}
    duplicates = planted.get("duplicate", 0)
    lost = sum(quarantined.values()) + sum(excluded.values()) + duplicates
    warned = {kind: planted[kind] for kind in _WARNED.get(source, ()) if kind in planted}
    return {"landed": landed, "conformed": landed - lost, "quarantined": quarantined, "excluded": excluded,
            "duplicates": duplicates, "warned": warned}  # fmt: skip
