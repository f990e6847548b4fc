"""How stable clusters are: do other customers of the same kind lead to the same clusters?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddcrm.errors import InsufficientDataError
from ddcrm.models.base import Floats
from ddcrm.models.clusters import ClusterSegments


@dataclass(frozen=True)
class Stability:
    """Mean and standard deviation of the adjusted Rand index over the bootstraps, and each cluster's mean Jaccard."""

    bootstraps: int
    rand_mean: float
    rand_std: float
    jaccard: dict[int, float]


def bootstrap_stability(
    model: ClusterSegments, X: Any, bootstraps: int = 20, sample: int = 5_000, random_state: int = 0
) -> Stability:
    """Fit the model again on `bootstraps` samples drawn with replacement, and compare the labels of the same customers.

    X: the customers of the fit; at most `sample` of them are looked at. A customer who is drawn twice counts once: a
    doubled point would be a crowd of its own. Rand: the adjusted Rand index (Hubert & Arabie 1985) of the model's
    labels and the new ones, 1 where they say the same, 0 as by chance; a sample that carries no clusters counts as one
    cluster. Jaccard of a cluster: its overlap with the new cluster that shares most, mean over the samples (Hennig
    2007: stable from 0.75 on, dissolved below 0.5).
    """
    from sklearn.metrics import adjusted_rand_score

    values = model._sample(model._read(X), sample)
    labels = model.predict(values)
    random = np.random.default_rng(random_state)
    again = [_labels_again(model, values, random) for _ in range(bootstraps)]
    rand = np.array([adjusted_rand_score(labels, others) for others in again])
    jaccard = {int(label): _mean_overlap(labels == label, again) for label in sorted(model.traits_)}
    return Stability(bootstraps, float(rand.mean()), float(rand.std()), jaccard)


def _labels_again(model: ClusterSegments, values: Floats, random: np.random.Generator) -> NDArray[np.intp]:
    drawn = np.unique(random.integers(0, len(values), len(values)))
    try:
        return np.asarray(model.again().fit(values[drawn]).predict(values))
    except InsufficientDataError:
        return np.zeros(len(values), dtype=np.intp)


def _mean_overlap(inside: NDArray[np.bool_], again: list[NDArray[np.intp]]) -> float:
    return float(np.mean([max(_jaccard(inside, others == label) for label in np.unique(others)) for others in again]))


def _jaccard(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return int(np.count_nonzero(one & other)) / max(int(np.count_nonzero(one | other)), 1)
