"""The plain heuristics that every model must beat: the rate so far goes on, or the last period comes again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddcrm.features.periods import LAST_PERIOD

Floats = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]

RATE, LAST = "rate_so_far", "last_period"
HEURISTICS = (RATE, LAST)


def rate_so_far(columns: Columns, days: float) -> Floats:
    """Purchases within `days`, (n,): repeat purchases a day of tenure, times days; 0 on the first day.

    columns: frequency and tenure_days, (n,) each.
    """
    frequency, tenure = (np.asarray(columns[name], dtype=np.float64) for name in ("frequency", "tenure_days"))
    return frequency / np.maximum(tenure, 1.0) * days


def spend_so_far(columns: Columns) -> Floats:
    """Spend of a purchase day, (n,): the mean so far, never below zero; columns: monetary_value."""
    return np.maximum(np.asarray(columns["monetary_value"], dtype=np.float64), 0.0)


def last_period(columns: Columns, period: int, days: float) -> tuple[Floats, Floats]:
    """Purchases and spend (not below 0) within `days`, (n,) each: the last `period` days come again, in proportion.

    columns: those of `features.periods.LAST_PERIOD`, of the last `period` days.
    """
    purchases, spend = (np.asarray(columns[name], dtype=np.float64) for name in LAST_PERIOD)
    return purchases * (days / period), np.maximum(spend, 0.0) * (days / period)
