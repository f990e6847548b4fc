"""Names of clusters, from centroids written by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ddcrm.models.cluster_names import ClusterName, name_clusters

COLUMNS = ("recency_days", "frequency", "monetary_value", "tenure_days")

centroids = st.integers(2, 12).flatmap(
    lambda k: arrays(float, (k, 4), elements=st.sampled_from([-2.0, -0.6, -0.3, 0.0, 0.3, 0.6, 2.0]))
)


def texts(centers: list[list[float]], before: list[ClusterName | None] | None = None) -> list[str]:
    return [name.text for name in name_clusters(np.array(centers, dtype=float), COLUMNS, before)]


def test_a_name_says_the_two_strongest_traits_in_the_order_of_the_columns() -> None:
    assert texts([[-0.6, 2.0, 1.0, 0.9], [1.5, -0.7, 0.1, 0.2]]) == ["frequent, high spend", "lapsed, seldom"]


def test_a_cluster_near_the_mean_of_all_is_average() -> None:
    assert texts([[0.4, -0.4, 0.1, 0.0], [2.0, 0.0, 0.0, 0.0]]) == ["average", "lapsed"]


def test_more_traits_tell_apart_what_two_would_not() -> None:
    assert texts([[-2, 2, 1, 0], [-2, 2, -1, 0]]) == ["recent, frequent, high spend", "recent, frequent, low spend"]


def test_numbers_tell_apart_what_traits_can_not_in_the_order_of_the_centroids() -> None:
    assert texts([[0, 3, 0, 0], [0, 2, 0, 0], [0, -2, 0, 0]]) == ["frequent 2", "frequent 1", "seldom"]


def test_other_columns_are_high_or_low() -> None:
    assert [name.text for name in name_clusters(np.array([[1.0], [-1.0]]), ["visits"])] == ["high visits", "low visits"]


@settings(deadline=None)
@given(centroids, st.randoms(use_true_random=False))
def test_names_are_unique_and_belong_to_the_centroid_wherever_it_stands(centers: np.ndarray, random: object) -> None:
    centers = np.unique(centers, axis=0)
    order = list(range(len(centers)))
    random.shuffle(order)  # type: ignore[attr-defined]
    names = texts(centers.tolist())
    assert len(set(names)) == len(names)
    assert texts(centers[order].tolist()) == [names[i] for i in order]


FREQUENT = ClusterName("frequent, high spend", (("frequency", True), ("monetary_value", True)))
AVERAGE = ClusterName("average", ())


@pytest.mark.parametrize(
    ("centroid", "before", "expected"),
    [
        ([0, 0.3, 0.3, -1.0], FREQUENT, "frequent, high spend"),
        ([0, 0.3, 0.2, -1.0], FREQUENT, "new"),
        ([0, 2.0, -2.0, 0.0], FREQUENT, "frequent, low spend"),
        ([0, 0.7, -0.7, 0.0], AVERAGE, "average"),
        ([0, 0.8, 0.0, 0.0], AVERAGE, "frequent"),
    ],
)
def test_a_name_stays_while_it_fits(centroid: list[float], before: ClusterName, expected: str) -> None:
    assert texts([centroid, [2.0, 0, 0, 0]], [before, None]) == [expected, "lapsed"]


def test_a_new_cluster_does_not_take_a_name_that_stays() -> None:
    assert texts([[0, 2, 1, 0], [0, 2, 1.5, 0]], [FREQUENT, None]) == ["frequent, high spend", "frequent, high spend 2"]
    assert texts([[0, 2, 1, 0], [-1, 2, 1.5, 0]], [FREQUENT, None])[1] == "recent, frequent, high spend"
