"""A contract in short, for people and for `contract check`: nothing that is secret is in it."""

from __future__ import annotations

from typing import Any

from ddcrm.contracts.model import Column, Contract, Server


def describe(contract: Contract) -> dict[str, Any]:
    """The contract as JSON-ready values: what it reads, from when on, and into which columns."""
    return {
        "source": contract.source,
        "version": contract.version,
        "status": contract.status,
        "entity": contract.entity,
        "effective_from": contract.effective_from.isoformat(),
        "delivery": contract.delivery,
        "key": list(contract.key),
        "columns": [_column(column) for column in contract.columns],
        "server": _server(contract.server),
        "suite": contract.suite,
        "timezone": contract.timezone,
        "max_quarantined_share": contract.max_quarantined_share,
        "exclude": [{"name": rule.name, "where": rule.where, "reason": rule.reason} for rule in contract.exclude],
        "file": str(contract.file) if contract.file else None,
        "fingerprint": contract.fingerprint,
    }


def _column(column: Column) -> dict[str, Any]:
    source = {"source_name": column.source_name} if column.source_name else {}
    computed = {"transform": column.transform} if column.transform else {}
    return {"name": column.name, **source, "type": column.type, "required": column.required,
            "personal": column.personal, **computed}  # fmt: skip


def _server(server: Server) -> dict[str, Any]:
    """Where the data is; secrets are not even named."""
    where = {"format": server.format, "path": server.path, "location": server.location, "table": server.table}
    return {"kind": server.kind, **{name: value for name, value in where.items() if value}}
