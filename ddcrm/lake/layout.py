"""Where things stand in the lake."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from ddcrm.dates import DateRange
from ddcrm.lake.delta import Filter, Table
from ddcrm.settings import Settings

LANDING_PARTITION = "_batch_date"
SYSTEM_COLUMNS = ("_source", "_line")


def landing_table(settings: Settings, source: str) -> Table:
    """Every batch of a source as received, as text."""
    return Table(settings.lake_dir / "landing" / source, [LANDING_PARTITION])


def conformed_table(settings: Settings, entity: str) -> Table:
    """The typed rows of an entity, from all its sources."""
    return Table(settings.lake_dir / "conformed" / entity, ["source", "batch_date"])


def quarantine_table(settings: Settings, source: str) -> Table:
    """The rows of a source that were not accepted, as text, with the reasons."""
    return Table(settings.lake_dir / "quarantine" / source, [LANDING_PARTITION])


def candidates_dir(settings: Settings, source: str) -> Path:
    """Conformed rows that were not audited yet."""
    return settings.lake_dir / "candidates" / source


def days(column: str, dates: DateRange) -> list[Filter]:
    """The filter for the partitions of a range of days."""
    return [(column, ">=", str(dates.first)), (column, "<=", str(dates.last))]


def until(column: str, day: date) -> list[Filter]:
    """The filter for the partitions up to a day."""
    return [(column, "<=", str(day))]
