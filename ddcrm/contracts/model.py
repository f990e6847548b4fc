"""What a contract says, as values: the pipeline's view of one ODCS document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

Delivery = Literal["append", "corrections", "snapshot"]
Severity = Literal["critical", "warning", "info"]


@dataclass(frozen=True)
class Column:
    """One property: from the source's column to ours."""

    name: str
    source_name: str  # "" where the value is computed by `transform` alone
    type: str  # canonical: string, integer, double, boolean, date, timestamp, decimal(p,s)
    required: bool = False
    primary_key: bool = False
    key_position: int = 0  # the column's place in the primary key
    transform: str | None = None  # one SQL expression over the source's columns (text)
    format: str | None = None  # of dates and timestamps, as ODCS writes it: yyyy-MM-dd HH:mm:ss
    timezone: str | None = None  # in which a timestamp without an offset is meant; the contract's where absent
    role: str | None = None  # event_time, or None
    classification: str | None = None  # of personal data: anything but None or "public" is redacted in reports
    enum: tuple[str, ...] = ()
    minimum: str | None = None
    maximum: str | None = None
    pattern: str | None = None
    max_length: int | None = None
    min_length: int | None = None
    unit_check: bool = True  # are the sizes of its values held against earlier batches?

    @property
    def personal(self) -> bool:
        """Whether values of the column must not be shown outside landing, conformed and quarantine."""
        return self.classification not in (None, "public")


@dataclass(frozen=True)
class Exclusion:
    """Rows that are left out on purpose: a name for the ledger, and SQL over the contract's columns."""

    name: str
    where: str
    reason: str = ""


@dataclass(frozen=True)
class Server:
    """Where the data is. `kind` is file, sql or http; `options` hold what belongs to the kind (docs/contracts.md)."""

    kind: Literal["file", "sql", "http"]
    format: str = ""  # csv, json, jsonl, parquet (files)
    path: str = ""  # files: a path pattern; {batch_date} stands for the partition
    location: str = ""  # http: the base URL
    table: str = ""  # sql: the table or view, schema-qualified
    secret: str | None = None  # the NAME of the secret that holds the URL or token
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dated(self) -> bool:
        """Whether a day can be asked for; else the server gives all that it has, as it is now."""
        if self.kind == "sql":
            return "cursor_column" in self.options
        if self.kind == "file" and "partition_column" in self.options:
            return True
        texts = (self.path, self.options.get("path"), *(self.options.get("params") or {}).values())
        return any("{batch_date" in str(text) or "{next_date" in str(text) for text in texts)


@dataclass(frozen=True)
class Volume:
    """Rows against the median of the same weekday in the last `weeks` weeks; a share outside +-`tolerance` fails."""

    tolerance: float = 0.5
    weeks: int = 4
    severity: Severity = "warning"


@dataclass(frozen=True)
class Freshness:
    """The newest event of a batch may be at most `hours` before the end of its day."""

    hours: float
    column: str
    severity: Severity = "warning"


@dataclass(frozen=True)
class Contract:
    """One version of one source."""

    source: str
    version: str
    entity: str
    effective_from: date
    columns: tuple[Column, ...]
    server: Server
    delivery: Delivery = "corrections"
    status: str = "active"
    suite: str | None = None
    max_quarantined_share: float = 0.0
    exclude: tuple[Exclusion, ...] = ()
    timezone: str = "UTC"
    null_values: tuple[str, ...] = ("",)
    allow_empty: bool = False  # may a batch have no rows?
    freshness: Freshness | None = None
    volume: Volume | None = None
    file: Path | None = None
    fingerprint: str = ""  # sha256 of the document
    further_source_columns: tuple[str, ...] = ()  # of the source, without a property of their own

    @property
    def key(self) -> tuple[str, ...]:
        """The names of the primary key's columns, in the key's order."""
        columns = [column for column in self.columns if column.primary_key]
        return tuple(column.name for column in sorted(columns, key=lambda column: column.key_position))

    @property
    def source_columns(self) -> tuple[str, ...]:
        """The columns that the contract expects of the source, under the source's names."""
        named = tuple(column.source_name for column in self.columns if column.source_name)
        return named + self.further_source_columns

    @property
    def event_time(self) -> Column | None:
        """The column that says when a row happened."""
        return next((column for column in self.columns if column.role == "event_time"), None)

    def column(self, name: str) -> Column:
        """The column with our name `name`; raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


@dataclass(frozen=True)
class Entity:
    """One canonical entity: its key, and its columns with their types in their order."""

    name: str
    key: tuple[str, ...]
    columns: Mapping[str, str]
    required: tuple[str, ...]
    event_time: str | None = None
