"""lifecycle: new, reactivated, repeating, lapsed and inactive customers, between two periods."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ddcrm.scoring.explanations import Measure
from ddcrm.scoring.schemes.base import Day, Scheme, Segmentation
from ddcrm.settings import SegmentSettings

NAMES = ("repeating", "new", "reactivated", "lapsed", "inactive")


def stages(first: NDArray[np.bool_], now: NDArray[np.bool_], before: NDArray[np.bool_]) -> NDArray[np.int8]:
    """The stage of each customer as a position in NAMES, (n,).

    first: whether the first purchase fell into the later period; now, before: whether there was a purchase in the
    later, in the earlier period.
    """
    return np.select([now & before, now & first, now, before], list(range(4)), default=4).astype(np.int8)


def find(day: Day) -> Segmentation:
    """The stages, the later period ending with as_of."""
    days = day.segments.lifecycle.days
    now = day.feature(f"purchase_days_{days}d")
    both = day.feature(f"purchase_days_{2 * days}d")
    first = day.scores.columns["tenure_days"] < days
    return Segmentation("lifecycle", NAMES, stages(first, now > 0, both > now))


def rule(day: Day, segment: str) -> str:
    """Who is in a stage, in words."""
    days = day.segments.lifecycle.days
    later, earlier = f"the last {days} days", f"the {days} days before"
    return {
        "repeating": f"bought in {later} and in {earlier}",
        "new": f"bought for the first time in {later}",
        "reactivated": f"bought in {later}, not in {earlier}, but earlier",
        "lapsed": f"bought in {earlier}, not in {later}",
        "inactive": f"bought neither in {later} nor in {earlier}",
    }[segment]


def _features(segments: SegmentSettings) -> tuple[str, ...]:
    days = segments.lifecycle.days
    return (f"purchase_days_{days}d", f"purchase_days_{2 * days}d")


def _measures(day: Day, found: Segmentation) -> list[Measure]:
    days = day.segments.lifecycle.days
    now, both = (day.feature(f"purchase_days_{n}d") for n in (days, 2 * days))
    return [
        Measure(f"bought on {{}} of the last {days} days", now),
        Measure(f"bought on {{}} of the {days} days before", both - now),
    ]


SCHEME = Scheme("lifecycle", find, rule, NAMES, _features, _measures)
