"""kmeans: groups of customers who resemble each other, as the model found them."""

from __future__ import annotations

import numpy as np

from ddcrm.scoring.schemes.base import Day, Scheme, Segmentation
from ddcrm.scoring.words import number


def find(day: Day) -> Segmentation | None:
    """The cluster whose centroid is nearest; None without a model."""
    import pandas as pd

    model = day.models.kmeans.estimator
    if model is None:
        return None
    columns = {name: day.scores.columns[name] for name in model.columns}
    labels = model.predict(pd.DataFrame(columns, copy=False))
    known = sorted(model.names_)
    codes = np.searchsorted(known, labels).astype(np.int16)
    return Segmentation("kmeans", tuple(model.names_[label] for label in known), codes)


def rule(day: Day, segment: str) -> str:
    """The centroid in the columns' own units."""
    model = day.models.kmeans.estimator
    profile = model.profile_
    center = profile[profile["name"] == segment].iloc[0]
    return "closest to " + ", ".join(f"{column} {number(center[column])}" for column in model.columns)


SCHEME = Scheme("kmeans", find, rule, None)
