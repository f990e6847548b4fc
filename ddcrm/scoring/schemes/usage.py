"""usage: heavy, medium, light and zero spenders, by the share of a window's revenue that they make."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import numpy as np
from numpy.typing import NDArray

from ddcrm.scoring.explanations import Measure
from ddcrm.scoring.money import Cents
from ddcrm.scoring.schemes.base import Day, Scheme, Segmentation
from ddcrm.scoring.words import percent
from ddcrm.settings import SegmentSettings, UsageSettings

NAMES = ("heavy", "medium", "light", "zero")


def usage_classes(spend: Cents, usage: UsageSettings) -> NDArray[np.int8]:
    """The class of each customer as a position in NAMES, (n,).

    spend: net spend of the window in cents. A spender is heavy if those who spend more than he make less than
    usage.heavy of the revenue of all spenders; medium if they make less than usage.medium of it; else light. So equal
    spenders are in one class, and the class that a border falls into takes whoever stands on it. Who spent nothing, or
    got back more than he spent, is zero.
    """
    spenders = spend > 0
    levels, at = np.unique(spend[spenders], return_inverse=True)
    revenue = levels * np.bincount(at, minlength=len(levels))
    above = np.cumsum(revenue[::-1])[::-1] - revenue  # what those make who spend more
    total = int(revenue.sum())
    borders = [ceil(Fraction(str(share)) * total) for share in (usage.heavy, usage.medium)]
    classes = np.full(len(spend), len(NAMES) - 1, dtype=np.int8)
    classes[spenders] = sum((above >= border).astype(np.int8) for border in borders)[at]
    return classes


def find(day: Day) -> Segmentation:
    """The classes by the spend of the window."""
    usage = day.segments.usage
    return Segmentation("usage", NAMES, usage_classes(day.money(f"spend_{usage.days}d"), usage))


def rule(day: Day, segment: str) -> str:
    """Who belongs to a class, in words."""
    usage = day.segments.usage
    window = f"the last {usage.days} days"
    return {
        "heavy": f"the greatest spenders of {window}, who make the first {percent(usage.heavy)} of its revenue",
        "medium": f"the next ones, up to {percent(usage.medium)} of the revenue of {window}",
        "light": f"the others who spent in {window}",
        "zero": f"no net spend in {window}",
    }[segment]


def _features(segments: SegmentSettings) -> tuple[str, ...]:
    return (f"spend_{segments.usage.days}d",)


def _measures(day: Day, found: Segmentation) -> list[Measure]:
    days = day.segments.usage.days
    return [Measure(f"spent {{}} in the last {days} days", day.money(f"spend_{days}d") / 100)]


SCHEME = Scheme("usage", find, rule, NAMES, _features, _measures)
