"""Ingest: a source's batches from where they are to audited, typed rows: extract, transform, validate.

Each step can be run again alone, for a day or a range of days; nothing is visible to the scoring before `validate`
has accepted it, and then whole days are replaced in one commit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from ddcrm import progress
from ddcrm.contracts.model import Contract
from ddcrm.dates import DateRange
from ddcrm.settings import Settings

if TYPE_CHECKING:
    from ddcrm.lake.accept import Accepted
    from ddcrm.lake.candidates import Candidate
    from ddcrm.lake.counts import DayCounts
    from ddcrm.lake.engine import Engine
    from ddcrm.warehouse.ledger import Ledger


@dataclass(frozen=True)
class ExtractResult:
    """What landed."""

    source: str
    dates: DateRange
    rows: int
    empty_days: int

    def as_dict(self) -> dict[str, Any]:
        """Counts and references, ready for JSON."""
        return {
            "step": "extract",
            "source": self.source,
            "dates": str(self.dates),
            "rows": self.rows,
            "empty_days": self.empty_days,
        }


@dataclass(frozen=True)
class IngestResult:
    """Where the landed rows went, by reason, over all days."""

    step: str
    source: str
    dates: DateRange
    contract_versions: tuple[str, ...]
    landed: int = 0
    conformed: int = 0
    duplicates: int = 0
    quarantined: Mapping[str, int] = field(default_factory=dict)
    excluded: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Counts and references, ready for JSON."""
        return {
            "step": self.step,
            "source": self.source,
            "dates": str(self.dates),
            "contract_versions": list(self.contract_versions),
            "landed": self.landed,
            "conformed": self.conformed,
            "duplicates": self.duplicates,
            "quarantined": dict(self.quarantined),
            "excluded": dict(self.excluded),
            "warnings": list(self.warnings),
        }


def extract(settings: Settings, source: str, dates: DateRange) -> ExtractResult:
    """Read the batches of `dates` from the source and land them as text; replaces what had landed for these days."""
    from ddcrm.lake.engine import Engine
    from ddcrm.lake.landing import land
    from ddcrm.sources import open_source

    rows: dict[date, int] = {}
    with _recorded(settings, "extract", source, dates), Engine(settings) as engine:
        progress.point("extract.begin", source=source, dates=str(dates))
        for days, contract in _versions(settings, source, dates):
            rows |= land(engine, source, days, open_source(contract, settings, days)).rows
    return ExtractResult(source, dates, sum(rows.values()), sum(1 for number in rows.values() if not number))


def transform(settings: Settings, source: str, dates: DateRange) -> IngestResult:
    """Conform what has landed into candidates: typed rows on disk that nobody reads before they were validated."""
    from ddcrm.lake.candidates import alone
    from ddcrm.lake.engine import Engine

    with (
        _recorded(settings, "transform", source, dates) as ledger,
        Engine(settings) as engine,
        alone(settings, source, dates),
    ):
        candidates = _candidates(engine, ledger, source, dates)
    counts = [counts for candidate in candidates for counts in candidate.counts.values()]
    return _result("transform", source, dates, candidates, counts)


def validate(settings: Settings, source: str, dates: DateRange) -> IngestResult:
    """Audit the candidates and make them the conformed rows of their days; records counts and checks in the ledger.

    Raises SchemaChangedError where the source has changed so that its batches can't be read as they were
    (docs/schema-changes.md), BatchRejectedError where a critical check fails or more rows than the contract
    tolerates would be quarantined: then nothing of the range changes.
    """
    from ddcrm.lake.candidates import alone
    from ddcrm.lake.engine import Engine

    with (
        _recorded(settings, "validate", source, dates) as ledger,
        Engine(settings) as engine,
        alone(settings, source, dates),
    ):
        return _validate(engine, ledger, source, dates)


