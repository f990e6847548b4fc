"""Make a plan: read what everything was made by, hold it against what would make it now, follow what depends on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from ddcrm.dates import DateRange
from ddcrm.pipeline.basis import (
    TRAINED_ON,
    Basis,
    data_of_day,
    day_made_by,
    models_of_day,
    once,
    seen_by_day,
    training_made_by,
    training_now,
)
from ddcrm.pipeline.learned import followed_sources, learned_from, reads_of, unheard_trainings
from ddcrm.pipeline.plan import (
    BatchChange,
    Plan,
    PlannedDay,
    PlannedTraining,
    batch_reasons,
    day_reasons,
    together,
)
from ddcrm.settings import Settings

if TYPE_CHECKING:
    from ddcrm.contracts.choose import Contracts
    from ddcrm.warehouse.ledger import Ledger
    from ddcrm.warehouse.records import Batch, PublishedDay

_NAMED = 3  # late batches that a reason names


@dataclass(frozen=True)
class State:
    """What a plan is made from."""

    settings: Settings
    contracts: Contracts
    batches: Sequence[Batch]
    landed: Mapping[str, Mapping[str, str]]  # source -> day -> digest of what landed
    pointers: Mapping[str, Mapping[date, Mapping[str, Any]]]  # model -> as_of -> what the registry says
    days: Sequence[PublishedDay]


def make_plan(settings: Settings, dates: DateRange | None = None) -> Plan:
    """The plan for everything, or for causes within `dates`; what follows from a cause is in it in any case.

    Reads ledger, contracts, suites, registry and the lake's logs, and changes nothing. Raises ContractError and
    WarehouseError as loading does.
    """
    from ddcrm.pipeline.estimate import estimate
    from ddcrm.pipeline.record import opened

    with opened(settings) as ledger:
        state = read_state(settings, ledger)
        return estimate(ledger, plan_of(state, dates))


def read_state(settings: Settings, ledger: Ledger) -> State:
    """Everything that a plan depends on, as it is now."""
    from ddcrm.contracts import load_contracts
    from ddcrm.lake.layout import landing_table
    from ddcrm.lake.made_by import landing_digests
    from ddcrm.pipeline.train import registry
    from ddcrm.training.fit import MODELS

    contracts, batches = load_contracts(settings.contracts_dir), ledger.all_batches()
    sources = sorted({batch.source for batch in batches} | set(contracts.sources))
    landed = {source: landing_digests(landing_table(settings, source).listing()) for source in sources}
    pointers = {name: registry(settings).pointers(name) for name in MODELS}
    return State(settings, contracts, batches, landed, pointers, ledger.published_days())


def plan_of(state: State, dates: DateRange | None = None) -> Plan:
    """What is to be done about a state."""
    from ddcrm.training.fingerprint import digest_of

    made = expected_batches(state)
    basis = Basis(state.contracts, state.batches)
    followed = followed_sources(state, basis)
    changes = [change for batch in state.batches if (change := _change(state, batch, made, dates, followed))]
    restated = {(each.source, each.day) for each in changes if each.scored}
    trainings = _trainings(state, basis, restated, dates)
    days = _days(state, basis, restated, trainings, dates)
    targets = {str((each.source, each.day)): made[each.source, each.day] for each in changes}
    inputs: dict[str, Any] = {"range": [str(dates.first), str(dates.last)] if dates else None}
    inputs |= {"batches": digest_of(targets)[:16], **_code(state)}
    kept = _kept(state, basis, changes, trainings, days, made, dates)
    return Plan(together(changes), tuple(trainings), tuple(days), kept, inputs)


def expected_batches(state: State) -> dict[tuple[str, date], dict[str, Any]]:
    """What would make each batch now; a batch that no contract reads, or whose landing is gone, is not in it."""
    from ddcrm.lake.made_by import critical_expectations, made_by

    made: dict[tuple[str, date], dict[str, Any]] = {}
    suites: dict[tuple[str, str], list[Any]] = {}
    for batch in state.batches:
        contract = _contract(state, batch)
        landing = state.landed.get(batch.source, {}).get(str(batch.batch_date))
        if contract is None or landing is None:
            continue
        key = (contract.source, contract.version)
        if key not in suites:
            suites[key] = critical_expectations(state.settings, contract)
        made[batch.source, batch.batch_date] = made_by(contract, suites[key], landing)
    return made


def _contract(state: State, batch: Batch) -> Any:
    return (
        state.contracts.effective(batch.source, batch.batch_date) if batch.source in state.contracts.sources else None
    )


def _change(
    state: State,
    batch: Batch,
    made: Mapping[tuple[str, date], Mapping[str, Any]],
    dates: DateRange | None,
    followed: set[str],
) -> BatchChange | None:
    from ddcrm.features.reads import READS

    now = made.get((batch.source, batch.batch_date))
    if now is None or not _within(batch.batch_date, dates):
        return None
    reasons, scored = batch_reasons(batch.made_by, now, set(READS.get(batch.entity, ())))
    if not reasons:
        return None
    version = _contract(state, batch).version
    return BatchChange(batch.source, batch.entity, batch.batch_date, batch.landed, batch.contract_version, version,
                       reasons, scored and batch.source in followed)  # fmt: skip


def _trainings(
    state: State, basis: Basis, restated: set[tuple[str, date]], dates: DateRange | None
) -> list[PlannedTraining]:
    """The trainings that would come out otherwise, and those after them, for segments follow their predecessor."""
    found: list[PlannedTraining] = []
    for as_of in sorted({day for known in state.pointers.values() for day in known}):
        seen = once([*basis.seen(as_of, TRAINED_ON), *learned_from(state, basis, as_of)])
        causes: tuple[str, ...] = ()
        if _within(as_of, dates):
            now = training_made_by(state.settings, basis, as_of)
            for known in state.pointers.values():
                if as_of in known:
                    before = known[as_of].get("made_by")
                    causes += day_reasons(before, training_now(now, basis, as_of, before))
        reasons = _restated_reasons(seen, restated) + causes
        if found:
            reasons += (f"it follows the training as of {found[-1].as_of}",)
        if reasons:
            found.append(PlannedTraining(as_of, tuple(dict.fromkeys(reasons)), bool(causes)))
    return found


def _days(
    state: State,
    basis: Basis,
    restated: set[tuple[str, date]],
    trainings: Sequence[PlannedTraining],
    dates: DateRange | None,
) -> list[PlannedDay]:
    from ddcrm.scoring.actions import read_actions

    actions = read_actions(state.settings.project_dir)
    found = []
    for day in state.days:
        seen = seen_by_day(basis, day.as_of, reads_of(day))
        reasons = _restated_reasons(seen, restated)
        again = [each.as_of for each in trainings if each.as_of <= day.as_of]
        if again:
            reasons += (f"the models as of {again[-1]} are trained again",)
        causes: tuple[str, ...] = ()
        if _within(day.as_of, dates):
            versions = models_of_day(*(_versions(state, each) for each in (day.as_of, day.as_of - timedelta(days=1))))
            data = data_of_day(basis, day.as_of, reads_of(day))
            now = day_made_by(state.settings, data, versions, actions, reads_of(day))
            causes = day_reasons(day.made_by, now, _late(seen, day))
        if reasons or causes:
            told = tuple(dict.fromkeys(reasons + causes))
            found.append(PlannedDay(day.as_of, day.digests, day.rows, told, bool(causes)))
    return found


def _restated_reasons(seen: Sequence[Batch], restated: set[tuple[str, date]]) -> tuple[str, ...]:
    """Which of the batches that were seen are conformed again."""
    days: dict[str, list[date]] = {}
    for batch in seen:
        if (batch.source, batch.batch_date) in restated:
            days.setdefault(batch.source, []).append(batch.batch_date)
    return tuple(
        f"{len(known)} batches of {source} are restated, from {min(known)} on" for source, known in sorted(days.items())
    )


def _late(seen: Sequence[Batch], day: PublishedDay) -> list[str]:
    late = [each for each in seen if each.recorded_at and each.recorded_at > day.published_at]
    named = [f"{each.source} {each.batch_date}" for each in late[:_NAMED]]
    return named + ([f"and {len(late) - _NAMED} more"] if len(late) > _NAMED else [])


def _versions(state: State, as_of: date) -> dict[str, str]:
    """The models that stand for a day, as the registry's `newest` finds them."""
    found = {}
    for name, known in state.pointers.items():
        versions = [known[day]["version"] for day in known if day <= as_of and "version" in known[day]]
        if versions:
            found[name] = versions[-1]
    return found


