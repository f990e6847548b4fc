"""The fits of segments that are learned: k-means and density, with their quality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ddcrm.settings import SegmentSettings
from ddcrm.training.fit import Fitted

if TYPE_CHECKING:
    import pandas as pd

    from ddcrm.models.clusters import ClusterSegments
    from ddcrm.models.density import DensitySegments
    from ddcrm.models.kmeans import KMeansSegments

Columns = Mapping[str, NDArray[Any]]

_SETTINGS: dict[str, set[str]] = {"kmeans": {"k_min", "k_max", "bootstraps"}, "density": {"density", "bootstraps"}}


def segment_settings(name: str, segments: SegmentSettings) -> dict[str, Any]:
    """What the settings say that the fit of a scheme depends on."""
    return segments.model_dump(mode="json", include=_SETTINGS[name])


def fit_segments(
    name: str, columns: Columns, segments: SegmentSettings, previous: ClusterSegments | None = None
) -> Fitted:
    """kmeans or density; labels and names follow those of `previous` where a cluster is still the same.

    columns: recency_days, frequency, monetary_value, tenure_days, (n,) each, in the order of customer_id (k-means finds
    the centroids of more than 50,000 customers, density the crowds of more than segments.density.sample in a sample by
    position). Raises InsufficientDataError.
    """
    return {"kmeans": _kmeans, "density": _density}[name](columns, segments, previous)


def _kmeans(columns: Columns, segments: SegmentSettings, previous: Any) -> Fitted:
    from ddcrm.models.kmeans import KMeansSegments

    model = KMeansSegments(k_min=segments.k_min, k_max=segments.k_max)
    X = _fit(model, columns, previous)
    k = int(model.n_clusters_)
    metrics = {"silhouette": float(model.silhouettes_[k]), "k": k}
    metrics |= {f"silhouette_k{size}": float(value) for size, value in model.silhouettes_.items()}
    return _fitted(model, X, segments, {"k": k}, metrics, ())


def _density(columns: Columns, segments: SegmentSettings, previous: Any) -> Fitted:
    from ddcrm.models.density import DensitySegments

    model = DensitySegments(**segments.density.model_dump())
    X = _fit(model, columns, previous)
    parameters = {"method": model.method, "sample": min(len(X), model.sample)}
    metrics = {"clusters": int(model.n_clusters_), "noise_share": model.noise_share_}
    known = {"silhouette": model.silhouette_, "eps": model.eps_}
    metrics |= {name: value for name, value in known.items() if np.isfinite(value)}
    note = f"at most {model.sample} customers are clustered; others go where the nearest of these are, or are unusual"
    return _fitted(model, X, segments, parameters, metrics, (note,))


def _fit(model: KMeansSegments | DensitySegments, columns: Columns, previous: Any) -> pd.DataFrame:
    import pandas as pd

    X = pd.DataFrame({name: columns[name] for name in model.columns}, copy=False)
    model.fit(X)
    if previous is not None:
        model.match_to(previous)
    return X


def _fitted(
    model: ClusterSegments,
    X: pd.DataFrame,
    segments: SegmentSettings,
    parameters: Mapping[str, Any],
    metrics: Mapping[str, float],
    notes: tuple[str, ...],
) -> Fitted:
    from ddcrm.models.stability import bootstrap_stability

    stable = bootstrap_stability(model, X, segments.bootstraps)
    quality = {"stability_rand": stable.rand_mean, "stability_rand_std": stable.rand_std}
    quality |= {f"stability_jaccard_{label}": value for label, value in stable.jaccard.items()}
    names = {str(label): name for label, name in model.names_.items()}
    note = f"stability from {stable.bootstraps} bootstrap samples: adjusted Rand index, and Jaccard of each label"
    return Fitted(model, len(X), parameters={**parameters, "names": names}, metrics={**metrics, **quality},
                  notes=(*notes, note))  # fmt: skip
