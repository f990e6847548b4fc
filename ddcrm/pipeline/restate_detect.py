"""Restated batches beside those before them: a reading that is off by a unit is found before anything is swapped in.

What a batch brings (columns, formats, enumerations) was judged when it came, and what it can't be read as rejects it
again. But a new reading may be wrong in silence: from the first day that it reads, values are a hundred times as large.
So sizes, and what is empty, are judged as for a batch that comes (docs/schema-changes.md), against the batches before
as they are conformed now, whatever version reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ddcrm.contracts.arrived import Arrival, batch_changes
from ddcrm.contracts.change import classify
from ddcrm.contracts.wording import sentence
from ddcrm.errors import SchemaChangedError
from ddcrm.progress import point

if TYPE_CHECKING:
    from ddcrm.contracts.model import Contract
    from ddcrm.dates import DateRange
    from ddcrm.lake.engine import Engine
    from ddcrm.pipeline.detect import Found
    from ddcrm.pipeline.restate_work import Work


def hold_against_those_before(work: Work) -> None:
    """Raise SchemaChangedError for the first restated day with a breaking change; the others are said as points."""
    from ddcrm.lake.engine import Engine

    with Engine(work.shadow) as engine:
        for each in work.plan.batches:
            for dates, contract in work.contracts.for_range(each.source, each.dates):
                for found in _changes(engine, work, contract, dates):
                    _judge(contract, found)


def _changes(engine: Engine, work: Work, contract: Contract, dates: DateRange) -> Iterator[Found]:
    from ddcrm.lake.observe import conformed_profiles, earlier_profiles
    from ddcrm.pipeline.detect import Found

    limits = work.live.changes
    history = earlier_profiles(engine, contract, dates.first, limits.history_batches)
    history |= conformed_profiles(engine, contract, dates)
    for day in (day for day in dates if day in history):
        before = sorted(other for other in history if other < day)[-limits.history_batches :]
        rows = max((profile.rows for profile in history[day].values()), default=0)
        past = {name: [history[other][name] for other in before if name in history[other]] for name in history[day]}
        arrival = Arrival(rows=rows, columns=(), columns_before=(), problems={}, readings={}, new_values={},
                          profiles=history[day], history=past)  # fmt: skip
        yield from (Found(day, change, classify(change, limits)) for change in batch_changes(contract, arrival, limits))


def _judge(contract: Contract, found: Found) -> None:
    point("restate.change", source=contract.source, day=str(found.day), level=found.verdict.level)
    if found.verdict.level == "breaking":
        raise SchemaChangedError(
            f"restated batches are not like those before: {sentence(found.change)}: {found.verdict.reason}",
            source=contract.source, partition=str(found.day), contract_version=contract.version,
            column=found.change.column,
            hint="Nothing is swapped in. Mend that version of the contract (its mapping, or ddcrm.effectiveFrom), or "
                 "restate all days that it reads; then `ddcrm restate --yes` again.",
        )  # fmt: skip