def _validate(engine: Engine, ledger: Ledger, source: str, dates: DateRange) -> IngestResult:
    from ddcrm.contracts import load_source
    from ddcrm.pipeline.audit import audit
    from ddcrm.pipeline.detect import detect, results
    from ddcrm.pipeline.restate_finish import settled

    counts: list[DayCounts] = []
    progress.point("validate.begin", source=source, dates=str(dates))
    candidates = _candidates(engine, ledger, source, dates)
    changes = detect(engine, ledger, load_source(engine.settings.contracts_dir, source), candidates)
    verdicts = [audit(engine, ledger, candidate, results(found))  # all, before any is accepted
                for candidate, found in zip(candidates, changes, strict=True)]  # fmt: skip
    with settled(engine.settings, ledger.warehouse, shared=True):
        for candidate, verdict in zip(candidates, verdicts, strict=True):
            counts += accept_and_record(engine, ledger, candidate, verdict.failed).counts.values()
            candidate.remove()
    progress.point("validate.end", source=source, dates=str(dates))
    warnings = tuple(warning for verdict in verdicts for warning in verdict.warnings)
    return _result("validate", source, dates, candidates, counts, warnings)


def _candidates(engine: Engine, ledger: Ledger, source: str, dates: DateRange) -> list[Candidate]:
    """The candidate of each part of a range; of columns that did not arrive it is told what they may be called now."""
    from ddcrm.errors import SchemaChangedError
    from ddcrm.lake.candidates import make_candidate
    from ddcrm.pipeline.detect import explained

    made = []
    for days, contract in _versions(engine.settings, source, dates):
        try:
            made.append(make_candidate(engine, contract, days))
        except SchemaChangedError as error:
            raise explained(engine, ledger, contract, error) from None
    return made


def ingest(settings: Settings, source: str, dates: DateRange) -> IngestResult:
    """Extract, transform and validate."""
    from dataclasses import replace

    extract(settings, source, dates)
    return replace(validate(settings, source, dates), step="ingest")


def sources(settings: Settings) -> tuple[str, ...]:
    """The sources that have contracts and are enabled, in the order of their names."""
    from ddcrm.contracts import load_contracts

    return tuple(name for name in load_contracts(settings.contracts_dir).sources if settings.source(name).enabled)


def readable(settings: Settings, source: str, dates: DateRange) -> DateRange | None:
    """The days of a range from the first on that a version of the source's contract reads; None where there is none."""
    from ddcrm.contracts import load_source

    contracts = load_source(settings.contracts_dir, source)
    first = next((day for day in dates if contracts.effective(source, day) is not None), None)
    return DateRange(first, dates.last) if first else None


def _versions(settings: Settings, source: str, dates: DateRange) -> list[tuple[DateRange, Contract]]:
    """The contract of each part of a range.

    A source that can't be asked for a day (a file, a table or an address without one) gives what is known now: of a
    range only the last day is delivered, the others stay as they are.
    """
    from ddcrm.contracts import load_source

    contracts = load_source(settings.contracts_dir, source)
    if not contracts.for_batch(source, dates.last).server.dated:
        dates = DateRange(dates.last, dates.last)
    return contracts.for_range(source, dates)


def accept_and_record(engine: Engine, ledger: Ledger, candidate: Candidate, failed: Any) -> Accepted:
    """Commit an audited candidate without the rows that failed, and record its batches."""
    from ddcrm.lake.accept import accept
    from ddcrm.pipeline.record import record_batches

    accepted = accept(engine, candidate, failed)
    record_batches(engine.settings, ledger, candidate, accepted)
    return accepted


def _recorded(settings: Settings, step: str, source: str, dates: DateRange) -> Any:
    from ddcrm.pipeline.record import recorded

    return recorded(settings, step, source=source, partition_first=dates.first, partition_last=dates.last)


def _result(
    step: str,
    source: str,
    dates: DateRange,
    candidates: list[Candidate],
    counts: list[DayCounts],
    warnings: tuple[str, ...] = (),
) -> IngestResult:
    quarantined: Counter[str] = sum((day.quarantined for day in counts), Counter())
    excluded: Counter[str] = sum((day.excluded for day in counts), Counter())
    versions = tuple(dict.fromkeys(candidate.contract.version for candidate in candidates))
    return IngestResult(
        step,
        source,
        dates,
        versions,
        sum(day.landed for day in counts),
        sum(day.conformed for day in counts),
        sum(day.duplicates for day in counts),
        dict(quarantined),
        dict(excluded),
        warnings,
    )
