"""The fits of segments: labels that last from model to model, and the quality that the cards tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from ddcrm.errors import InsufficientDataError
from ddcrm.models.stability import bootstrap_stability
from ddcrm.settings import DensitySettings, SegmentSettings
from ddcrm.training.fit import models_of
from ddcrm.training.segments import fit_segments, segment_settings

SETTINGS = SegmentSettings(k_min=3, k_max=5, bootstraps=3)
NAMES = ("kmeans", "density")


@pytest.fixture(scope="module")
def customers() -> dict[str, np.ndarray]:
    """Three kinds of customers."""
    chance = np.random.default_rng(5)
    kinds = np.array([[10.0, 40.0, 80.0, 900.0], [15.0, 3.0, 30.0, 60.0], [400.0, 2.0, 25.0, 800.0]])
    values = kinds[chance.integers(0, 3, 700)] * chance.lognormal(0, 0.15, (700, 4))
    return dict(zip(("recency_days", "frequency", "monetary_value", "tenure_days"), values.T, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_segments_keep_their_labels_from_model_to_model(name: str, customers: dict[str, np.ndarray]) -> None:
    first = fit_segments(name, customers, SETTINGS)
    later: dict[str, Any] = {**customers, "recency_days": customers["recency_days"] + 1}
    second = fit_segments(name, later, SETTINGS, first.estimator)
    assert first.parameters["names"] == second.parameters["names"]
    X = np.column_stack([customers[column] for column in first.estimator.columns])
    assert (first.estimator.predict(X) == second.estimator.predict(X)).mean() > 0.95


def test_the_card_of_kmeans_tells_why_this_k(customers: dict[str, np.ndarray]) -> None:
    fitted = fit_segments("kmeans", customers, SETTINGS)
    silhouettes = {name: value for name, value in fitted.metrics.items() if name.startswith("silhouette_k")}
    assert fitted.metrics["silhouette"] == max(silhouettes.values())
    assert len(silhouettes) == 3


@pytest.mark.parametrize("method", ["hdbscan", "dbscan"])
def test_the_card_of_density_tells_its_noise_and_how_apart_the_crowds_are(
    method: Any, customers: dict[str, np.ndarray]
) -> None:
    settings = SegmentSettings(density=DensitySettings(method=method, sample=500), bootstraps=2)
    fitted = fit_segments("density", customers, settings)
    labels = fitted.estimator.predict(np.column_stack(list(customers.values())))
    assert fitted.metrics["noise_share"] == np.mean(labels == -1)
    assert fitted.metrics["clusters"] == len(set(labels) - {-1}) == 3
    inside = labels != -1
    values = np.column_stack([np.log1p(column) for column in customers.values()])
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    assert fitted.metrics["silhouette"] == pytest.approx(silhouette_score(values[inside], labels[inside]), abs=0.1)
    assert ("eps" in fitted.metrics) == (method == "dbscan")
    assert fitted.parameters["method"] == method
    assert fitted.parameters["sample"] == 500
    assert fitted.parameters["names"]["-1"] == "unusual"


@pytest.mark.parametrize("name", NAMES)
def test_cards_tell_the_stability(name: str, customers: dict[str, np.ndarray]) -> None:
    fitted = fit_segments(name, customers, SETTINGS)
    stable = bootstrap_stability(fitted.estimator, np.column_stack(list(customers.values())), 3)
    assert fitted.metrics["stability_rand"] == stable.rand_mean > 0.9
    told = {key: value for key, value in fitted.metrics.items() if key.startswith("stability_jaccard_")}
    assert told == {f"stability_jaccard_{label}": value for label, value in stable.jaccard.items()}
    assert len(told) == 3
    assert any("3 bootstrap samples" in note for note in fitted.notes)


def test_what_the_data_do_not_carry_is_said(customers: dict[str, np.ndarray]) -> None:
    few = {name: column[:10] for name, column in customers.items()}
    with pytest.raises(InsufficientDataError, match="10 customers, not more than twice") as caught:
        fit_segments("density", few, SETTINGS)
    assert caught.value.model == "density"


def test_a_fit_depends_on_its_own_settings_and_is_done_only_if_published() -> None:
    other = SegmentSettings(density=DensitySettings(method="dbscan"), schemes=("rfm", "kmeans"))
    assert segment_settings("kmeans", other) == segment_settings("kmeans", SegmentSettings())
    assert segment_settings("density", other) != segment_settings("density", SegmentSettings())
    assert "density" not in models_of(other)
    assert {"density", "kmeans", "value"} <= set(models_of(SegmentSettings()))
