"""Are the days before a day in the lake? Its scores build on all of them: without one they would stay wrong."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from ddcrm.dates import DateRange
from ddcrm.errors import EarlierBatchMissingError
from ddcrm.settings import Settings

if TYPE_CHECKING:
    from ddcrm.contracts.choose import Contracts
    from ddcrm.warehouse.ledger import Ledger


@dataclass(frozen=True)
class KnownDays:
    """What gaps are seen in: the sources' contracts, the batches that the ledger has, the published days in order."""

    settings: Settings
    contracts: Contracts
    batches: Mapping[str, frozenset[date]]
    published: Sequence[date]

    @classmethod
    def read(cls, settings: Settings, ledger: Ledger) -> KnownDays:
        """As things are now."""
        from ddcrm.contracts import load_contracts

        batches: dict[str, set[date]] = {}
        for batch in ledger.all_batches():
            batches.setdefault(batch.source, set()).add(batch.batch_date)
        published = [day.as_of for day in ledger.published_days()]
        known = {source: frozenset(days) for source, days in batches.items()}
        return cls(settings, load_contracts(settings.contracts_dir), known, published)

    def let_pass(self, day: date) -> KnownDays:
        """The same where a person lets pass whatever is missing before `day`."""
        return replace(self, published=sorted({*self.published, day}))

    def missing(self, day: date, first: date | None = None) -> dict[str, list[date]]:
        """The days before `day` that sources lack.

        Looked at are the days since the source's first batch, and since the newest day published before `day`: a gap
        that a person has let pass once is not brought up again. `first`: days from there on are looked at in any case,
        as they are still to come.
        """
        gaps = {source: self._gap(source, day, first) for source in self._due(day)}
        return {source: days for source, days in gaps.items() if days}

    def _due(self, day: date) -> list[str]:
        """The sources that are read on `day` and have batches of their own for each day."""
        names = [name for name in self.contracts.sources if self.settings.source(name).enabled]
        read = {name: self.contracts.effective(name, day) for name in names}
        return [name for name, contract in sorted(read.items()) if contract and contract.server.dated]

    def _gap(self, source: str, day: date, first: date | None) -> list[date]:
        known = self.batches.get(source, frozenset())
        since = [each for each in (self._since(known, day), first) if each is not None]
        last = day - timedelta(days=1)
        if not since or min(since) > last:
            return []
        days = [each for each in DateRange(min(since), last) if each not in known]
        return [each for each in days if self.contracts.effective(source, each)]

    def _since(self, known: frozenset[date], day: date) -> date | None:
        earlier = [each for each in known if each < day]
        if not earlier:
            return None
        published = self.published[: bisect_left(self.published, day)]
        return max([min(earlier), *(each + timedelta(days=1) for each in published[-1:])])


def check_days_before(settings: Settings, day: date) -> None:
    """Raise EarlierBatchMissingError where a source lacks batches of days before `day` (see `KnownDays.missing`)."""
    from ddcrm.pipeline.record import opened

    with opened(settings) as ledger:
        missing = KnownDays.read(settings, ledger).missing(day)
    if missing:
        raise gap_error(day, missing)


def gap_error(day: date, missing: Mapping[str, Sequence[date]]) -> EarlierBatchMissingError:
    """The error for a day that lacks earlier batches."""
    hint = "Ingest them; a day that Airflow took in is scored by itself once they are there."
    return EarlierBatchMissingError(f"earlier batches are not in the lake: {told(missing)}", partition=str(day),
                                    hint=hint)  # fmt: skip


def told(missing: Mapping[str, Sequence[date]]) -> str:
    """Which batches are missing, in words."""
    return ", ".join(f"{source} {_days(days)}" for source, days in missing.items())


def _days(days: Sequence[date]) -> str:
    return f"{days[0]}" if len(days) == 1 else f"{days[0]} and {len(days) - 1} more up to {days[-1]}"
