"""K-means segments, on customers in groups that are known."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from ddcrm.errors import InsufficientDataError, ModelError
from ddcrm.models.kmeans import KMeansSegments
from ddcrm.models.persist import dumps

COLUMNS = ["recency_days", "frequency", "monetary_value", "tenure_days"]
GROUPS = np.array(
    [[10.0, 40.0, 80.0, 900.0], [15.0, 3.0, 30.0, 60.0], [400.0, 2.0, 25.0, 800.0], [200.0, 6.0, 900.0, 500.0]]
)


def planted(n: int = 1200, groups: np.ndarray = GROUPS, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    """Customers around the groups' centres, within some 20 percent, and the group of each."""
    random = np.random.default_rng(seed)
    group = random.integers(0, len(groups), n)
    return pd.DataFrame(groups[group] * random.lognormal(0, 0.15, (n, 4)), columns=COLUMNS), group


def relabelled(model: KMeansSegments, order: list[int]) -> KMeansSegments:
    """The same fit, as if the centroids had come in another order."""
    other = copy.deepcopy(model)
    other.centers_, other.sizes_ = other.centers_[order], other.sizes_[order]
    other.next_label_ = 0
    other._label({}, {})
    return other


class TestFit:
    def test_recovers_planted_groups_and_their_number(self) -> None:
        X, group = planted()
        model = KMeansSegments().fit(X)
        assert model.n_clusters_ == 4
        assert adjusted_rand_score(group, model.predict(X)) == 1.0
        assert max(model.silhouettes_, key=model.silhouettes_.__getitem__) == 4
        assert sorted(model.silhouettes_) == [3, 4, 5, 6, 7, 8]

    def test_labels_count_in_the_order_of_the_centroids(self) -> None:
        model = KMeansSegments(k_min=8).fit(planted()[0])
        assert model.cluster_labels_.tolist() == list(range(8))
        assert model.centers_.tolist() == sorted(model.centers_.tolist())

    def test_each_customer_is_in_the_cluster_of_the_nearest_centroid(self) -> None:
        X, _ = planted(300)
        model = KMeansSegments(k_min=2, k_max=3).fit(X)
        values = X.to_numpy()
        scaled = np.where(model.logged_, np.log1p(values), values)
        scaled = (scaled - scaled.mean(axis=0)) / scaled.std(axis=0)
        distances = ((scaled[:, None, :] - model.centers_[None]) ** 2).sum(axis=2)
        assert (model.predict(X) == model.cluster_labels_[distances.argmin(axis=1)]).all()

    def test_skewed_columns_are_logged_and_others_not(self) -> None:
        random = np.random.default_rng(3)
        X = pd.DataFrame({"even": random.uniform(0, 9, 900), "skewed": random.lognormal(3, 1, 900)})
        model = KMeansSegments(columns=("even", "skewed")).fit(X)
        assert model.logged_.tolist() == [False, True]

    def test_who_got_refunds_is_not_who_spent_as_much(self) -> None:
        X, group = planted(600, np.array([[10.0, 5.0, money, 900.0] for money in (900.0, -900.0, 1.0)]))
        X.loc[len(X)] = [10.0, 5.0, 1e7, 900.0]  # makes the column skewed
        model = KMeansSegments(columns=("monetary_value",), k_max=4).fit(X)
        assert model.logged_.tolist() == [True]
        assert adjusted_rand_score(group, model.predict(X)[:-1]) == 1.0
        assert model.profile_["monetary_value"].min() == pytest.approx(-900, rel=0.1)

    def test_a_constant_column_says_nothing(self) -> None:
        X, group = planted()
        model = KMeansSegments().fit(X.assign(tenure_days=0.1 + 0.2))
        assert np.abs(model.centers_[:, 3]).max() < 1e-9
        assert adjusted_rand_score(group, model.predict(X.assign(tenure_days=0.1 + 0.2))) == 1.0

    def test_the_same_customers_give_the_same_bytes_whatever_the_threads(self) -> None:
        X, _ = planted(3000)
        with threadpool_limits(1):
            one = dumps(KMeansSegments(fit_sample=2000, silhouette_sample=500).fit(X))
        two = dumps(KMeansSegments(fit_sample=2000, silhouette_sample=500).fit(X))
        assert one == two

    def test_a_sample_finds_the_clusters_and_all_customers_are_counted(self) -> None:
        X, group = planted(5000)
        model = KMeansSegments(fit_sample=400, silhouette_sample=200).fit(X)
        assert model.sizes_.sum() == 5000
        assert sorted(model.sizes_) == sorted(np.bincount(group))
        assert adjusted_rand_score(group, model.predict(X)) == 1.0

    def test_profile_tells_the_planted_groups_in_their_own_units(self) -> None:
        X, group = planted()
        profile = KMeansSegments().fit(X).profile_
        assert profile.index.tolist() == [0, 1, 2, 3]
        assert profile["share"].sum() == pytest.approx(1)
        by_spend, sizes = profile.sort_values("monetary_value"), np.bincount(group)
        order = np.argsort(GROUPS[:, 2])
        assert by_spend["size"].tolist() == sizes[order].tolist()
        np.testing.assert_allclose(by_spend[COLUMNS], GROUPS[order], rtol=0.1)

    def test_names_are_unique_and_say_what_the_groups_are(self) -> None:
        X, _ = planted()
        profile = KMeansSegments().fit(X).profile_
        assert profile["name"].is_unique
        best = profile.loc[profile["frequency"].idxmax(), "name"]
        assert best.startswith(("recent", "frequent"))
        assert "high spend" in profile.loc[profile["monetary_value"].idxmax(), "name"]
        assert "new" in profile.loc[profile["tenure_days"].idxmin(), "name"]

    def test_follows_scikit_learn(self) -> None:
        X, _ = planted(300)
        model = KMeansSegments(k_max=4, random_state=9)
        assert clone(model).get_params()["random_state"] == 9
        assert model.fit(X) is model
        assert model.n_features_in_ == 4
        assert model.feature_names_in_.tolist() == COLUMNS
        assert (model.predict(X[COLUMNS[::-1]]) == model.predict(X.to_numpy())).all()


