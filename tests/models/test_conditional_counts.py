"""How many purchases a customer of a known history will make: integration, enumeration, and simulated customers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special

from ddcrm.errors import ModelError
from ddcrm.models import MBGNBD, BetaGeometricBetaBinomial, BetaGeoNBD, ParetoNBD
from ddcrm.models.btyd import BuyTillYouDie
from tests.models.cohort import bgnbd_cohort, pareto_nbd_cohort
from tests.models.test_pareto_nbd import BUYING, LEAVING, density_of_both, integrated, there_at_end

PARETO, BG = (0.55, 10.6, 0.6, 11.7), (0.8, 6.0, 0.7, 2.0)
TIMED = np.array([(0, 0.0, 40.0), (1, 3.0, 40.0), (2, 38.0, 40.0), (7, 20.0, 25.0), (30, 39.0, 40.0), (0, 0.0, 0.0)])
COUNTED = np.array([(0, 0, 6), (1, 1, 6), (3, 5, 6), (6, 6, 6), (2, 2, 2), (0, 0, 0)], dtype=float)
MODELS: dict[str, tuple[BuyTillYouDie, Any, int]] = {
    "pareto_nbd": (ParetoNBD.with_parameters(r=0.55, alpha=10.6, s=0.6, beta=11.7), TIMED, 400),
    "bgnbd": (BetaGeoNBD.with_parameters(r=0.8, alpha=6.0, a=0.7, b=2.0), TIMED, 400),
    "mbgnbd": (MBGNBD.with_parameters(r=0.8, alpha=6.0, a=0.7, b=2.0), TIMED, 400),
    "bgbb": (BetaGeometricBetaBinomial.with_parameters(alpha=1.2, beta=0.75, gamma=0.66, delta=2.8), COUNTED, 30),
}


@pytest.mark.parametrize("name", MODELS)
def test_sum_to_one_and_to_the_expectation(name: str) -> None:
    model, X, up_to = MODELS[name]
    found = model.conditional_count_probabilities(X, 30.0, up_to)
    assert found.shape == (len(X), up_to + 1)
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-9)
    np.testing.assert_allclose(found @ np.arange(up_to + 1), model.expected_purchases(X, 30.0), rtol=1e-7)


@pytest.mark.parametrize("name", MODELS)
def test_without_time_nothing_is_bought_and_what_is_no_time_is_refused(name: str) -> None:
    model, X, _ = MODELS[name]
    assert model.conditional_count_probabilities(X, 0.0, 2)[:, 1:].sum() == 0
    for t, up_to in ((-1.0, 3), (np.nan, 3), (1.0, -1), (1.0, 1.5)):
        with pytest.raises(ModelError):
            model.conditional_count_probabilities(X, t, up_to)


@pytest.mark.parametrize("history", TIMED[:5].tolist())
def test_pareto_nbd_equals_integration_over_its_assumptions(history: list[float]) -> None:
    x, recency, tenure = int(history[0]), history[1], history[2]
    found = MODELS["pareto_nbd"][0].conditional_count_probabilities(np.array([history]), 26.0, 6)[0]
    both, weight = BUYING + LEAVING, there_at_end(x, tenure) * density_of_both(PARETO)
    likelihood, there = integrated((x, recency, tenure), PARETO)
    for y in range(7):
        stays = np.exp(y * np.log(BUYING * 26.0) - special.gammaln(y + 1) - both * 26.0)
        leaves = LEAVING / both * (BUYING / both) ** y * special.gammainc(y + 1, both * 26.0)
        expected = (weight * (stays + leaves)).sum() / likelihood + (1 - there / likelihood if y == 0 else 0)
        assert found[y] == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("history", COUNTED.tolist())
def test_bgbb_equals_the_sum_over_all_that_may_follow(history: list[float]) -> None:
    model, (x, recency, n) = MODELS["bgbb"][0], history
    expected = np.zeros(5)
    for future in product((0, 1), repeat=4):
        last = max((i + 1 for i, took in enumerate(future) if took), default=0)
        longer = [[x + sum(future), n + last if last else recency, n + 4]]
        expected[sum(future)] += np.exp(model.log_likelihood(np.array(longer))[0])
    expected /= np.exp(model.log_likelihood(np.array([history]))[0])
    found = model.conditional_count_probabilities(np.array([history]), 4, 4)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "cohort"),
    [
        ("bgnbd", lambda: bgnbd_cohort(60_000, BG, 40, ahead=30, seed=3)),
        ("pareto_nbd", lambda: pareto_nbd_cohort(60_000, PARETO, 80, ahead=30, seed=3)),
    ],
)
def test_simulated_customers_buy_as_often(name: str, cohort: Callable[[], pd.DataFrame]) -> None:
    X = cohort()
    found = MODELS[name][0].conditional_count_probabilities(X, 30.0, 4)
    groups = [X["frequency"].clip(upper=4), X["recency"] > 0.6 * X["tenure"]]
    for y in range(5):
        said, seen = pd.Series(found[:, y]).groupby(groups), (X["later"] == y).groupby(groups)
        noise = np.sqrt((said.mean() * (1 - said.mean())) / said.size())
        assert ((said.mean() - seen.mean()).abs() < 4.5 * noise).all()


def test_mbgnbd_equals_bgnbd_with_a_chance_more() -> None:
    """Who is there after x purchases has had x + 1 chances to leave, as in BG/NBD after b + 1."""
    old = BetaGeoNBD.with_parameters(r=0.8, alpha=6.0, a=0.7, b=3.0)
    seen = np.array([(3, 40.0, 40.0)])  # bought just now
    odds = 0.7 / (3.0 + 2) / (0.7 / (2.0 + 3))  # of having left with that purchase: the same in both
    assert odds == pytest.approx(1)
    a = MODELS["mbgnbd"][0].conditional_count_probabilities(seen, 10.0, 5)
    np.testing.assert_allclose(a, old.conditional_count_probabilities(seen, 10.0, 5), rtol=1e-12)
