"""What the batches before a day look like, each column as the version that reads the batch now reads it.

A batch is conformed by the version of its time. Once another one is dated back, and nothing is restated yet, a column
that it reads otherwise can't be compared with as it is conformed: it is read again, from landing, to look at it only.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from datetime import date
from typing import TYPE_CHECKING

from ddcrm.lake import observe
from ddcrm.lake.made_by import read_alike

if TYPE_CHECKING:
    from ddcrm.contracts.choose import Contracts
    from ddcrm.contracts.model import Contract
    from ddcrm.lake.engine import Engine
    from ddcrm.warehouse.ledger import Ledger


def history_before(
    engine: Engine, ledger: Ledger, contracts: Contracts, contract: Contract, first: date
) -> observe.Profiles:
    """Profiles of the batches before `first`, as many as the settings say."""
    found = observe.earlier_profiles(engine, contract, first, engine.settings.changes.history_batches)
    for reading, days in _read_otherwise(ledger, contracts, contract.source, found):
        there = {column.name for column in reading.columns}
        columns = [column for column in contract.columns if column.name in there]
        again = observe.landed_profiles(engine, reading, columns, days)
        for day, alike in days.items():  # what can't be read so any more is known as it is conformed
            anew = {name: profile for name, profile in again.get(day, {}).items() if name not in alike}
            found[day] = {**found[day], **anew}
    return found


def _read_otherwise(
    ledger: Ledger, contracts: Contracts, source: str, days: Mapping[date, object]
) -> list[tuple[Contract, dict[date, Set[str]]]]:
    """By version, the days of which it reads some column otherwise than it was read, with the columns read alike."""
    if not days:
        return []
    made = {batch.batch_date: batch.made_by for batch in ledger.batches(source, min(days), max(days))}
    found: dict[str, tuple[Contract, dict[date, Set[str]]]] = {}
    for day in days:
        reading = contracts.effective(source, day)
        alike = read_alike(made.get(day), reading) if reading else set()
        if reading and alike != {column.name for column in reading.columns}:
            found.setdefault(reading.version, (reading, {}))[1][day] = alike
    return list(found.values())