class TestMatchTo:
    def test_labels_and_names_survive_another_order_of_centroids(self) -> None:
        X, _ = planted()
        before = KMeansSegments().fit(X)
        after = relabelled(before, [2, 0, 3, 1])
        assert (after.predict(X) != before.predict(X)).any()
        after.match_to(before)
        assert (after.predict(X) == before.predict(X)).all()
        assert after.names_ == before.names_
        pd.testing.assert_frame_equal(after.profile_, before.profile_)

    def test_labels_survive_other_customers_and_a_drift(self) -> None:
        X, group = planted(seed=1)
        before = KMeansSegments().fit(X)
        label_of = dict(zip(group, before.predict(X), strict=True))
        Y, later = planted(seed=2, groups=GROUPS[[3, 1, 0, 2]] * [1.1, 1.2, 0.9, 1.1])
        after = KMeansSegments().fit(Y).match_to(before)
        assert after.predict(Y).tolist() == [label_of[[3, 1, 0, 2][g]] for g in later]
        assert after.names_ == before.names_

    def test_a_new_group_gets_a_label_that_was_never_used(self) -> None:
        X, group = planted()
        before = KMeansSegments().fit(X)
        assert before.predict(X)[group == 2][0] == 3
        without = GROUPS[[0, 1, 3]]
        fewer = KMeansSegments().fit(planted(groups=without)[0]).match_to(before, max_distance=1.5)
        assert set(fewer.names_) == {0, 1, 2}
        other = np.vstack([without, [[500.0, 60.0, 5.0, 900.0]]])
        later = KMeansSegments().fit(planted(groups=other)[0]).match_to(fewer, max_distance=1.5)
        assert set(later.names_) == {0, 1, 2, 4}
        assert len(set(later.names_.values())) == 4

    def test_clusters_far_apart_are_not_the_same(self) -> None:
        before = KMeansSegments().fit(planted()[0])
        after = KMeansSegments().fit(planted(groups=GROUPS * [1.0, 1.0, 40.0, 1.0])[0])
        after.match_to(before, max_distance=0.2)
        assert set(after.names_) == {4, 5, 6, 7}

    def test_twice_is_once(self) -> None:
        before = KMeansSegments().fit(planted(seed=1)[0])
        after = KMeansSegments().fit(planted(seed=2)[0]).match_to(before)
        once = dumps(after)
        assert dumps(after.match_to(before)) == once

    def test_refuses_other_columns(self) -> None:
        X, _ = planted(300)
        before = KMeansSegments(columns=("frequency", "monetary_value")).fit(X)
        with pytest.raises(ModelError, match="frequency, monetary_value"):
            KMeansSegments().fit(X).match_to(before)


class TestRefusals:
    def test_before_fit(self) -> None:
        model = KMeansSegments()
        with pytest.raises(NotFittedError):
            model.predict(planted(10)[0])
        with pytest.raises(NotFittedError):
            _ = model.profile_

    @pytest.mark.parametrize("n", [0, 1, 3])
    def test_too_few_customers(self, n: int) -> None:
        with pytest.raises(InsufficientDataError, match="fewer than 4 different customers"):
            KMeansSegments(k_min=3).fit(planted(10)[0].head(n))

    def test_too_few_different_customers(self) -> None:
        X = pd.concat([planted(3)[0]] * 50)
        with pytest.raises(InsufficientDataError, match="fewer than 4 different customers"):
            KMeansSegments(k_min=3).fit(X)

    def test_k_max_may_be_more_than_there_are_different_customers(self) -> None:
        X = pd.concat([planted(5, seed=4)[0]] * 50)
        assert sorted(KMeansSegments(k_min=2, k_max=8).fit(X).silhouettes_) == [2, 3, 4]

    @pytest.mark.parametrize(
        ("parameters", "why"),
        [
            ({"k_min": 1}, "k_min 1"),
            ({"k_min": 5, "k_max": 4}, "k_max 4"),
            ({"fit_sample": 8}, "samples"),
            ({"silhouette_sample": 8}, "samples"),
        ],
    )
    def test_parameters_that_can_not_be(self, parameters: dict[str, int], why: str) -> None:
        with pytest.raises(ModelError, match=why):
            KMeansSegments(**parameters).fit(planted(100)[0])  # type: ignore[arg-type]

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_values_that_are_none(self, value: float) -> None:
        X, _ = planted(100)
        X.loc[7, "frequency"] = value
        with pytest.raises(ModelError, match=f"frequency is {value} in row 7"):
            KMeansSegments().fit(X)

    def test_a_failed_fit_leaves_no_older_one(self) -> None:
        X, _ = planted(300)
        model: Any = KMeansSegments().fit(X)
        with pytest.raises(InsufficientDataError):
            model.fit(pd.concat([X.head(2) * 1000] * 50))
        assert vars(model) == model.get_params()
