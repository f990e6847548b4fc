"""Has the source changed? Each batch against the contract that reads it, day by day, before anything is accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from ddcrm import progress
from ddcrm.contracts.arrived import Arrival, Problem, Reading, batch_changes, duplicates_change
from ddcrm.contracts.change import Change, Verdict, classify
from ddcrm.contracts.choose import Contracts
from ddcrm.contracts.model import Contract
from ddcrm.contracts.wording import sentence
from ddcrm.errors import SchemaChangedError
from ddcrm.lake import evidence, observe
from ddcrm.lake.candidates import Candidate
from ddcrm.lake.counts import DayCounts
from ddcrm.lake.engine import Engine
from ddcrm.pipeline.earlier import history_before
from ddcrm.settings import ChangeSettings

if TYPE_CHECKING:
    from ddcrm.quality.result import CheckResult
    from ddcrm.warehouse.ledger import Ledger

_NAMED = 5  # new values of an enumeration


@dataclass(frozen=True)
class Found:
    """One change of one batch, with its class."""

    day: date
    change: Change
    verdict: Verdict


def detect(engine: Engine, ledger: Ledger, contracts: Contracts, candidates: Sequence[Candidate]) -> list[list[Found]]:
    """The changes of each candidate's days, none of which is breaking.

    Raises SchemaChangedError for the first day with breaking ones, which the ledger has by then. Distributions are
    judged against the batches before each day, in the lake and in the candidates.
    """
    progress.point("detect.begin", source=candidates[0].contract.source, dates=str(candidates[0].dates))
    history = history_before(engine, ledger, contracts, candidates[0].contract, candidates[0].dates.first)
    found = [batch_changes_of(engine, ledger, candidate, history) for candidate in candidates]
    for candidate, changes in zip(candidates, found, strict=True):
        breaking = [each for each in changes if each.verdict.level == "breaking"]
        if breaking:
            _record(ledger, candidate.contract, changes)
            raise _error(candidate.contract, [each for each in breaking if each.day == breaking[0].day])
    progress.point("detect.end", source=candidates[0].contract.source, changes=sum(map(len, found)))
    return found


def batch_changes_of(engine: Engine, ledger: Ledger, candidate: Candidate, history: observe.Profiles) -> list[Found]:
    """The changes of each day of a candidate; adds its days to `history`."""
    limits, contract = engine.settings.changes, candidate.contract
    history |= observe.candidate_profiles(engine, candidate)
    columns = observe.columns_of(candidate.columns, candidate.dates)
    before = observe.columns_before(engine, contract.source, candidate.dates.first)
    duplicates = _duplicates_before(ledger, candidate)
    problems = observe.problems(engine, candidate, _suspicious(candidate, limits))
    found: list[Found] = []
    for day, counts in candidate.counts.items():
        if counts.landed:
            arrival = _arrival(engine, contract, day, counts, columns[day], before, problems.get(day, {}), history)
            changes = batch_changes(contract, arrival, limits)
            changes += _more_duplicates(counts, duplicates, limits)
            found += [Found(day, change, classify(change, limits)) for change in changes]
            before = columns[day]
    return found


def _suspicious(candidate: Candidate, limits: ChangeSettings) -> list[date]:
    return [day for day, counts in candidate.counts.items()
            if counts.quarantined.total() >= limits.attention_share * max(1, _judged(counts))]  # fmt: skip


def _judged(counts: DayCounts) -> int:
    return counts.landed - counts.excluded.total()


def _arrival(
    engine: Engine, contract: Contract, day: date, counts: DayCounts, columns: tuple[str, ...],
    before: tuple[str, ...], problems: Mapping[tuple[str, str], Problem], history: observe.Profiles,
) -> Arrival:  # fmt: skip
    days = sorted(other for other in history if other < day)[-engine.settings.changes.history_batches :]
    return Arrival(
        rows=_judged(counts), columns=columns, columns_before=before, problems=problems,
        readings=_readings(engine, contract, day, counts, problems),
        new_values={name: evidence.new_values(engine, contract, contract.column(name), day, _NAMED)
                    for name, what in problems if what == "not in the enumeration"},
        profiles=history.get(day, {}),
        history={name: [history[other][name] for other in days if name in history[other]]
                 for name in history.get(day, {})},
    )  # fmt: skip


def _readings(
    engine: Engine, contract: Contract, day: date, counts: DayCounts, problems: Mapping[tuple[str, str], Problem]
) -> dict[str, Reading]:
    """Looked for where a large share of a column can't be read."""
    least = engine.settings.changes.attention_share * max(1, _judged(counts))
    names = [name for (name, what), each in problems.items() if what.startswith("not a ") and each.rows >= least]
    found = {name: evidence.reading(engine, contract, contract.column(name), day) for name in names}
    return {name: reading for name, reading in found.items() if reading}


def _duplicates_before(ledger: Ledger, candidate: Candidate) -> list[tuple[int, int]]:
    """Rows, and those whose key came again, of each batch before the candidate's."""
    from datetime import timedelta

    first = candidate.dates.first
    batches = ledger.batches(candidate.contract.source, first - timedelta(days=92), first - timedelta(days=1))
    return [(batch.landed - batch.excluded, batch.duplicates) for batch in batches if batch.landed]


