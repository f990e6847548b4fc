"""What the ledger keeps, as values; the fields are the columns of the tables in schema ops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from math import isfinite
from typing import Any


class Record:
    """Base of the records."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {name: plain(value) for name, value in asdict(self).items()}  # type: ignore[call-overload]


@dataclass(frozen=True)
class Batch(Record):
    """One batch of a source: rows that landed = conformed + quarantined + excluded + duplicates."""

    source: str
    batch_date: date
    entity: str
    contract_version: str
    landed: int
    conformed: int
    quarantined: int = 0
    excluded: int = 0
    duplicates: int = 0
    contract_fingerprint: str | None = None
    lake_version: int | None = None
    newest_event_at: datetime | None = None
    digest: str | None = None
    used_digest: str | None = None
    made_by: Mapping[str, Any] | None = None
    recorded_at: datetime | None = field(default=None, compare=False)  # by the database


@dataclass(frozen=True)
class Reason(Record):
    """How many rows of a batch went where, and why; `outcome`: quarantined, excluded, duplicate."""

    source: str
    batch_date: date
    outcome: str
    reason: str
    rows: int


@dataclass(frozen=True)
class Validation(Record):
    """One check; `observed` holds aggregates as JSON-ready values, never a row's values."""

    expectation: str
    severity: str
    status: str
    suite: str | None = None
    column_name: str | None = None
    evaluated: int | None = None
    failing: int | None = None
    observed: Any = None
    message: str | None = None


@dataclass(frozen=True)
class Model(Record):
    """One trained model, its card (JSON-ready) and its metrics."""

    name: str
    version: str
    trained_as_of: date
    training_first: date | None = None
    training_last: date | None = None
    data_digest: str | None = None
    fingerprint: str | None = None
    card: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Run(Record):
    """One run of a step; whoever runs it may add to `facts` until it ends."""

    run_id: str
    step: str
    status: str = "running"
    source: str | None = None
    partition_first: date | None = None
    partition_last: date | None = None
    as_of: date | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error_type: str | None = None
    error_message: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    orchestrator_ref: str | None = None


@dataclass(frozen=True)
class Publication(Record):
    """One published table of a day."""

    as_of: date
    table: str
    rows: int
    digest: str


@dataclass(frozen=True)
class PublishedDay(Record):
    """One complete day: the digests of its tables, the rows of all of them, what it was made by."""

    as_of: date
    digests: Mapping[str, str]
    rows: int
    made_by: Mapping[str, Any] | None
    published_at: datetime


@dataclass(frozen=True)
class Status(Record):
    """Where the pipeline stands: the newest complete day, each source's last batch, what still fails, models."""

    current_day: date | None
    publications: tuple[Publication, ...]
    batches: tuple[Batch, ...]
    failed: tuple[Run, ...]
    running: tuple[Run, ...]
    models: tuple[Model, ...]


def plain(value: Any) -> Any:
    """The value as JSON can hold it: days and moments as ISO 8601 text, NaN and infinity as null, tuples as lists."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if type(value).__module__ == "numpy":
        return plain(value.tolist())
    if isinstance(value, float):
        return float(value) if isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)
