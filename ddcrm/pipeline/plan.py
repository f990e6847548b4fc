"""A plan: what must be restated because of what changed, and what follows from it. Values and decisions, no reading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from ddcrm.dates import DateRange

MadeBy = Mapping[str, Any]
Reasons = tuple[str, ...]
UNKNOWN = "it is not known what made it"


@dataclass(frozen=True)
class PlannedBatches:
    """Batches of a source, day after day, that are to be conformed again from landing, all for the same reasons."""

    source: str
    entity: str
    dates: DateRange
    rows: int  # that landed
    made_by_version: str
    version: str  # of the contract that reads them now
    reasons: Reasons
    scored: bool  # whether scores follow: else only the conformed rows change

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "source": self.source,
            "entity": self.entity,
            "first": str(self.dates.first),
            "last": str(self.dates.last),
            "batches": len(self.dates),
            "rows": self.rows,
            "contract": {"from": self.made_by_version, "to": self.version},
            "reasons": list(self.reasons),
            "scores_follow": self.scored,
        }


@dataclass(frozen=True)
class PlannedTraining:
    """A training that is to be done again."""

    as_of: date
    reasons: Reasons
    caused: bool = False  # whether it has a reason besides what else is restated


@dataclass(frozen=True)
class PlannedDay:
    """A published day that is to be computed again; digests and rows are those of its published tables."""

    as_of: date
    digests: Mapping[str, str]
    rows: int
    reasons: Reasons
    caused: bool = False


@dataclass(frozen=True)
class Plan:
    """What is to be restated, in order; `kept` says what is not touched, and why."""

    batches: tuple[PlannedBatches, ...] = ()
    trainings: tuple[PlannedTraining, ...] = ()
    days: tuple[PlannedDay, ...] = ()
    kept: tuple[str, ...] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)  # digests of what the work is computed from
    seconds: float | None = None  # of work, by past runs; None where there were none

    def __bool__(self) -> bool:
        return bool(self.batches or self.trainings or self.days)

    @property
    def id(self) -> str:
        """Digest of what is to be done: the same state gives the same plan."""
        from ddcrm.training.fingerprint import digest_of

        return digest_of(self._work())[:12]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; `days` holds the digests of what is published now, as the warehouse's restatements have it."""
        return {"id": self.id, **self._work(), "kept": list(self.kept), "seconds": self.seconds, "rows": self.rows()}

    def document(self) -> dict[str, Any]:
        """What a restatement keeps of it: the work, not what it depends on by chance, such as the time it takes."""
        return {"id": self.id, **self._work()}

    def grew_from(self, document: Mapping[str, Any]) -> bool:
        """Whether it is the plan of this document and, besides, only trainings and days that follow from its causes.

        So it is after daily runs, which publish from what is to be restated as long as it is not swapped in.
        """
        now, known = self._work(), dict(document)
        same = all(now[name] == known[name] for name in ("batches", "versions", "inputs"))
        by_day = ("trainings", "days", "reasons")
        kept = all(now[name].get(day) == value for name in by_day for day, value in known[name].items())
        more = [each.caused for each in self.trainings if str(each.as_of) not in known["trainings"]]
        more += [each.caused for each in self.days if str(each.as_of) not in known["days"]]
        return same and kept and not any(more)

    def rows(self) -> dict[str, int]:
        """Rows to read again and to publish again."""
        return {"landed": sum(each.rows for each in self.batches), "published": sum(day.rows for day in self.days)}

    def _work(self) -> dict[str, Any]:
        return {
            "batches": [each.as_dict() for each in self.batches],
            "trainings": {str(each.as_of): list(each.reasons) for each in self.trainings},
            "days": {str(day.as_of): dict(day.digests) for day in self.days},
            "reasons": {str(day.as_of): list(day.reasons) for day in self.days},
            "versions": self._versions(),
            "inputs": dict(self.inputs),
        }

    def _versions(self) -> dict[str, dict[str, str]]:
        moves: dict[str, dict[str, str]] = {"from": {}, "to": {}}
        for each in self.batches:
            if each.made_by_version != each.version:
                moves["from"][each.source] = each.made_by_version
                moves["to"][each.source] = each.version
        return moves


def batch_reasons(before: MadeBy | None, now: MadeBy, used: Set[str]) -> tuple[Reasons, bool]:
    """Why a batch must be conformed again (nothing: it need not), and whether scores follow.

    used: the columns that features can read; none of an entity that no score depends on. A column that came or went
    counts where features can read it or where it can keep a row from being accepted; one that is read otherwise always
    changes the conformed rows, but scores only in these cases.
    """
    if before is None:
        return (UNKNOWN,), bool(used)
    words = {
        "conform": "the code that conforms has changed",
        "landing": "it has landed again",
        "rules": "the contract's exclusions, missing values, key or delivery mode have changed",
        "suite": "critical expectations of its suite have changed",
    }
    found = [text for name, text in words.items() if before[name] != now[name]]
    scored = bool(found)
    weighty = {*used, *before["deciding"], *now["deciding"]}
    for names, text, always in _column_changes(before, now):
        told = sorted(names if always else names & weighty)
        if told:
            found.append(f"{', '.join(told)} {text}")
            scored = scored or bool(names & weighty)
    return tuple(found), scored and bool(used)


def _column_changes(before: MadeBy, now: MadeBy) -> list[tuple[set[str], str, bool]]:
    """Columns, what happened to them, and whether that changes the conformed rows in any case."""
    old, new = before["columns"], now["columns"]
    changed = {name for name in old.keys() & new.keys() if old[name] != new[name]}
    return [
        (changed, "read otherwise", True),
        (set(new.keys() - old.keys()), "added", False),
        (set(old.keys() - new.keys()), "gone", False),
    ]


def day_reasons(before: MadeBy | None, now: MadeBy, late: Sequence[str] = ()) -> Reasons:
    """Why a published day, or a training, is not what it would be if it were made now, as things stand. Pure.

    late: the batches that came or changed after it, in words.
    """
    if before is None:
        return (UNKNOWN,)
    named = f": {', '.join(late)}" if late else ""
    words = {
        "data": f"batches came or changed after it{named}",
        "learned": "what its regressions learn from besides orders has changed",
        "models": "other models stand for it now",
        "settings": "the settings have changed",
        "actions": "the actions of segments have changed",
        "code": "the code or its libraries have changed",
    }
    return tuple(text for name, text in words.items() if before.get(name) != now.get(name))


@dataclass(frozen=True)
class BatchChange:
    """One batch that is to be conformed again."""

    source: str
    entity: str
    day: date
    rows: int
    made_by_version: str
    version: str
    reasons: Reasons
    scored: bool


def together(changes: Iterable[BatchChange]) -> tuple[PlannedBatches, ...]:
    """Days that follow each other and change for the same reasons become one range."""

    def alike(pair: tuple[int, BatchChange]) -> tuple[Any, ...]:
        place, each = pair
        run = each.day - timedelta(days=place)
        return each.source, run, each.made_by_version, each.version, each.reasons, each.scored

    ordered = enumerate(sorted(changes, key=lambda each: (each.source, each.day)))
    return tuple(_range([each for _, each in group]) for _, group in groupby(ordered, key=alike))


def _range(days: Sequence[BatchChange]) -> PlannedBatches:
    one = days[0]
    dates = DateRange(one.day, days[-1].day)
    rows = sum(each.rows for each in days)
    return PlannedBatches(
        one.source, one.entity, dates, rows, one.made_by_version, one.version, one.reasons, one.scored
    )
