"""Standard errors, criteria and intervals, against second differences of the likelihood and repeated samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.exceptions import NotFittedError

from ddcrm.errors import ConvergenceError, ModelError
from ddcrm.models import MBGNBD, BetaGeoNBD, GammaGamma, ParetoNBD
from ddcrm.models.base import LikelihoodModel
from tests.models.cohort import bgnbd_cohort, gamma_gamma_cohort, pareto_nbd_cohort

TRUTH = {"r": 0.8, "alpha": 6.0, "a": 0.7, "b": 2.0}


def summed(kind: type[LikelihoodModel], names: Any, values: Any, X: Any) -> float:
    return float(kind.with_parameters(**dict(zip(names, values, strict=True))).log_likelihood(X).sum())


def second_differences(model: LikelihoodModel, X: Any) -> np.ndarray:
    """The Hessian of the summed log-likelihood by the parameters themselves, from its values alone."""
    names, top = list(model.parameters_), np.array(list(model.parameters_.values()))
    steps = np.diag(1e-3 * top)
    hessian = np.empty((len(top), len(top)))
    for i, a in enumerate(steps):
        for j, b in enumerate(steps):
            corners = [summed(type(model), names, top + s * a + t * b, X) * s * t for s in (1, -1) for t in (1, -1)]
            hessian[i, j] = sum(corners) / (4 * a[i] * b[j])
    return hessian


FITS = {
    "bgnbd": (BetaGeoNBD, lambda: bgnbd_cohort(2000, tuple(TRUTH.values()), 80)),
    "bgnbd, thinned": (BetaGeoNBD, lambda: bgnbd_cohort(60_000, tuple(TRUTH.values()), 80)),
    "mbgnbd": (MBGNBD, lambda: MBGNBD.with_parameters(**TRUTH).simulate(np.linspace(20, 80, 2000))),
    "pareto_nbd": (ParetoNBD, lambda: pareto_nbd_cohort(2000, (0.8, 6.0, 0.7, 9.0), 120)),
    "gamma_gamma": (GammaGamma, lambda: gamma_gamma_cohort(2000, (6.25, 3.74, 15.44))),
}


@pytest.mark.parametrize("name", FITS)
def test_the_covariance_is_the_inverse_of_the_observed_information(name: str) -> None:
    kind, data = FITS[name]
    X = data()
    model = kind().fit(X)
    wanted = np.linalg.inv(-second_differences(model, X))
    scale = np.sqrt(np.outer(np.diag(wanted), np.diag(wanted)))
    np.testing.assert_allclose(model.vcov_ / scale, wanted / scale, atol=2e-3)
    np.testing.assert_array_equal(model.vcov_, model.vcov_.T)
    assert model.standard_errors_ == pytest.approx(
        dict(zip(model.parameters_, np.sqrt(np.diag(wanted)), strict=True)), rel=2e-3
    )


@pytest.mark.parametrize("name", ["bgnbd", "mbgnbd", "pareto_nbd", "gamma_gamma"])
def test_a_failed_fit_leaves_no_older_one(name: str) -> None:
    kind, make = FITS[name]
    X = make()
    model = kind().fit(X)
    model.max_iter = 1
    with pytest.raises(ConvergenceError):
        model.fit(X)
    assert vars(model) == model.get_params()
    with pytest.raises(NotFittedError):
        model.parameters_  # noqa: B018 - a property that raises


def test_weights_count_as_customers() -> None:
    X = bgnbd_cohort(1000, tuple(TRUTH.values()), 80)
    once, twice = BetaGeoNBD().fit(X), BetaGeoNBD().fit(X, sample_weight=np.full(1000, 2))
    np.testing.assert_allclose(twice.vcov_, once.vcov_ / 2, rtol=1e-4)
    assert (once.n_customers_, twice.n_customers_) == (1000, 2000)


def test_criteria_are_those_of_the_textbook() -> None:
    X = gamma_gamma_cohort(500, (6.25, 3.74, 15.44))
    model = GammaGamma().fit(X)
    spenders = int((X["frequency"] > 0).sum())
    likelihood = model.log_likelihood(X).sum()
    assert model.aic_ == pytest.approx(6 - 2 * likelihood)
    assert model.bic_ == pytest.approx(3 * np.log(spenders) - 2 * likelihood)


def test_intervals_are_symmetric_around_the_logarithm() -> None:
    model = BetaGeoNBD().fit(bgnbd_cohort(1000, tuple(TRUTH.values()), 80))
    for level in (0.5, 0.95):
        for name, (low, high) in model.confidence_intervals(level).items():
            value, error = model.parameters_[name], model.standard_errors_[name]
            assert 0 < low < value < high
            assert np.sqrt(low * high) == pytest.approx(value)
            assert np.log(high / low) / 2 == pytest.approx(stats.norm.ppf((1 + level) / 2) * error / value)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    true_model, hits = BetaGeoNBD.with_parameters(**TRUTH), []
    for seed in range(60):
        X = true_model.simulate(np.linspace(30, 80, 1500), random_state=seed)
        intervals = BetaGeoNBD().fit(pd.DataFrame(X)).confidence_intervals(0.9)
        hits += [low <= TRUTH[name] <= high for name, (low, high) in intervals.items()]
    assert 0.84 <= np.mean(hits) <= 0.96  # the four of a sample hang together: this is some 3 standard errors


def test_a_model_that_was_given_its_parameters_has_no_precision() -> None:
    model = BetaGeoNBD.with_parameters(**TRUTH)
    assert model.parameters_ == TRUTH
    for ask in (lambda: model.standard_errors_, lambda: model.aic_, lambda: model.bic_, model.confidence_intervals):
        with pytest.raises(NotFittedError):
            ask()


@pytest.mark.parametrize(
    ("change", "why"),
    [({"b": -1.0}, "b is -1.0"), ({"b": np.nan}, "b is nan"), ({"c": 1.0}, "its parameters are r, alpha, a, b")],
)
def test_parameters_that_cannot_be(change: dict[str, float], why: str) -> None:
    with pytest.raises(ModelError, match=why):
        BetaGeoNBD.with_parameters(**{**TRUTH, **change})
