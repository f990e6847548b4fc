"""Are the days before a day in the lake? Its scores build on all of them: without one they would stay wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from ddcrm.dates import DateRange
from ddcrm.errors import EarlierBatchMissingError
from ddcrm.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection


def check_days_before(settings: Settings, day: date) -> None:
    """Raise EarlierBatchMissingError where a source lacks batches of days before `day`.

    Looked at are the days since the source's first batch, and since the newest day published before `day`: a gap that
    a person has let pass once is not brought up again.
    """
    from ddcrm.pipeline.record import opened

    with opened(settings) as ledger, ledger.warehouse.begin() as connection:
        missing = _missing(connection, _due(settings, day), day)
    if missing:
        told = ", ".join(f"{source} {_told(days)}" for source, days in missing.items())
        raise EarlierBatchMissingError(f"earlier batches are not in the lake: {told}", partition=str(day),
                                       hint="Ingest them first, in order; this day can follow then.")  # fmt: skip


def _due(settings: Settings, day: date) -> list[str]:
    """The sources that are read on `day` and have batches of their own for each day."""
    from ddcrm.contracts import load_contracts

    contracts = load_contracts(settings.contracts_dir)
    read = {name: contracts.effective(name, day) for name in contracts.sources if settings.source(name).enabled}
    return [name for name, contract in read.items() if contract and contract.server.dated]


def _missing(connection: Connection, sources: Sequence[str], day: date) -> dict[str, list[date]]:
    from sqlalchemy import text

    query = text("SELECT max(as_of) FROM ops.complete_days WHERE as_of < :day")
    published = connection.execute(query, {"day": day}).scalar() or date.min
    query = text("SELECT source, batch_date FROM ops.batches WHERE source = ANY(:sources) AND batch_date < :day")
    known: dict[str, set[date]] = {}
    for source, batch in connection.execute(query, {"sources": list(sources), "day": day}):
        known.setdefault(source, set()).add(batch)
    gaps = {source: _gap(days, max(min(days), published + timedelta(days=1)), day) for source, days in known.items()}
    return {source: days for source, days in sorted(gaps.items()) if days}


def _gap(known: set[date], first: date, day: date) -> list[date]:
    """The days from `first` to the one before `day` that are not known."""
    last = day - timedelta(days=1)
    return [each for each in DateRange(first, last) if each not in known] if first <= last else []


def _told(days: Sequence[date]) -> str:
    return f"{days[0]}" if len(days) == 1 else f"{days[0]} and {len(days) - 1} more up to {days[-1]}"