def _code(state: State) -> dict[str, str]:
    from ddcrm.pipeline.basis import day_made_by
    from ddcrm.scoring.actions import read_actions

    training = training_made_by(state.settings, Basis(state.contracts, ()), date.min)
    day = day_made_by(state.settings, "", {}, read_actions(state.settings.project_dir), {})
    return {
        "training": f"{training['settings']}-{training['code']}",
        "scoring": f"{day['settings']}-{day['actions']}-{day['code']}",
    }


def _kept(
    state: State,
    basis: Basis,
    changes: Sequence[BatchChange],
    trainings: Sequence[PlannedTraining],
    days: Sequence[PlannedDay],
    made: Mapping[tuple[str, date], Mapping[str, Any]],
    dates: DateRange | None,
) -> tuple[str, ...]:
    """What is not touched, and why, in words."""
    told: list[str] = []
    for source in sorted(state.landed):
        told += _kept_batches(state, source, {each.day for each in changes if each.source == source}, made, dates)
    known = {day for pointers in state.pointers.values() for day in pointers}
    unheard = unheard_trainings(state, basis, known - {each.as_of for each in trainings})
    told += _counted(len(known) - len(trainings) - unheard, "trainings", "they would learn the same now")
    told += _counted(unheard, "trainings", "only regressions that do not speak would learn otherwise")
    told += _counted(len(state.days) - len(days), "published days", "they would come out the same now")
    outside = [each for each in changes if not each.scored]
    if outside:
        names = ", ".join(sorted({each.source for each in outside}))
        told.append(f"scores, for batches of {names} that change only where no score reads them")
    return tuple(told)


