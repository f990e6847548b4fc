"""Time: units, horizons and rates of discount, and the one place where they are converted.

Features are in days. The models take their times in units of `unit_days` days; a horizon is a number of days, of weeks,
or of months of the calendar. A month ends on the same day of the calendar's next month, or on its last day where it has
no such day: one month from January 31 is February 28 (or 29), and 12 months are 365 or 366 days. A rate of discount is
a year's; a year has 365 days, and discount is continuous within it.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from math import exp, expm1, log1p
from typing import TYPE_CHECKING, Any

from ddcrm.errors import SettingsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

YEAR_DAYS = 365.0


class Unit(Enum):
    """A unit of time. A month is one of the calendar: how many days it has depends on where it begins."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True)
class Period:
    """So many units of time."""

    count: int
    unit: Unit

    def __post_init__(self) -> None:
        if self.count < 1:
            raise SettingsError(f"a period of {self.count} {self.unit.value}s is none", hint="Take 1 or more.")

    def __str__(self) -> str:
        return f"{self.count} {self.unit.value}{'s' if self.count > 1 else ''}"

    @classmethod
    def parse(cls, text: str) -> Period:
        """The period written as '90 days', '52 weeks' or '12 months'; raises SettingsError for anything else."""
        found = re.fullmatch(r"\s*(\d{1,4})\s+(day|week|month)s?\s*", text)
        if found is None:
            raise SettingsError(f"{text!r} is not a period", hint="Write '90 days', '52 weeks' or '12 months'.")
        return cls(int(found[1]), Unit(found[2]))

    def end(self, start: date) -> date:
        """The day on which the period is over that begins at the end of `start`."""
        if self.unit is not Unit.MONTH:
            return start + timedelta(days=self.count * (7 if self.unit is Unit.WEEK else 1))
        years, month = divmod(start.month - 1 + self.count, 12)
        year, month = start.year + years, month + 1
        return date(year, month, min(start.day, monthrange(year, month)[1]))

    def days(self, start: date) -> int:
        """How many days it has when it begins at the end of `start`."""
        return (self.end(start) - start).days


@dataclass(frozen=True)
class Discount:
    """What a year's discount makes of money that comes later: at `annual` .10, 1.10 in a year is worth 1.00 now."""

    annual: float

    def rate(self, days: float = 1.0) -> float:
        """The continuous rate for `days` days: exp(-rate) is the discount over them. 7 gives that of a week."""
        return log1p(self.annual) * days / YEAR_DAYS

    def factor(self, days: float) -> float:
        """What 1 in `days` days is worth now."""
        return exp(-self.rate(days))

    def mean_factor(self, days: float) -> float:
        """What 1 is worth now that comes in evenly over `days` days: (1 - exp(-rate)) / rate."""
        rate = self.rate(days)
        return -expm1(-rate) / rate if rate > 0 else 1.0


def in_units(days: Any, unit_days: float) -> Any:
    """A number of days, or an array of them, in units of `unit_days` days (7: in weeks)."""
    return days / unit_days


def model_times(features: Mapping[str, Any], unit_days: float) -> dict[str, Floats]:
    """The columns of BG/NBD for each customer: frequency, recency and tenure, the latter two in the models' unit.

    features: columns frequency, recency_days and tenure_days, (n,) each. Recency counts in BG/NBD from the first
    purchase day to the last one (Fader, Hardie & Lee 2005), in RFM from the last one to as_of.
    """
    import numpy as np

    tenure = np.asarray(features["tenure_days"], dtype=np.int64)
    since = np.asarray(features["recency_days"], dtype=np.int64)
    return {
        "frequency": np.asarray(features["frequency"], dtype=np.float64),
        "recency": in_units(tenure - since, unit_days),
        "tenure": in_units(tenure, unit_days),
    }
