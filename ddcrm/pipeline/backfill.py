"""What a range of days means for a backfill of crm_ingest: its partitions, what is known of them, what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ddcrm.dates import DateRange
from ddcrm.errors import EarlierBatchMissingError
from ddcrm.settings import Settings

if TYPE_CHECKING:
    from ddcrm.contracts.choose import Contracts


@dataclass(frozen=True)
class Partition:
    """One business day: the contract version that reads each source, the sources that are in the lake already."""

    day: date
    versions: Mapping[str, str]
    known: tuple[str, ...]
    published: bool

    @property
    def words(self) -> str:
        """What happens to it."""
        if not self.versions:
            return "no contract reads it"
        first = [name for name in self.versions if name not in self.known]
        told = [f"{name} {version}{'' if name in first else ' again'}" for name, version in self.versions.items()]
        return f"{', '.join(told)}; {'published before' if self.published else 'not published yet'}"


@dataclass(frozen=True)
class Backfill:
    """A range of days as crm_ingest would run them, oldest first."""

    partitions: tuple[Partition, ...]
    published_after: tuple[date, ...]  # later days whose scores stay as they are
    waits_for: str | None  # earlier batches that the first day would wait for, in words

    @property
    def lines(self) -> list[str]:
        """One line for days that follow each other and fare alike."""
        groups = [list(group) for _, group in groupby(self.partitions, key=lambda each: each.words)]
        return [f"{DateRange(group[0].day, group[-1].day)} ({len(group)}): {group[0].words}" for group in groups]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "partitions": [
                {"key": str(each.day), "sources": dict(each.versions), "again": list(each.known),
                 "published": each.published}
                for each in self.partitions
            ],
            "published_after": [str(day) for day in self.published_after],
            "waits_for": self.waits_for,
        }  # fmt: skip


def look_at(settings: Settings, dates: DateRange) -> Backfill:
    """The partitions of a range as things stand; raises ContractError where a contract is not valid."""
    from ddcrm.contracts import load_contracts
    from ddcrm.pipeline.record import opened

    contracts = load_contracts(settings.contracts_dir)
    with opened(settings) as ledger:
        known: dict[date, set[str]] = {}
        for batch in ledger.all_batches():
            known.setdefault(batch.batch_date, set()).add(batch.source)
        published = [day.as_of for day in ledger.published_days()]
    read = _versions(settings, contracts, dates)
    partitions = [
        Partition(day, versions, tuple(sorted(known.get(day, set()) & set(versions))), day in published)
        for day, versions in read.items()
    ]
    return Backfill(tuple(partitions), _after(published, dates), _waits_for(settings, dates.first))


def _versions(settings: Settings, contracts: Contracts, dates: Iterable[date]) -> dict[date, dict[str, str]]:
    names = [name for name in contracts.sources if settings.source(name).enabled]
    found = {day: {name: contracts.effective(name, day) for name in names} for day in dates}
    return {day: {name: each.version for name, each in read.items() if each} for day, read in found.items()}


def _after(published: Sequence[date], dates: DateRange) -> tuple[date, ...]:
    return tuple(day for day in published if day > dates.last)


def _waits_for(settings: Settings, first: date) -> str | None:
    from ddcrm.pipeline.gaps import check_days_before

    try:
        check_days_before(settings, first)
    except EarlierBatchMissingError as error:
        return error.message
    return None