def _kept_batches(
    state: State,
    source: str,
    changed: set[date],
    made: Mapping[tuple[str, date], Mapping[str, Any]],
    dates: DateRange | None,
) -> list[str]:
    known = {batch.batch_date: batch for batch in state.batches if batch.source == source}
    unread = [day for day in known if (source, day) not in made]
    outside = [day for day in known if not _within(day, dates) and day not in unread]
    same = [day for day in known if day not in changed and day not in unread and day not in outside]
    waiting = [day for day in state.landed[source] if date.fromisoformat(day) not in known]
    what = f"batches of {source}"
    added = _added(made, [known[day] for day in same])
    return [
        *_counted(len(same), what, "they would come out the same now" + added),
        *_counted(len(outside), what, "they are not in the range asked for"),
        *_counted(len(unread), what, "no contract reads them any more, or what landed is gone"),
        *_counted(len(waiting), what, "they have landed and were never accepted: ingest them"),
    ]


def _added(made: Mapping[tuple[str, date], Mapping[str, Any]], same: Iterable[Batch]) -> str:
    """The columns that came or went without touching anything."""
    names: set[str] = set()
    for batch in same:
        if batch.made_by is not None:
            names |= batch.made_by["columns"].keys() ^ made[batch.source, batch.batch_date]["columns"].keys()
    return f" (no score reads {', '.join(sorted(names))}, and no row is refused for it)" if names else ""


def _counted(number: int, what: str, why: str) -> list[str]:
    return [f"{number} {what}: {why}"] if number else []


def _within(day: date, dates: DateRange | None) -> bool:
    return dates is None or day in dates
