"""What estimators that find groups of customers have in common: reading, sampling, labels that last, readable names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from ddcrm.models.base import Floats, columns_of, invalid
from ddcrm.models.cluster_names import ClusterName, name_clusters
from ddcrm.models.scaling import Scale

Labels = NDArray[np.intp]


class ClusterSegments(BaseEstimator, ABC):
    """Base of KMeansSegments and DensitySegments; a label, once given, never means another cluster."""

    model: str
    columns: tuple[str, ...]
    random_state: int

    logged_: NDArray[np.bool_]
    mean_: Floats
    scale_: Floats
    centers_: Floats
    cluster_labels_: Labels
    next_label_: int
    n_clusters_: int
    names_: dict[int, str]
    traits_: dict[int, Any]

    def _read(self, X: Any) -> Floats:
        values = np.column_stack(columns_of(X, self.columns, self.model))
        if not np.isfinite(values).all():
            row, column = np.argwhere(~np.isfinite(values))[0]
            raise invalid(self.model, f"{self.columns[column]} is {values[row, column]} in row {row}")
        return values

    def _check_columns(self, previous: ClusterSegments) -> None:
        if tuple(self.columns) != tuple(previous.columns):
            raise invalid(self.model, f"the previous model has the columns {', '.join(previous.columns)}")

    @property
    def _scale(self) -> Scale:
        return Scale(self.logged_, self.mean_, self.scale_)

    def _sample(self, values: Floats, size: int) -> Floats:
        if len(values) <= size:
            return values
        return values[np.sort(np.random.default_rng(self.random_state).choice(len(values), size, replace=False))]

    def _label(self, follows: dict[int, int], names: dict[int, ClusterName]) -> None:
        """Give clusters the labels of those that they follow, others new ones; names stay where they still fit."""
        fresh = [i for i in range(self.n_clusters_) if i not in follows]
        follows = follows | {i: self.next_label_ + n for n, i in enumerate(fresh)}
        labels = [follows[i] for i in range(self.n_clusters_)]
        named = name_clusters(self.centers_, self.columns, [names.get(label) for label in labels])
        self.cluster_labels_ = np.array(labels, dtype=np.intp)
        self.next_label_ += len(fresh)
        self.names_ = {label: name.text for label, name in sorted(zip(labels, named, strict=True))}
        self.traits_ = {label: name.traits for label, name in sorted(zip(labels, named, strict=True))}

    @property
    def _names(self) -> dict[int, ClusterName]:
        return {label: ClusterName(self.names_[label], traits) for label, traits in self.traits_.items()}

    @abstractmethod
    def again(self) -> ClusterSegments:
        """An unfitted estimator that would look for the same on other customers."""

    @abstractmethod
    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the clusters and name them; y is ignored."""

    @abstractmethod
    def predict(self, X: Any) -> Labels:
        """The label of each customer's cluster, (n,)."""


def mean_silhouette(distances: Floats, labels: Labels) -> float:
    """The mean silhouette, from the distances of all pairs, (n, n); NaN with fewer than two clusters."""
    from sklearn.metrics import silhouette_score

    if len(np.unique(labels)) < 2:
        return float("nan")
    return float(silhouette_score(distances, labels, metric="precomputed"))
