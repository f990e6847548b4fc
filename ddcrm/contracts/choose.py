"""All contracts of a project, and which version reads which batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby, pairwise
from typing import Any

from ddcrm.contracts.entities import ENTITIES
from ddcrm.contracts.model import Contract
from ddcrm.contracts.odcs import suggest
from ddcrm.contracts.semver import rank
from ddcrm.dates import DateRange
from ddcrm.errors import ContractError

READING = ("active", "deprecated")  # the statuses whose versions read batches


class Contracts:
    """The contracts of a project: by source, by entity, by batch."""

    def __init__(self, contracts: Iterable[Contract]) -> None:
        ordered = sorted(contracts, key=lambda contract: (contract.source, _order(contract)))
        self._versions = {
            source: tuple(group) for source, group in groupby(ordered, key=lambda contract: contract.source)
        }
        for versions in self._versions.values():
            _check_versions(versions)
        _check_extras(ordered)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that have a version to read with, by name."""
        return tuple(source for source, versions in self._versions.items() if any(map(_reads, versions)))

    def __iter__(self) -> Iterator[Contract]:
        return (contract for versions in self._versions.values() for contract in versions)

    def __len__(self) -> int:
        return sum(map(len, self._versions.values()))

    def versions(self, source: str) -> tuple[Contract, ...]:
        """All versions of a source, drafts included, in the order in which they take effect."""
        if source not in self._versions:
            known = list(self._versions)
            raise ContractError(
                f"there is no source {source!r}", hint=suggest(source, known) or f"Known are {', '.join(known)}."
            )
        return self._versions[source]

    def for_batch(self, source: str, day: date) -> Contract:
        """The version that reads the batch of a day: the newest one effective then.

        Of versions that take effect on one day the higher one reads: it is the correction. Raises ContractError for an
        unknown source and for a day before the first version.
        """
        found = self.effective(source, day)
        if found:
            return found
        reading = [contract for contract in self.versions(source) if _reads(contract)]
        if not reading:
            raise ContractError(
                "no version of the contract is active", source=source, hint="Set status: active in one of them."
            )
        first = min(reading, key=_order)
        raise ContractError("no version of the contract reads this batch", source=source, partition=str(day),
                            hint=f"The first one, {first.version}, reads from {first.effective_from} on.")  # fmt: skip

    def effective(self, source: str, day: date) -> Contract | None:
        """The same, but None for a day before the first version."""
        effective = (each for each in self.versions(source) if _reads(each) and each.effective_from <= day)
        return max(effective, key=_order, default=None)

    def for_range(self, source: str, dates: DateRange) -> list[tuple[DateRange, Contract]]:
        """The range cut where the version changes, in order; each piece with the contract that reads it.

        Raises ContractError if a day of the range has none.
        """
        starts = sorted({dates.first} | {contract.effective_from for contract in self.versions(source)
                                         if _reads(contract) and contract.effective_from in dates})  # fmt: skip
        ends = [start - timedelta(days=1) for start in starts[1:]] + [dates.last]
        pieces = [
            (self.for_batch(source, start), DateRange(start, end)) for start, end in zip(starts, ends, strict=True)
        ]
        return [(DateRange(run[0][1].first, run[-1][1].last), run[0][0]) for run in _runs(pieces)]

    def feeding(self, entity: str) -> tuple[str, ...]:
        """The sources that feed an entity; raises ContractError for an unknown one."""
        if entity not in ENTITIES:
            raise ContractError(f"there is no entity {entity!r}", hint=suggest(entity, list(ENTITIES)))
        return tuple(source for source in self.sources if self._versions[source][0].entity == entity)


def _reads(contract: Contract) -> bool:
    return contract.status in READING


def _order(contract: Contract) -> tuple[date, Any]:
    return contract.effective_from, rank(contract.version)


def _runs(pieces: list[tuple[Contract, DateRange]]) -> Iterator[list[tuple[Contract, DateRange]]]:
    """Neighbours that one contract reads (an older version can take effect after a newer one of the same day)."""
    return (list(group) for _, group in groupby(pieces, key=lambda piece: piece[0].version))


def _check_versions(versions: Sequence[Contract]) -> None:
    """Versions of one source are distinct and feed one entity."""
    first = versions[0]
    _check_history([contract for contract in versions if _reads(contract)])
    seen: dict[Any, Contract] = {}
    for contract in versions:
        if contract.entity != first.entity:
            what = f"the versions of {contract.source} feed two entities, {first.entity} and {contract.entity}"
            raise _clash(contract, first, what, "Another entity needs another folder.")
        twin = seen.setdefault(rank(contract.version), contract)
        if twin is not contract:
            what = f"version {contract.version} of {contract.source} is there twice"
            raise _clash(contract, twin, what, "Keep one of the files.")


def _check_history(versions: Sequence[Contract]) -> None:
    """The as-of view searches the whole history of a source by one key, in one delivery mode."""
    for one, two in pairwise(versions):
        for what, old, new in (("key", one.key, two.key), ("delivery mode", one.delivery, two.delivery)):
            if old != new:
                message = f"the {what} of {two.source} changes from {_spelled(old)} to {_spelled(new)}"
                raise _clash(two, one, message, "Rows of both versions are searched together: use another folder.")


def _spelled(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else ", ".join(value)


def _check_extras(contracts: Sequence[Contract]) -> None:
    """A column has one type in an entity's table, whatever source or version it comes from."""
    seen: dict[tuple[str, str], tuple[str, Contract]] = {}
    for contract in filter(_reads, contracts):
        for column in contract.columns:
            kind, other = seen.setdefault((contract.entity, column.name.lower()), (column.type, contract))
            if kind != column.type:
                what = f"{contract.entity}.{column.name} is a {column.type} here, a {kind} in"
                hint = "Give both the same ddcrm.canonicalType, or different names."
                raise _clash(contract, other, f"{what} {other.source} {other.version}", hint)


def _clash(contract: Contract, other: Contract, message: str, hint: str) -> ContractError:
    return ContractError(
        message, source=contract.source, version=contract.version, file=contract.file, other=other.file, hint=hint
    )
