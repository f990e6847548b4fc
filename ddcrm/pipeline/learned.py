"""What depends on entities beyond those that every day reads: days and trainings of which a regression speaks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from ddcrm.features.reads import SCORED_ON
from ddcrm.pipeline.basis import TRAINED_ON, Basis, Reads

if TYPE_CHECKING:
    from ddcrm.pipeline.planning import State
    from ddcrm.warehouse.records import Batch, PublishedDay


def followed_sources(state: State, basis: Basis) -> set[str]:
    """The sources from which scores follow: of what all days read, or what some day or training that stands uses."""
    entities = {*SCORED_ON, *TRAINED_ON}
    for day in state.days:
        entities |= {entity for found in reads_of(day).values() for entity in found}
    for as_of in state.pointers.get("value", {}):
        entities |= set(basis.offered(as_of)[1]) if _spoken(state, as_of) else set()
    return {source for entity in entities for source in state.contracts.feeding(entity)}


def reads_of(day: PublishedDay) -> Reads:
    """What a published day read beyond what every day reads."""
    found: Reads = (day.made_by or {}).get("reads", {})
    return found


def learned_from(state: State, basis: Basis, as_of: date) -> list[Batch]:
    """The batches that a training depends on beyond orders: none where no regression speaks."""
    learned = _spoken(state, as_of)
    return basis.seen_learning(as_of, learned["days"]) if learned else []


def unheard_trainings(state: State, basis: Basis, days: Iterable[date]) -> int:
    """Of how many trainings that stand the regressions, none of which speaks, would learn from something else now."""
    found = [(day, learned) for day in days if (learned := _learned(state, day)) and not learned["speaks"]]
    return sum(basis.learned(day, learned["days"])["digest"] != learned["digest"] for day, learned in found)


def _spoken(state: State, as_of: date) -> Mapping[str, Any] | None:
    """What the regressions of a training learned from, one of which speaks."""
    learned = _learned(state, as_of)
    return learned if learned and learned["speaks"] else None


def _learned(state: State, as_of: date) -> Mapping[str, Any] | None:
    made_by = state.pointers.get("value", {}).get(as_of, {}).get("made_by") or {}
    found: Mapping[str, Any] | None = made_by.get("learned")
    return found
