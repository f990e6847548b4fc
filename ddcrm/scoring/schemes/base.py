"""What a scheme is, and what it is given of a day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddcrm.scoring.explanations import Explanation, Measure, explained
from ddcrm.scoring.models import ScoringModels
from ddcrm.scoring.money import Cents, cents_of
from ddcrm.scoring.scores import Scored
from ddcrm.settings import SegmentSettings


@dataclass(frozen=True)
class Segmentation:
    """One scheme: the segment of each customer, (n,) in the order of customer_id, as a position in `names`.

    detail: what the scheme knows of each customer besides.
    """

    scheme: str
    names: tuple[str, ...]
    codes: NDArray[np.integer[Any]]
    detail: Any = None


@dataclass(frozen=True)
class Day:
    """The customers of a day with their scores and features, the models, and what the settings say of segments."""

    scores: Scored
    models: ScoringModels
    segments: SegmentSettings

    def feature(self, name: str) -> NDArray[Any]:
        """A numeric feature, (n,) in the order of customer_id; NaN where it is NULL."""
        return self.scores.features[name].to_numpy()

    def money(self, name: str) -> Cents:
        """A money feature in whole cents, (n,) in the order of customer_id."""
        return cents_of(self.scores.features[name])


@dataclass(frozen=True)
class Scheme:
    """One way of segmenting.

    find: the segments of a day, None where its model is missing. rule: who belongs to a segment, in words.
    names: its segments, best first, or None where a model finds and names them. features: what it needs beyond
    SCORING_COLUMNS. measures: what explains its segments, beyond `behaviour`.
    """

    name: str
    find: Callable[[Day], Segmentation | None]
    rule: Callable[[Day, str], str]
    names: tuple[str, ...] | None
    features: Callable[[SegmentSettings], tuple[str, ...]] = lambda _: ()
    measures: Callable[[Day, Segmentation], list[Measure]] = lambda _, __: []

    def explained(self, day: Day, found: Segmentation) -> Explanation:
        """Its segments in the words of three questions."""
        return explained([*behaviour(day), *self.measures(day, found)], found.codes, found.names)


def behaviour(day: Day) -> list[Measure]:
    """What a person looks at first: how long ago, how often, how much, since when."""
    columns = day.scores.columns
    return [
        Measure("last bought {} days ago", columns["recency_days"]),
        Measure("bought on {} days", columns["purchase_days"]),
        Measure("spends {} a purchase day", day.scores.monetary / 100),
        Measure("first bought {} days ago", columns["tenure_days"]),
    ]
