"""Times of day, and how the demo's moments are written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ddcrm.demo.parameters import TIMEZONE, Company

_HOUR_WEIGHTS = np.array(
    [0] * 7 + [2, 3, 4, 5, 6, 7, 6, 5, 5, 5, 6, 8, 10, 11, 9, 5, 0], dtype=float
)  # 7 to 23 o'clock


def shop_seconds(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Seconds of the day, local time: busy in the evening, closed at night, when summer time comes and goes."""
    hour = rng.choice(24, n, p=_HOUR_WEIGHTS / _HOUR_WEIGHTS.sum())
    return np.asarray(hour * 3600 + rng.integers(0, 3600, n), dtype=np.int64)


def office_seconds(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Seconds of the day between 6 and 20 o'clock UTC, which is the same day in the company's own time zone."""
    return rng.integers(6 * 3600, 20 * 3600, n)


def moments(company: Company, day: Any, second: Any) -> pd.Series[pd.Timestamp]:
    """The moments (without a zone) that many seconds into those days."""
    first = pd.Timestamp(company.dates.first).as_unit("s")
    offset = pd.Series(np.asarray(day, dtype=np.int64) * 86_400 + np.asarray(second, dtype=np.int64))
    return first + pd.to_timedelta(offset, unit="s")


def in_utc(local: pd.Series[pd.Timestamp]) -> pd.Series[pd.Timestamp]:
    """Local moments of the company as moments in UTC, still without a zone."""
    return local.dt.tz_localize(TIMEZONE).dt.tz_convert("UTC").dt.tz_localize(None)


def written(moment: pd.Series[pd.Timestamp], pattern: str) -> pd.Series[str]:
    """As text."""
    return moment.dt.strftime(pattern)
