"""Segments by density: crowds of customers who are alike, and the unusual ones who belong to none."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from sklearn.utils.validation import check_is_fitted

from ddcrm.errors import InsufficientDataError
from ddcrm.models.base import Floats, forget, invalid
from ddcrm.models.clusters import ClusterSegments, Labels, mean_silhouette
from ddcrm.models.scaling import Scale
from ddcrm.models.threads import one_thread

_MODEL = "density"
_SAME = 0.5  # the overlap from which two clusters are one: below it a cluster is dissolved (Hennig 2007)

_MARGIN = 1e-9  # in standard deviations: nothing

UNUSUAL = -1
UNUSUAL_NAME = "unusual"


class _Found(NamedTuple):
    """Points that decide on others: their positions in the sample, their clusters, and how far each one reaches.

    eps: DBSCAN's.
    """

    points: NDArray[np.intp]
    clusters: Labels
    reach: Floats
    eps: float = float("nan")


class DensitySegments(ClusterSegments):
    """DBSCAN or HDBSCAN on standardised columns, found in a sample, carried over to everybody by the nearest point.

    X is a DataFrame with the columns named by `columns`, or an (n, len(columns)) array in this order; columns are
    straightened and standardised as for k-means. At most `sample` customers, drawn by random_state, are clustered:

    - hdbscan (Campello, Moulavi & Sander 2013; scikit-learn's), with clusters of at least min_share of the sample. A
      customer is in the cluster of the nearest customer of the sample, unless that one is noise, or further away than
      that one's own min_samples-th neighbour (and than the median of these distances): then the customer is unusual.
    - dbscan (Ester et al. 1996; scikit-learn's), with eps_ where the sorted distances to the min_samples-th neighbour
      bend most: the point furthest below the chord from the least to the greatest (Satopaa et al. 2011). A customer is
      in the cluster of the nearest core point, if that is within eps_; a cluster of less than min_share is none.

    So a customer of the sample gets what the algorithm said of him (of DBSCAN's border points that two clusters claim:
    the nearer one). The same X gives the same bits: one thread fits, and the nearest point is each customer's own.

    Parameters: method; columns; sample; min_share; min_samples (twice the columns: Sander et al. 1998);
    silhouette_sample; random_state.

    Learned: points_ (m, columns) in standard deviations, point_clusters_ and reach_ (m,); centers_ (k, columns) the
    clusters' means; cluster_labels_ (k,); names_ {label: name}, `unusual` with the label -1; sizes_ (k + 1,) customers
    of the fit by cluster, the unusual ones last; noise_share_ of them; silhouette_ of those in clusters (NaN with fewer
    than two); eps_ (NaN for hdbscan); n_clusters_, n_features_in_, feature_names_in_.
    """

    model = _MODEL

    def __init__(
        self,
        method: str = "hdbscan",
        columns: tuple[str, ...] = ("recency_days", "frequency", "monetary_value", "tenure_days"),
        sample: int = 5_000,
        min_share: float = 0.02,
        min_samples: int = 8,
        silhouette_sample: int = 3_000,
        random_state: int = 0,
    ) -> None:
        self.method = method
        self.columns = columns
        self.sample = sample
        self.min_share = min_share
        self.min_samples = min_samples
        self.silhouette_sample = silhouette_sample
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the clusters and name them; y is ignored.

        Raises ModelError (X or the method not valid), InsufficientDataError (no cluster, or too few customers).
        """
        forget(self)
        if self.method not in ("hdbscan", "dbscan"):
            raise invalid(_MODEL, f"there is no method {self.method!r}: hdbscan, dbscan")
        values = self._read(X)
        sampled = self._sample(values, self.sample)
        if len(sampled) <= 2 * self.min_samples:
            reason = f"{len(values)} customers, not more than twice min_samples {self.min_samples}"
            raise InsufficientDataError(model=_MODEL, reason=reason)
        scale = Scale.of(values)
        scaled = scale.apply(sampled)
        with one_thread():  # sums by several threads differ in the last bits
            found = self._hdbscan(scaled) if self.method == "hdbscan" else self._dbscan(scaled)
        self._keep(scaled, found)
        self.logged_, self.mean_, self.scale_ = scale
        self.n_features_in_, self.feature_names_in_ = len(self.columns), np.array(self.columns, dtype=object)
        clusters = self._cluster_of(scale.apply(values))
        self.sizes_ = np.bincount(clusters % (self.n_clusters_ + 1), minlength=self.n_clusters_ + 1)
        self.noise_share_ = float(self.sizes_[-1]) / len(values)
        self.next_label_ = 0
        self._label({}, {})
        self.names_[UNUSUAL] = UNUSUAL_NAME
        self.silhouette_ = self._silhouette(scaled)
        return self

    def predict(self, X: Any) -> Labels:
        """The label of each customer's cluster, -1 for the unusual, (n,); raises ModelError for X that is not valid."""
        check_is_fitted(self)
        return np.append(self.cluster_labels_, UNUSUAL)[self._cluster_of(self._scale.apply(self._read(X)))]

    def match_to(self, previous: DensitySegments) -> Self:
        """Give each cluster the label, and where it still fits the name, of the one it follows in `previous`.

        The points of this model are put into the clusters of both; clusters are paired so that their overlaps (Jaccard)
        are greatest in sum (Hungarian assignment), and two that share less than half are not the same. A cluster that
        follows none gets a label that was never used before. Raises ModelError if the two have different columns.
        """
        check_is_fitted(self)
        check_is_fitted(previous)
        self._check_columns(previous)
        before = previous._cluster_of(previous._scale.apply(self._scale.undo(self.points_)))
        overlap = _overlaps(self.point_clusters_, self.n_clusters_, before, previous.n_clusters_)
        pairs = zip(*linear_sum_assignment(-overlap), strict=True)
        follows = {int(i): int(previous.cluster_labels_[j]) for i, j in pairs if overlap[i, j] >= _SAME}
        self.next_label_ = previous.next_label_
        self._label(follows, previous._names)
        self.names_[UNUSUAL] = UNUSUAL_NAME
        return self

    def again(self) -> DensitySegments:
        """An unfitted estimator like this one."""
        return DensitySegments(**self.get_params())

    @property
    def means_(self) -> dict[int, Floats]:
        """The mean of each cluster in the columns' own units, by label."""
        check_is_fitted(self)
        return dict(zip(self.cluster_labels_.tolist(), self._scale.undo(self.centers_), strict=True))

    def _hdbscan(self, scaled: Floats) -> _Found:
        from sklearn.cluster import HDBSCAN

        least = max(self.min_samples, int(self.min_share * len(scaled)))
        model = HDBSCAN(min_cluster_size=least, min_samples=self.min_samples, algorithm="kd_tree", copy=True)
        core = self._core_distance(scaled)
        reach = np.maximum(core, np.median(core))
        return _Found(np.arange(len(scaled)), model.fit(scaled).labels_.astype(np.intp), reach)

    def _dbscan(self, scaled: Floats) -> _Found:
        from sklearn.cluster import DBSCAN

        core = self._core_distance(scaled)
        eps = bend(core) or float(core[core > 0].min(initial=_MARGIN))  # of many equals it may be 0, which is none
        model = DBSCAN(eps=eps, min_samples=self.min_samples, algorithm="kd_tree").fit(scaled)
        sizes = np.bincount(model.labels_ + 1)[1:]
        large = np.flatnonzero(sizes >= self.min_share * len(scaled))
        core = model.core_sample_indices_
        core = core[np.isin(model.labels_[core], large)]
        clusters = np.searchsorted(large, model.labels_[core])
        return _Found(core, clusters, np.full(len(core), eps), eps)

    def _core_distance(self, scaled: Floats) -> Floats:
        """How far the min_samples-th neighbour is, himself counted as the algorithms do, (n,)."""
        return np.asarray(cKDTree(scaled).query(scaled, k=self.min_samples)[0])[:, -1]

    def _keep(self, scaled: Floats, found: _Found) -> None:
        """The points, with the clusters numbered in the order of their means."""
        k = int(found.clusters.max(initial=-1)) + 1
        if not k:
            raise InsufficientDataError(model=_MODEL, reason=f"no crowd among {len(scaled)} customers")
        points = scaled[found.points]
        means = np.array([points[found.clusters == i].mean(axis=0) for i in range(k)])
        order = np.lexsort(means.T[::-1])
        number = np.append(np.argsort(order), UNUSUAL)  # -1, the unusual, stays -1
        self.points_, self.point_clusters_, self.reach_ = points, number[found.clusters], found.reach
        self.centers_, self.n_clusters_, self.eps_ = means[order], k, found.eps

    def _cluster_of(self, scaled: Floats) -> Labels:
        """The cluster of each customer in the order of centers_, -1 for the unusual, (n,)."""
        distance, nearest = cKDTree(self.points_).query(scaled, distance_upper_bound=self._furthest)
        clusters, reach = np.append(self.point_clusters_, UNUSUAL), np.append(self.reach_, -1.0)
        return np.where(distance <= reach[nearest], clusters[nearest], UNUSUAL)

    @property
    def _furthest(self) -> float:
        """Just beyond what any point reaches: the tree looks no further."""
        return float(self.reach_.max()) * (1 + _MARGIN) + _MARGIN

    def _silhouette(self, scaled: Floats) -> float:
        some = self._sample(scaled, self.silhouette_sample)
        clusters = self._cluster_of(some)
        inside = clusters != UNUSUAL
        return mean_silhouette(cdist(some[inside], some[inside]), clusters[inside])


def bend(distances: Floats) -> float:
    """Where the distances, sorted, bend most: the one furthest below the chord from the least to the greatest."""
    ordered = np.sort(distances)
    chord = np.linspace(ordered[0], ordered[-1], len(ordered))
    return float(ordered[np.argmax(chord - ordered)])


def _overlaps(first: Labels, k_first: int, second: Labels, k_second: int) -> Floats:
    """Jaccard of each cluster of the first labels with each of the second, (k_first, k_second)."""
    inside = [first == i for i in range(k_first)]
    other = [second == j for j in range(k_second)]
    return np.array([[np.sum(a & b) / max(np.sum(a | b), 1) for b in other] for a in inside])
