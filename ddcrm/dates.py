"""Days and ranges of days: the partitions of the pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from ddcrm.errors import SettingsError


def parse_day(text: str | date | None, what: str = "date") -> date:
    """The day written as YYYY-MM-DD; raises SettingsError for anything else, None included."""
    if isinstance(text, date):
        return text
    try:
        day = date.fromisoformat(text or "")
        if str(day) != text:  # Python reads week dates and dates without hyphens, too
            raise ValueError(text)
        return day
    except ValueError:
        raise SettingsError(f"{what} {text!r} is not a day", hint="Write it as YYYY-MM-DD.") from None


@dataclass(frozen=True, order=True)
class DateRange:
    """The days from `first` to `last`, both included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise SettingsError(f"the range {self} ends before it begins", hint="Swap the two days.")

    @classmethod
    def parse(cls, first: str | date, last: str | date | None = None) -> DateRange:
        """From one or two days as YYYY-MM-DD."""
        begin = parse_day(first)
        return cls(begin, parse_day(last) if last is not None else begin)

    def __iter__(self) -> Iterator[date]:
        return (self.first + timedelta(days=n) for n in range(len(self)))

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}..{self.last}"
