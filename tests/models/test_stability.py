"""Stability under bootstrap: high where crowds were planted, near chance where there are none, and repeatable."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import jaccard_score

from ddcrm.models import stability
from ddcrm.models.density import DensitySegments
from ddcrm.models.kmeans import KMeansSegments
from tests.models.test_density import COLUMNS, planted


@pytest.mark.parametrize("model", [KMeansSegments(k_max=4), DensitySegments()])
def test_planted_crowds_are_stable(model: KMeansSegments | DensitySegments) -> None:
    X, _ = planted(500, 0)
    found = stability.bootstrap_stability(model.fit(X), X, bootstraps=5)
    assert found.bootstraps == 5
    assert found.rand_mean > 0.9
    assert found.jaccard.keys() == {0, 1, 2}
    assert min(found.jaccard.values()) > 0.85
    assert found == stability.bootstrap_stability(model, X, bootstraps=5)


def test_clusters_of_a_cloud_without_crowds_are_not() -> None:
    X = pd.DataFrame(np.random.default_rng(1).normal(size=(400, 4)), columns=COLUMNS)
    found = stability.bootstrap_stability(KMeansSegments(k_min=6, k_max=6).fit(X), X, bootstraps=5)
    assert found.rand_mean < 0.75
    assert found.rand_std > 0
    assert min(found.jaccard.values()) < 0.75


def test_overlap_is_that_of_the_cluster_which_shares_most() -> None:
    inside = np.array([True, True, True, False, False, False])
    first, second = np.array([0, 0, 1, 1, 1, 1]), np.array([2, 2, 2, 2, 0, 0])
    wanted = [max(jaccard_score(inside, labels == label) for label in set(labels)) for labels in (first, second)]
    assert stability._mean_overlap(inside, [first, second]) == pytest.approx(np.mean(wanted))


def test_a_sample_that_carries_no_clusters_counts_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    X, _ = planted(60, 0)
    model = KMeansSegments(k_min=3, k_max=3).fit(X)
    monkeypatch.setattr(model, "n_clusters_", 100)  # so that no sample carries as many
    found = stability.bootstrap_stability(model, X, bootstraps=2)
    sizes = np.bincount(model.predict(X))
    assert (found.rand_mean, found.rand_std) == (0.0, 0.0)
    assert list(found.jaccard.values()) == pytest.approx((sizes / len(X)).tolist())
