"""MBG/NBD against the literature, numerical integration over its own assumptions, and simulated customers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

from ddcrm.errors import ConvergenceError, InsufficientDataError
from ddcrm.models.base import distinct_rows, levels_of
from ddcrm.models.bg_likelihood import BgNbdLikelihood
from ddcrm.models.mbgnbd import MBGNBD
from tests.models.integrals import alive_at_end, integrated_count, integrated_expectation, integrated_likelihood

TYPICAL = (0.25, 4.0, 0.8, 2.5)
PARAMETERS = [TYPICAL, (2.0, 10.0, 1.0, 1.0), (0.6, 2.0, 3.0, 0.4)]
HISTORIES = [(0, 0.0, 40.0), (1, 3.0, 40.0), (2, 38.0, 40.0), (30, 39.0, 40.0)]
COLUMNS = ["frequency", "recency", "tenure"]

logs = st.floats(-2.5, 2.5)


def model_with(parameters: tuple[float, ...]) -> MBGNBD:
    return MBGNBD.with_parameters(**dict(zip(("r", "alpha", "a", "b"), parameters, strict=True)))


def likelihood_of(X: pd.DataFrame) -> BgNbdLikelihood:
    rows = distinct_rows([levels_of(X[name].to_numpy(dtype=float)) for name in COLUMNS])
    return BgNbdLikelihood(rows.columns, rows.weights(np.ones(len(X))), first_chance=1)


class TestLiterature:
    @pytest.mark.parametrize(("x", "recency", "expected"), [(0, 0, -0.41792826), (200, 38, 100.7869)])
    def test_log_likelihood_at_the_published_stability_points(self, x: int, recency: int, expected: float) -> None:
        value = model_with(TYPICAL).log_likelihood(np.array([[x, recency, 40]]))[0]
        assert value == pytest.approx(expected, abs=1e-4 if x else 1e-8)


@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("history", HISTORIES)
class TestEqualsIntegrationOverTheAssumptions:
    def test_log_likelihood_and_p_alive(self, history: Any, parameters: tuple[float, ...]) -> None:
        model, X = model_with(parameters), np.array([history])
        whole = integrated_likelihood(*history, parameters, first=1)
        assert model.log_likelihood(X)[0] == pytest.approx(np.log(whole), rel=1e-8)
        alive = alive_at_end(history[0], history[2], parameters, first=1)
        assert model.p_alive(X)[0] == pytest.approx(alive / whole, rel=1e-8)

    def test_expected_and_discounted_purchases(self, history: Any, parameters: tuple[float, ...]) -> None:
        model, X = model_with(parameters), np.array([history])
        expected = integrated_expectation(*history, 52.0, parameters, first=1)
        assert model.expected_purchases(X, 52.0)[0] == pytest.approx(expected, rel=1e-7)
        expected = integrated_expectation(*history, 52.0, parameters, first=1, rate=0.01)
        assert model.discounted_purchases(X, 0.01, 52.0)[0] == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("parameters", PARAMETERS)
def test_what_a_new_customer_does_equals_integration(parameters: tuple[float, ...]) -> None:
    model = model_with(parameters)
    left_at_once = parameters[2] / (parameters[2] + parameters[3])
    expected = (1 - left_at_once) * integrated_expectation(0, 0.0, 0.0, 30.0, (*parameters[:3], parameters[3] + 1))
    assert model.expected_purchases_new(30.0) == pytest.approx(expected, rel=1e-7)
    counts = model.count_probabilities(30.0, 6)
    assert counts == pytest.approx([integrated_count(x, 30.0, parameters, first=1) for x in range(7)], rel=1e-7)


class TestLikelihood:
    @settings(deadline=None, max_examples=30)
    @given(st.tuples(logs, logs, logs, logs))
    def test_gradient_equals_finite_differences(self, point: tuple[float, ...]) -> None:
        likelihood = likelihood_of(pd.DataFrame(HISTORIES, columns=COLUMNS))
        parameters = np.exp(point)
        _, gradient = likelihood(parameters)
        for i, step in enumerate(1e-5 * np.diag(parameters)):
            slope = (likelihood(parameters + step)[0] - likelihood(parameters - step)[0]) / (2 * step[i])
            assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-6 / parameters[i])

    @pytest.mark.parametrize("log_scale", [-12, -6, 6, 12])
    @pytest.mark.parametrize("which", range(4))
    def test_nothing_is_nan_or_infinite_where_the_optimiser_may_go(self, which: int, log_scale: int) -> None:
        parameters = np.array(TYPICAL)
        parameters[which] *= np.exp(log_scale)
        x = np.repeat(np.arange(1001.0), 2)
        X = pd.DataFrame({"frequency": x, "recency": np.where(x > 0, np.tile([39.9, 1e-3], 1001), 0.0), "tenure": 40.0})
        value, gradient = likelihood_of(X)(parameters)
        assert np.isfinite([value, *gradient]).all()
        model = model_with(tuple(parameters))
        assert model.log_likelihood(X).sum() == pytest.approx(value, rel=1e-9)
        assert np.isfinite(model.expected_purchases(X, 52.0)).all()
        assert ((model.p_alive(X) >= 0) & (model.p_alive(X) <= 1)).all()
        assert np.isfinite(model.count_probabilities(52.0, 1000)).all()


class TestSimulation:
    def test_the_fit_recovers_the_parameters_within_their_standard_errors(self) -> None:
        truth = (0.8, 6.0, 0.7, 2.0)
        tenure = np.random.default_rng(3).uniform(40, 80, 30_000)
        model = MBGNBD().fit(model_with(truth).simulate(tenure, random_state=4))
        errors = np.array(list(model.standard_errors_.values()))
        assert (errors < 0.2 * np.array(truth)).all()
        assert (np.abs(np.array(list(model.parameters_.values())) - truth) < 3.5 * errors).all()

    def test_counts_are_those_that_the_model_expects(self) -> None:
        model = model_with((0.8, 6.0, 0.7, 2.0))
        frequency = model.simulate(np.full(100_000, 30.0), random_state=5)["frequency"]
        seen = np.bincount(frequency.astype(int), minlength=8)[:8] / len(frequency)
        expected = model.count_probabilities(30.0, 7)
        assert (np.abs(seen - expected) < 4 * np.sqrt(expected / len(frequency))).all()
        assert frequency.mean() == pytest.approx(float(model.expected_purchases_new(30.0)), rel=0.02)


def test_nobody_bought_again() -> None:
    with pytest.raises(InsufficientDataError, match="bought again"):
        MBGNBD().fit(np.array([[0, 0, 10.0], [0, 0, 20.0]]))


def test_too_few_iterations_is_no_fit() -> None:
    model = MBGNBD(max_iter=2)
    with pytest.raises(ConvergenceError, match="within 2 iterations") as caught:
        model.fit(model_with(TYPICAL).simulate(np.full(500, 52.0)))
    assert caught.value.facts["model"] == "mbgnbd"
    with pytest.raises(NotFittedError):
        model.p_alive(np.zeros((1, 3)))
