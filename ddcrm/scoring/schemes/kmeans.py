"""kmeans: groups of customers who resemble each other, as the model found them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ddcrm.scoring.schemes.base import Day, Scheme, Segmentation
from ddcrm.scoring.words import number

if TYPE_CHECKING:
    from ddcrm.models.clusters import ClusterSegments


def find(day: Day) -> Segmentation | None:
    """The cluster whose centroid is nearest; None without a model."""
    return clusters_of("kmeans", day, day.models.kmeans.estimator)


def clusters_of(scheme: str, day: Day, model: ClusterSegments | None) -> Segmentation | None:
    """The segments that a model has learned, by its labels; None without it."""
    import pandas as pd

    if model is None:
        return None
    columns = {name: day.scores.columns[name] for name in model.columns}
    labels = model.predict(pd.DataFrame(columns, copy=False))
    known = sorted(model.names_)
    codes = np.searchsorted(known, labels).astype(np.int16)
    return Segmentation(scheme, tuple(model.names_[label] for label in known), codes)


def rule(day: Day, segment: str) -> str:
    """The centroid in the columns' own units."""
    model = day.models.kmeans.estimator
    profile = model.profile_
    center = profile[profile["name"] == segment].iloc[0]
    return "closest to " + ", ".join(f"{column} {number(center[column])}" for column in model.columns)


SCHEME = Scheme("kmeans", find, rule, None)
