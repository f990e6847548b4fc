"""The as-of view: what was known of an entity at the end of a day, whatever arrived or was corrected later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING

from ddcrm.contracts.entities import ENTITIES
from ddcrm.contracts.model import Contract
from ddcrm.lake.casts import sql_type
from ddcrm.lake.engine import Engine, literal, quoted, read_parquet
from ddcrm.lake.layout import conformed_table, until
from ddcrm.settings import Settings

if TYPE_CHECKING:
    import ibis


def as_of_view(engine: Engine, settings: Settings, entity: str, as_of: date) -> ibis.Table | None:
    """One row a key: the newest one that had arrived by the end of `as_of`, and that had happened by then.

    Columns: the canonical ones with their types, `event_date`, `batch_date` (DATE), `source`, and for each further time
    its day in the contract's time zone: `closed_on` beside `closed_at`. None where nothing has
    arrived. Rows of an append-only source need no search; of a snapshot source only the newest delivery counts.
    """
    queries = [
        query for contract in _contracts(settings, entity, as_of) if (query := _source_query(settings, contract, as_of))
    ]
    if not queries:
        return None
    views = [engine.ibis.sql(query, dialect="duckdb") for query in queries]
    return reduce(lambda left, right: left.union(right), views)


def _contracts(settings: Settings, entity: str, as_of: date) -> list[Contract]:
    from ddcrm.contracts import load_contracts

    contracts = load_contracts(settings.contracts_dir)
    found = (contracts.effective(source, as_of) for source in contracts.feeding(entity))
    return [contract for contract in found if contract is not None]


def _source_query(settings: Settings, contract: Contract, as_of: date) -> str | None:
    listing = conformed_table(settings, contract.entity).listing(
        [("source", "=", contract.source), *until("batch_date", as_of)]
    )
    if contract.delivery == "snapshot" and listing:
        newest = max(partition["batch_date"] for _, partition in listing)
        listing = [(file, partition) for file, partition in listing if partition["batch_date"] == newest]
    if not listing:
        return None
    bound = f"(event_date IS NULL OR event_date <= DATE {literal(str(as_of))})"
    return f"SELECT {_columns(contract)} FROM ({_searched(contract, [file for file, _ in listing])}) WHERE {bound}"


def _columns(contract: Contract) -> str:
    canonical = [
        f"CAST({quoted(name)} AS {sql_type(kind)}) AS {quoted(name)}"
        for name, kind in ENTITIES[contract.entity].columns.items()
    ]
    return ", ".join([*canonical, *_days(contract), "event_date", "CAST(batch_date AS DATE) AS batch_date", "source"])


def _days(contract: Contract) -> list[str]:
    """The calendar days of the times beside the event time, whose day is event_date."""
    entity = ENTITIES[contract.entity]
    zones = {column.name: column.timezone for column in contract.columns}
    return [
        f"CAST(timezone({literal(zones.get(name) or contract.timezone)}, {quoted(name)}) AS DATE) AS {quoted(day)}"
        for name, kind in entity.columns.items()
        if kind == "timestamp" and name != entity.event_time
        for day in [name.removesuffix("_at") + "_on"]
    ]


def _searched(contract: Contract, files: Sequence[str]) -> str:
    """The event-time bound comes after the search: a correction may move a row out of the view."""
    rows = f"SELECT * FROM {read_parquet(list(files))}"
    if contract.delivery != "corrections" or not contract.key:
        return rows
    key = ", ".join(map(quoted, contract.key))
    newest = f"row_number() OVER (PARTITION BY {key} ORDER BY batch_date DESC) AS _newest"
    return f"SELECT * EXCLUDE (_newest) FROM (SELECT *, {newest} FROM ({rows})) WHERE _newest = 1"
