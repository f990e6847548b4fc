"""Segments by density, on crowds that are known, against scikit-learn's algorithms on the same customers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.cluster import DBSCAN, HDBSCAN
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from ddcrm.errors import InsufficientDataError, ModelError
from ddcrm.models.density import UNUSUAL, DensitySegments, bend
from ddcrm.models.persist import dumps, loads

COLUMNS = ["recency_days", "frequency", "monetary_value", "tenure_days"]
CROWDS = np.array([[10.0, 40.0, 80.0, 900.0], [15.0, 3.0, 30.0, 60.0], [400.0, 2.0, 25.0, 800.0]])
METHODS = ("hdbscan", "dbscan")


def planted(n: int = 900, strangers: int = 20, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    """Customers in crowds, within some 8 percent, and a few far from all; the crowd of each, -1 for the strangers."""
    random = np.random.default_rng(seed)
    crowd = random.integers(0, len(CROWDS), n)
    values = CROWDS[crowd] * random.lognormal(0, 0.08, (n, 4))
    alone = np.exp(random.uniform(np.log([1, 1, 1, 10]), np.log([3000, 300, 4000, 9000]), (strangers, 4)))
    return pd.DataFrame(np.vstack([values, alone]), columns=COLUMNS), np.append(crowd, np.full(strangers, -1))


def scaled(model: DensitySegments, X: pd.DataFrame) -> np.ndarray:
    """Standardised by hand."""
    values = X.to_numpy()
    straight = np.where(model.logged_, np.log1p(values), values)
    return (straight - straight.mean(axis=0)) / straight.std(axis=0)


class TestFit:
    @pytest.mark.parametrize("method", METHODS)
    def test_recovers_planted_crowds_and_the_strangers(self, method: str) -> None:
        X, crowd = planted()
        model = DensitySegments(method).fit(X)
        labels = model.predict(X)
        assert model.n_clusters_ == 3
        assert adjusted_rand_score(crowd[crowd >= 0], labels[crowd >= 0]) > 0.9
        assert np.mean(labels[crowd < 0] == UNUSUAL) > 0.75
        assert model.noise_share_ == np.mean(labels == UNUSUAL)
        assert model.sizes_.tolist() == [np.sum(labels == label) for label in (0, 1, 2, UNUSUAL)]
        assert model.silhouette_ > 0.6
        assert model.names_[UNUSUAL] == "unusual"
        assert len(set(model.names_.values())) == 4
        assert model.centers_.tolist() == sorted(model.centers_.tolist())

    def test_hdbscan_is_scikit_learns_where_the_sample_is_everybody(self) -> None:
        X, _ = planted()
        model = DensitySegments("hdbscan").fit(X)
        theirs = HDBSCAN(min_cluster_size=int(0.02 * len(X)), min_samples=8, copy=True).fit(scaled(model, X)).labels_
        labels = model.predict(X)
        assert adjusted_rand_score(theirs, labels) == 1.0
        assert (labels == UNUSUAL).tolist() == (theirs == -1).tolist()

    def test_dbscan_is_scikit_learns_but_for_small_clusters(self) -> None:
        X, _ = planted()
        model = DensitySegments("dbscan").fit(X)
        theirs = DBSCAN(eps=model.eps_, min_samples=8).fit(scaled(model, X)).labels_
        sizes = np.bincount(theirs + 1)[1:]
        theirs[np.isin(theirs, np.flatnonzero(sizes < 0.02 * len(X)))] = -1
        labels = model.predict(X)
        assert (labels == UNUSUAL).tolist() == (theirs == -1).tolist()
        assert adjusted_rand_score(theirs, labels) == 1.0

    def test_eps_is_where_the_distances_bend(self) -> None:
        """Of a line that is flat up to 80 and then climbs, the corner."""
        distances = np.concatenate([np.linspace(1, 1.1, 80), np.linspace(1.2, 9, 20)])
        assert bend(np.random.default_rng(1).permutation(distances)) == pytest.approx(1.1)

    @pytest.mark.parametrize("method", METHODS)
    def test_beyond_the_sample_everybody_goes_where_the_nearest_are(self, method: str) -> None:
        X, crowd = planted(6000, 60)
        model = DensitySegments(method, sample=900).fit(X)
        labels = model.predict(X)
        assert adjusted_rand_score(crowd[crowd >= 0], labels[crowd >= 0]) > 0.85
        assert np.mean(labels[crowd < 0] == UNUSUAL) > 0.7
        assert len(model.points_) <= 900

    def test_far_from_everybody_is_unusual(self) -> None:
        X, _ = planted()
        far = pd.DataFrame([[9e4, 9e3, 9e5, 9e4]], columns=COLUMNS)
        assert [DensitySegments(method).fit(X).predict(far).tolist() for method in METHODS] == [[UNUSUAL]] * 2

    @pytest.mark.parametrize("method", METHODS)
    def test_the_same_customers_give_the_same_bytes_on_any_number_of_threads(self, method: str) -> None:
        X, _ = planted()
        with threadpool_limits(1):
            one = DensitySegments(method, sample=500).fit(X)
        two = DensitySegments(method, sample=500).fit(X)
        assert dumps(one) == dumps(two)
        assert loads(dumps(one)).predict(X).tolist() == two.predict(X).tolist()
        assert dumps(clone(one).fit(X)) == dumps(one)

    @pytest.mark.parametrize("method", METHODS)
    def test_customers_who_are_all_equal_within_their_crowd(self, method: str) -> None:
        X = pd.DataFrame(np.repeat(CROWDS, [100, 80, 60], axis=0), columns=COLUMNS)
        labels = DensitySegments(method).fit(X).predict(X)
        assert UNUSUAL not in labels
        assert adjusted_rand_score(np.repeat([0, 1, 2], [100, 80, 60]), labels) == 1.0

    @pytest.mark.filterwarnings("error")
    def test_nobody_is_too_few_without_a_warning(self) -> None:
        with pytest.raises(InsufficientDataError, match="0 customers, not more than twice"):
            DensitySegments().fit(planted()[0].head(0))

    def test_too_few_and_no_crowd_are_said(self) -> None:
        X, _ = planted()
        with pytest.raises(InsufficientDataError, match="16 customers, not more than twice min_samples 8"):
            DensitySegments().fit(X.head(16))
        with pytest.raises(InsufficientDataError, match="no crowd among 30 customers"):
            DensitySegments("hdbscan", min_share=0.9).fit(planted(0, 30)[0])
        with pytest.raises(ModelError, match=r"no method 'optics': hdbscan, dbscan"):
            DensitySegments("optics").fit(X)
        with pytest.raises(ModelError, match="frequency is nan in row 3"):
            DensitySegments().fit(X.assign(frequency=[np.nan if i == 3 else 1.0 for i in range(len(X))]))

    @pytest.mark.parametrize("method", METHODS)
    def test_a_failed_fit_leaves_no_older_one(self, method: str) -> None:
        X, _ = planted(300)
        model = DensitySegments(method).fit(X)
        model.set_params(min_share=0.9)
        with pytest.raises(InsufficientDataError, match="no crowd"):
            model.fit(X)
        with pytest.raises(NotFittedError):
            model.predict(X)


class TestMatchTo:
    @pytest.mark.parametrize("method", METHODS)
    def test_clusters_keep_label_and_name_over_days(self, method: str) -> None:
        first = DensitySegments(method).fit(planted(seed=1)[0])
        first.cluster_labels_ = np.array([7, 3, 5])
        first._label({0: 7, 1: 3, 2: 5}, {})
        first.names_[UNUSUAL], first.next_label_ = "unusual", 9
        X, crowd = planted(seed=2)
        second = DensitySegments(method).fit(X).match_to(first)
        inside = crowd >= 0
        assert pd.crosstab(first.predict(X)[inside], second.predict(X)[inside]).gt(50).sum().sum() == 3
        assert np.mean(first.predict(X) == second.predict(X)) > 0.9
        assert second.names_ == first.names_
        assert second.next_label_ == 9

    def test_a_new_crowd_gets_a_label_that_never_was(self) -> None:
        X, crowd = planted(1200)
        first = DensitySegments().fit(X[crowd != 1])
        assert first.n_clusters_ == 2
        second = DensitySegments().fit(X).match_to(first)
        labels = second.predict(X)
        assert set(labels[crowd == 1]) - {UNUSUAL} == {2}
        kept = np.isin(crowd, [0, 2])
        assert np.mean(first.predict(X)[kept] == labels[kept]) > 0.9
        assert second.next_label_ == 3

    def test_another_method_is_followed_too_and_other_columns_are_not(self) -> None:
        X, _ = planted()
        first = DensitySegments("dbscan").fit(X)
        assert DensitySegments("hdbscan").fit(X).match_to(first).names_ == first.names_
        other = DensitySegments(columns=("frequency", "monetary_value")).fit(X)
        with pytest.raises(ModelError, match="previous model has the columns frequency, monetary_value"):
            first.match_to(other)
