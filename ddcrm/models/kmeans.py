"""Segments by k-means: groups of customers who resemble each other, with names that say how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from sklearn.utils.validation import check_is_fitted

from ddcrm.errors import InsufficientDataError
from ddcrm.models.base import Floats, forget, invalid
from ddcrm.models.clusters import ClusterSegments, Labels, mean_silhouette
from ddcrm.models.scaling import Scale
from ddcrm.models.threads import one_thread

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.cluster import KMeans

_MODEL = "kmeans"
_BLOCK = 65_536  # rows in one go, so that memory does not grow with the customers
_STARTS = 4
_ROUGHLY = 200  # customers for a silhouette that nobody reads


class KMeansSegments(ClusterSegments):
    """K-means on standardised columns, the number of clusters chosen by silhouette.

    X is a DataFrame with the columns named by `columns`, or an (n, len(columns)) array in this order. Columns that
    are skewed (skewness beyond 1) enter as sign(x) log(1 + |x|), so that refunds may outweigh purchases; then all are
    standardised by the mean and standard deviation of all customers.

    Parameters: columns; k_min, k_max: the range of k, from which the k of the best silhouette is taken, the smaller
    on a tie (k_max may be more than the distinct customers allow, k_min may not); fit_sample, silhouette_sample: at
    most so many customers, drawn by random_state, find the centroids and the silhouette; random_state.

    Learned: centers_ (k, columns) in standard deviations from the population's mean; cluster_labels_ (k,) the label
    of each centroid; names_ {label: name}; sizes_ (k,) customers of the fit in each cluster; silhouettes_ {k: mean
    silhouette}; n_clusters_, n_features_in_, feature_names_in_. Labels count from 0 in the order of the centroids.

    One thread does the work, so the same X gives the same bits whatever the number of cores; the sample is drawn by
    position, so rows in another order give, beyond fit_sample customers, another sample.
    """

    model = _MODEL

    def __init__(
        self,
        columns: tuple[str, ...] = ("recency_days", "frequency", "monetary_value", "tenure_days"),
        k_min: int = 3,
        k_max: int = 8,
        fit_sample: int = 50_000,
        silhouette_sample: int = 3_000,
        random_state: int = 0,
    ) -> None:
        self.columns = columns
        self.k_min = k_min
        self.k_max = k_max
        self.fit_sample = fit_sample
        self.silhouette_sample = silhouette_sample
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the clusters and name them; y is ignored.

        Raises ModelError (X or the range of k not valid), InsufficientDataError (fewer than k_min + 1 different
        customers).
        """
        forget(self)
        self._check_range()
        values = self._read(X)
        if len(values) <= self.k_min:
            raise _insufficient(self.k_min, len(values))
        scale = Scale.of(values)
        with one_thread():  # sums by several threads differ in the last bits
            centers, silhouettes = self._choose(scale.apply(self._sample(values, self.fit_sample)))
        self.logged_, self.mean_, self.scale_ = scale
        self.centers_, self.silhouettes_ = centers, silhouettes
        self.n_clusters_, self.n_features_in_ = centers.shape
        self.feature_names_in_ = np.array(self.columns, dtype=object)
        self.sizes_ = np.bincount(self._nearest(values), minlength=self.n_clusters_)
        self.next_label_ = 0
        self._label({}, {})
        return self

    def predict(self, X: Any) -> Labels:
        """The label of each customer's cluster, shape (n,); raises ModelError for X that is not valid."""
        check_is_fitted(self)
        return self.cluster_labels_[self._nearest(self._read(X))]

    @property
    def profile_(self) -> pd.DataFrame:
        """One row a cluster, by label: name, size, share of customers, and the centroid in the columns' own units."""
        import pandas as pd

        check_is_fitted(self)
        profile = pd.DataFrame(self._scale.undo(self.centers_), columns=list(self.columns))
        profile.insert(0, "share", self.sizes_ / self.sizes_.sum())
        profile.insert(0, "size", self.sizes_)
        profile.insert(0, "name", [self.names_[label] for label in self.cluster_labels_.tolist()])
        return profile.set_index(self.cluster_labels_).rename_axis("label").sort_index()

    def match_to(self, previous: KMeansSegments, max_distance: float = 1.0) -> Self:
        """Give each cluster the label, and where it still fits the name, of the one it follows in `previous`.

        Clusters are paired so that the squared distances between centroids, in the scale of `previous`, are least in
        sum (Hungarian assignment); two further apart than max_distance standard deviations are not the same cluster.
        A cluster that follows none gets a label that was never used before. A name is kept while each trait that it
        tells still points the same way by a quarter of a standard deviation.
        Raises ModelError if the two have different columns.
        """
        check_is_fitted(self)
        check_is_fitted(previous)
        self._check_columns(previous)
        apart = cdist(previous._scale.apply(self._scale.undo(self.centers_)), previous.centers_)
        pairs = zip(*linear_sum_assignment(np.minimum(apart, max_distance) ** 2), strict=True)
        follows = {int(i): int(previous.cluster_labels_[j]) for i, j in pairs if apart[i, j] <= max_distance}
        self.next_label_ = previous.next_label_
        self._label(follows, previous._names)
        return self

    def again(self) -> KMeansSegments:
        """An unfitted estimator that looks for as many clusters as were found; its silhouette is a rough one."""
        check_is_fitted(self)
        k = self.n_clusters_
        return KMeansSegments(self.columns, k, k, self.fit_sample, max(k + 1, _ROUGHLY), self.random_state)

    def _check_range(self) -> None:
        if not 2 <= self.k_min <= self.k_max:
            raise invalid(_MODEL, f"k_min {self.k_min} and k_max {self.k_max} are not 2 <= k_min <= k_max")
        if self.silhouette_sample <= self.k_max or self.fit_sample <= self.k_max:
            raise invalid(_MODEL, f"the samples must be larger than k_max {self.k_max}")

    def _choose(self, scaled: Floats) -> tuple[Floats, dict[int, float]]:
        """The centroids, sorted, for the best k, and the mean silhouette for each k."""
        judged = self._sample(scaled, self.silhouette_sample)
        k_max = min(self.k_max, len(np.unique(judged, axis=0)) - 1)
        if k_max < self.k_min:
            raise _insufficient(self.k_min, len(scaled))
        fits = [self._kmeans(scaled, k) for k in range(self.k_min, k_max + 1)]
        distances = cdist(judged, judged)
        silhouettes = {fit.n_clusters: _silhouette(distances, fit.predict(judged)) for fit in fits}
        best = max(fits, key=lambda fit: silhouettes[fit.n_clusters])
        return best.cluster_centers_[np.lexsort(best.cluster_centers_.T[::-1])], silhouettes

    def _kmeans(self, scaled: Floats, k: int) -> KMeans:
        from sklearn.cluster import KMeans

        return KMeans(k, n_init=_STARTS, random_state=self.random_state).fit(scaled)

    def _nearest(self, values: Floats) -> Labels:
        nearest = np.empty(len(values), dtype=np.intp)
        scale = self._scale
        half = (self.centers_**2).sum(axis=1) / 2
        with one_thread():
            for start in range(0, len(values), _BLOCK):
                block = slice(start, start + _BLOCK)
                nearest[block] = np.argmin(half - scale.apply(values[block]) @ self.centers_.T, axis=1)
        return nearest


def _silhouette(distances: Floats, labels: Labels) -> float:
    """Mean silhouette; the worst there is where the sample shows one cluster only."""
    found = mean_silhouette(distances, labels)
    return -1.0 if np.isnan(found) else found


def _insufficient(k_min: int, n: int) -> InsufficientDataError:
    reason = f"fewer than {k_min + 1} different customers among {n}: too few for {k_min} clusters"
    return InsufficientDataError(model=_MODEL, reason=reason)