def _more_duplicates(counts: DayCounts, before: list[tuple[int, int]], limits: ChangeSettings) -> list[Change]:
    change = duplicates_change(_judged(counts), counts.duplicates, before[-limits.history_batches :], limits)
    before.append((_judged(counts), counts.duplicates))
    return [change] if change else []


def explained(engine: Engine, ledger: Ledger, contract: Contract, error: SchemaChangedError) -> SchemaChangedError:
    """The error of columns that did not arrive, with what they may be called now and why; recorded."""
    day = date.fromisoformat(error.partition)
    changes = missing_columns(engine, contract, day, *columns_named(contract, error))
    found = [Found(day, change, classify(change, engine.settings.changes)) for change in changes]
    _record(ledger, contract, found)
    return _error(contract, [each for each in found if each.verdict.level == "breaking"],
                  **{name: error.facts[name] for name in ("missing", "added") if name in error.facts})  # fmt: skip


def columns_named(contract: Contract, error: SchemaChangedError) -> tuple[list[str], list[str]]:
    """The columns that an error says are missing, and those that came instead; a name may have a comma in it."""
    from ddcrm.lake.columns import needed_columns

    said = f", {error.missing}, "
    missing = [name for name in needed_columns(contract) if f", {name}, " in said]
    return missing, error.added.split(", ") if error.added else []


def missing_columns(
    engine: Engine, contract: Contract, day: date, missing: Sequence[str], added: Sequence[str]
) -> list[Change]:
    """The columns that are gone, with what looks like them, and those that only appeared."""
    from ddcrm.contracts.renames import matched

    limits = engine.settings.changes
    found = matched(evidence.likenesses(engine, contract, day, missing, added), limits)
    renamed = {like.missing: Change("column_renamed", like.missing, {"now": like.added, **like.facts(limits)})
               for like in found.renamed}  # fmt: skip
    unclear = {name: Change("rename_unclear", name, {"candidates": {like.added: like.facts(limits) for like in likes}})
               for name, likes in found.unclear.items()}  # fmt: skip
    known = {**renamed, **unclear}
    taken = {like.added for like in found.renamed}
    return [*(known.get(name, Change("column_missing", name)) for name in missing),
            *(Change("column_added", name) for name in added if name not in taken)]  # fmt: skip


def _error(contract: Contract, breaking: Sequence[Found], **facts: str) -> SchemaChangedError:
    day = breaking[0].day
    columns = ", ".join(dict.fromkeys(each.change.column for each in breaking if each.change.column))
    reasons: dict[str, list[str]] = {}
    for each in breaking:
        reasons.setdefault(each.verdict.reason, []).append(sentence(each.change))
    said = "; ".join(f"{', '.join(sentences)}: {reason}" for reason, sentences in reasons.items())
    places = [each.change.facts for each in breaking if "line" in each.change.facts]
    where = {"file": places[0]["file"], "row": places[0]["line"]} if places else {}
    return SchemaChangedError(
        f"the source has changed: {said}", source=contract.source, partition=str(day),
        contract_version=contract.version, column=columns or None, **where, **facts, hint=remedy(contract.source, day),
    )  # fmt: skip


def remedy(source: str, day: date) -> str:
    """What to do about a batch that its contract can't read."""
    return (f"The batch has landed and is not conformed; what is published stays current. Run "
            f"`ddcrm contract propose {source} --batch {day}`, check and commit the version that it writes, or have "
            "the source mended; then run the day again.")  # fmt: skip


def _record(ledger: Ledger, contract: Contract, found: Sequence[Found]) -> None:
    from ddcrm.dates import DateRange
    from ddcrm.pipeline.audit import validation

    if found:
        days = [each.day for each in found]
        ledger.record_validations([validation(result) for result in results(found)], source=contract.source,
                                  dates=DateRange(min(days), max(days)))  # fmt: skip


_SEVERITIES = {"compatible": "info", "attention": "warning", "breaking": "critical"}


def results(found: Sequence[Found]) -> list[CheckResult]:
    """The changes as checks for the ledger; one that lasts for several days is said once."""
    runs: dict[tuple[str, str | None, str], list[Found]] = {}
    for each in found:
        runs.setdefault((each.change.kind, each.change.column, each.verdict.level), []).append(each)
    return [_result(run) for run in runs.values()]


def _result(run: Sequence[Found]) -> CheckResult:
    from ddcrm.quality.result import CheckResult

    first, days = run[0], len(run)
    verdict = first.verdict
    change = Change(
        first.change.kind,
        first.change.column,
        {  # the ledger keeps no example of what failed
            name: fact for name, fact in first.change.facts.items() if name != "example"
        },
    )
    when = f"{first.day}" + (f" and {days - 1} more days" if days > 1 else "")
    return CheckResult(
        suite="changes", expectation=change.kind, column=change.column, severity=_SEVERITIES[verdict.level],  # type: ignore[arg-type]
        status="passed" if verdict.level == "compatible" else "failed", failing=change.facts.get("rows"),
        observed={"class": verdict.level, "reason": verdict.reason, "days": days, **change.facts},
        message=f"{when}: {sentence(change)} ({verdict.level}: {verdict.reason})",
    )  # fmt: skip
