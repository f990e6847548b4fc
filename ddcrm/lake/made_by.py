"""What a conformed partition was made by: kept in the ledger, and held against what would make it now.

    {"rules": digest, "columns": {name: digest}, "deciding": [name], "suite": digest, "landing": digest, "conform": "1"}

Only what decides the conformed rows is in it: descriptions, servers, tolerances, freshness and volume are not.
`deciding` names the columns that can keep a row from being accepted; an optional text without limits is none.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ddcrm.contracts.model import Column, Contract
from ddcrm.lake.columns import expression_columns
from ddcrm.lake.layout import LANDING_PARTITION
from ddcrm.settings import Settings

CONFORM_VERSION = "1"  # of the code that conforms: raised when the same input gives another output

MadeBy = Mapping[str, Any]


def made_by(contract: Contract, critical: Sequence[Any], landing: str) -> dict[str, Any]:
    """What makes a partition: the contract that reads it, its suite's critical expectations, what landed. Pure."""
    return {
        "rules": _digest(_rules(contract)),
        "columns": {column.name: _digest(_reading(contract, column)) for column in contract.columns},
        "deciding": sorted(column.name for column in contract.columns if _decides(contract, column, critical)),
        "suite": _digest(critical),
        "landing": landing,
        "conform": CONFORM_VERSION,
    }


def read_alike(made: MadeBy | None, contract: Contract) -> set[str]:
    """The columns that the contract would read as a partition's were read; none where that is not known. Pure."""
    if made is None or made["rules"] != _digest(_rules(contract)):
        return set()
    return {column.name for column in contract.columns
            if made["columns"].get(column.name) == _digest(_reading(contract, column))}  # fmt: skip


def critical_expectations(settings: Settings, contract: Contract) -> list[Any]:
    """The expectations that can refuse a row or a batch, without their notes: [type, arguments].

    Read without Great Expectations, which takes seconds to import. None of a suite that can't be read: the audit says
    what is wrong with it.
    """
    if contract.suite is None:
        return []
    try:
        document = json.loads((settings.expectations_dir / f"{contract.suite}.json").read_text("utf-8"))
        entries = [entry for entry in document["expectations"] if (entry.get("severity") or "critical") == "critical"]
        return [[entry["type"], entry.get("kwargs", {})] for entry in entries]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []


def landing_digests(listing: Iterable[tuple[str, Mapping[str, str]]]) -> dict[str, str]:
    """By day, the digest of the landed files' names, none of which is ever used twice. Pure."""
    names: dict[str, list[str]] = {}
    for file, partition in listing:
        names.setdefault(partition[LANDING_PARTITION], []).append(Path(file).name)
    return {day: _digest(sorted(files)) for day, files in names.items()}


def _rules(contract: Contract) -> list[Any]:
    """What is about whole rows."""
    exclude = [(rule.name, rule.where) for rule in contract.exclude]
    return [contract.entity, contract.delivery, contract.key, contract.null_values, exclude]


def _reading(contract: Contract, column: Column) -> list[Any]:
    """How the column's values come out of the landed text, and which of them are refused."""
    zone = (column.timezone or contract.timezone) if column.type in ("date", "timestamp") else None
    return [column.source_name, column.type, column.transform, column.format, zone, column.role, *_limits(column)]


def _limits(column: Column) -> list[Any]:
    sizes = [column.minimum, column.maximum, column.min_length, column.max_length]
    return [column.required, column.primary_key, column.enum, column.pattern, *sizes]


def _decides(contract: Contract, column: Column, critical: Sequence[Any]) -> bool:
    """Whether a row can be left out, quarantined, or found a duplicate because of the column."""
    limited = any(limit not in (None, False, ()) for limit in _limits(column))
    excluding = {name for rule in contract.exclude for name in expression_columns(rule.where)}
    checked = re.search(rf"\b{re.escape(column.name)}\b", json.dumps(critical))
    return bool(column.type != "string" or column.transform or limited or column.name in excluding or checked)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
