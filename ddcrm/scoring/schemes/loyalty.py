"""loyalty: how often, how much, how many kinds of product and how regularly a customer buys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddcrm.scoring.explanations import Measure
from ddcrm.scoring.schemes.base import Day, Scheme, Segmentation
from ddcrm.scoring.words import number
from ddcrm.settings import SegmentSettings

NAMES = ("very loyal", "loyal", "somewhat loyal", "not loyal")


@dataclass(frozen=True)
class Loyalty:
    """The components of each customer, 0 to 99 (None where nothing is known of any customer), and their mean."""

    components: dict[str, NDArray[np.int16] | None]
    score: NDArray[np.float64]

    def part(self, rows: slice) -> Loyalty:
        """That of some of the customers."""
        found = {name: None if column is None else column[rows] for name, column in self.components.items()}
        return Loyalty(found, self.score[rows])


def exceeded(values: NDArray[Any]) -> NDArray[np.int16]:
    """The whole per cent of customers who have less, (n,): equal values get the same, the least get 0."""
    if not len(values):
        return np.zeros(0, dtype=np.int16)
    ordered = np.sort(values)
    below = (100 * np.searchsorted(ordered, ordered) // len(ordered)).astype(np.int16)
    steps = np.flatnonzero(np.diff(below, prepend=-1))  # at most 100, so that looking up a value is cheap
    return below[steps][np.searchsorted(ordered[steps], values, side="right") - 1]


def regularity(gap_mean_days: NDArray[np.float64], gap_std_days: NDArray[np.float64]) -> NDArray[np.float64]:
    """Less the coefficient of variation of the gaps between purchase days; least where there are too few gaps, (n,)."""
    return np.where(np.isnan(gap_std_days), -np.inf, -gap_std_days / gap_mean_days)


def loyalty(day: Day) -> Loyalty:
    """The components and the score, (n,) each."""
    days = day.segments.loyalty.days
    products = day.feature("products")
    known = bool(np.isfinite(products).any())
    regular = regularity(day.feature("gap_mean_days"), day.feature("gap_std_days"))
    components = {
        "often": exceeded(day.feature(f"purchase_days_{days}d")),
        "much": exceeded(np.maximum(day.money(f"spend_{days}d"), 0)),
        "kinds": exceeded(np.nan_to_num(products)) if known else None,
        "regular": exceeded(regular),
    }
    told = [component for component in components.values() if component is not None]
    return Loyalty(components, np.add.reduce(told, dtype=np.float64) / len(told))


def find(day: Day) -> Segmentation:
    """The levels of the score; the detail is the Loyalty."""
    found = loyalty(day)
    levels = np.add.reduce([found.score < least for least in day.segments.loyalty.levels], dtype=np.int8)
    return Segmentation("loyalty", NAMES, levels, found)


def rule(day: Day, segment: str) -> str:
    """The scores of a level, in words."""
    levels = [number(level) for level in day.segments.loyalty.levels]
    position = NAMES.index(segment)
    least = f"at least {levels[position]}" if position < len(levels) else ""
    most = f"less than {levels[position - 1]}" if position else ""
    return f"loyalty_score {' and '.join(part for part in (least, most) if part)} of 100"


def _features(segments: SegmentSettings) -> tuple[str, ...]:
    days = segments.loyalty.days
    return (f"purchase_days_{days}d", f"spend_{days}d", "products", "gap_mean_days", "gap_std_days")


def _measures(day: Day, found: Segmentation) -> list[Measure]:
    days, parts = day.segments.loyalty.days, found.detail.components
    measures = [
        Measure(f"bought on {{}} of the last {days} days", day.feature(f"purchase_days_{days}d")),
        Measure(f"spent {{}} in the last {days} days", day.money(f"spend_{days}d") / 100),
        Measure("regularity above that of {} % of customers", parts["regular"]),
    ]
    if parts["kinds"] is None:
        return measures
    return [*measures, Measure("bought {} different products", np.nan_to_num(day.feature("products")).astype(np.int64))]


SCHEME = Scheme("loyalty", find, rule, NAMES, _features, _measures)
