"""From days to the models' unit of time: the one place where they are converted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def in_units(days: Any, unit_days: float) -> Any:
    """A number of days, or an array of them, in units of `unit_days` days (7: in weeks)."""
    return days / unit_days


def model_times(features: Mapping[str, Any], unit_days: float) -> dict[str, Floats]:
    """The columns of BG/NBD for each customer: frequency, recency and tenure, the latter two in the models' unit.

    features: columns frequency, recency_days and tenure_days, (n,) each. Recency counts in BG/NBD from the first
    purchase day to the last one (Fader, Hardie & Lee 2005), in RFM from the last one to as_of.
    """
    tenure = np.asarray(features["tenure_days"], dtype=np.int64)
    since = np.asarray(features["recency_days"], dtype=np.int64)
    return {
        "frequency": np.asarray(features["frequency"], dtype=np.float64),
        "recency": in_units(tenure - since, unit_days),
        "tenure": in_units(tenure, unit_days),
    }
