"""What the steps leave in the ledger: their runs, each batch's counts and reasons, what the checks said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from ddcrm.settings import Settings

if TYPE_CHECKING:
    from ddcrm.lake.accept import Accepted
    from ddcrm.lake.candidates import Candidate
    from ddcrm.lake.counts import DayCounts
    from ddcrm.lake.made_by import MadeBy
    from ddcrm.warehouse.connect import Warehouse
    from ddcrm.warehouse.ledger import Ledger
    from ddcrm.warehouse.records import Batch, Reason


@contextmanager
def opened(settings: Settings) -> Iterator[Ledger]:
    """The ledger of a warehouse that answers and whose schema is this version's.

    Raises WarehouseUnavailableError or WarehouseError before any work begins, so that nothing is half done.
    """
    from ddcrm.pipeline.restate_finish import finish_unfinished
    from ddcrm.warehouse.connect import Warehouse
    from ddcrm.warehouse.ledger import Ledger

    with Warehouse.open(settings) as warehouse:
        warehouse.ping()
        _check_schema(settings, warehouse)
        finish_unfinished(settings, warehouse)
        yield Ledger(warehouse)


@contextmanager
def recorded(settings: Settings, step: str, **where: Any) -> Iterator[Ledger]:
    """The same, with the run of a step recorded in it; a full disk ends it with a StorageFullError."""
    from ddcrm.lake.engine import full_disk

    with opened(settings) as ledger, ledger.run(step, **where), full_disk(settings.state_dir):
        yield ledger


def _check_schema(settings: Settings, warehouse: Warehouse) -> None:
    """The embedded warehouse is the project's own and is brought up to date; another one a person upgrades."""
    from ddcrm.errors import WarehouseError
    from ddcrm.warehouse.migrate import check_current, upgrade

    try:
        check_current(warehouse)
    except WarehouseError:
        if settings.warehouse_url is not None:
            raise
        upgrade(warehouse)


def record_batches(settings: Settings, ledger: Ledger, candidate: Candidate, accepted: Accepted) -> None:
    """Replace the ledger's entries for the days of a candidate."""
    from ddcrm.lake.made_by import critical_expectations, made_by

    contract, landed = candidate.contract, candidate.landing
    made = made_by(contract, critical_expectations(settings, contract), "")  # but for what landed, that of every day
    batches = [_batch(candidate, accepted, {**made, "landing": landed[day]}, day) for day in accepted.counts]
    ledger.record_batches(batches, [reason for day, counts in accepted.counts.items()
                                    for reason in _reasons(candidate.contract.source, day, counts)])  # fmt: skip


def _batch(candidate: Candidate, accepted: Accepted, made_by: MadeBy, day: date) -> Batch:
    from ddcrm.warehouse.records import Batch

    contract, newest, counts = candidate.contract, candidate.newest_event.get(day), accepted.counts[day]
    return Batch(
        source=contract.source,
        batch_date=day,
        entity=contract.entity,
        contract_version=contract.version,
        landed=counts.landed,
        conformed=counts.conformed,
        quarantined=counts.quarantined.total(),
        excluded=counts.excluded.total(),
        duplicates=counts.duplicates,
        contract_fingerprint=contract.fingerprint,
        lake_version=accepted.version,
        newest_event_at=datetime.fromisoformat(newest) if newest else None,
        digest=accepted.digests.get(day, "0-0"),
        used_digest=accepted.used.get(day, "0-0"),
        made_by=made_by,
    )


def _reasons(source: str, day: date, counts: DayCounts) -> list[Reason]:
    from ddcrm.warehouse.records import Reason

    found = [("quarantined", reason, rows) for reason, rows in counts.quarantined.items()]
    found += [("excluded", reason, rows) for reason, rows in counts.excluded.items()]
    found += [("duplicate", "a later line has the same key", counts.duplicates)]
    return [Reason(source, day, outcome, reason, rows) for outcome, reason, rows in found if rows]
