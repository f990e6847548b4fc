"""Pareto/NBD against the literature, numerical integration over its own assumptions, and simulated customers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special, stats
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from ddcrm.errors import ConvergenceError, InsufficientDataError, ModelError
from ddcrm.models.base import distinct_rows, levels_of
from ddcrm.models.pareto_nbd import ParetoNBD, ParetoNbdLikelihood
from tests.models.cohort import pareto_nbd_cohort

Floats = NDArray[np.float64]

TYPICAL = (0.55, 10.6, 0.6, 11.7)
SETS = [TYPICAL, (2.0, 10.0, 1.0, 10.0), (0.7, 1.5, 2.5, 60.0)]
NAMES = ("r_", "alpha_", "s_", "beta_")
COLUMNS = ["frequency", "recency", "tenure"]
HISTORIES = [(0, 0.0, 40.0), (1, 3.0, 40.0), (2, 38.0, 40.0), (7, 20.0, 25.0), (30, 39.0, 40.0), (3, 40.0, 40.0)]

logs = st.floats(-2.5, 2.5)
parameter_logs = st.tuples(logs, logs, logs, logs)


def fitted(parameters: tuple[float, ...]) -> ParetoNBD:
    """An estimator that has learned these parameters."""
    return ParetoNBD.with_parameters(**{name[:-1]: value for name, value in zip(NAMES, parameters, strict=True)})


def learned(model: ParetoNBD) -> tuple[float, ...]:
    return tuple(getattr(model, name) for name in NAMES)


def likelihood_of(X: pd.DataFrame) -> ParetoNbdLikelihood:
    rows = distinct_rows([levels_of(X[name].to_numpy(dtype=float)) for name in COLUMNS])
    return ParetoNbdLikelihood(rows.columns, rows.weights(np.ones(len(X))))


# The model's assumptions, integrated over lambda and mu. Trapezoid sums over the whole line of both logarithms
# converge faster than any power of the step, and need no formula of the model.
STEP = 0.12
RATES = np.exp(np.arange(-70.0, 7.0, STEP))
BUYING, LEAVING = RATES[:, None], RATES[None, :]


@lru_cache(16)
def density(shape: float, rate: float) -> Floats:
    """Of the logarithm of a gamma distributed rate."""
    return stats.gamma.pdf(RATES, shape, scale=1 / rate) * RATES * STEP


@lru_cache(8)
def density_of_both(parameters: tuple[float, ...]) -> Floats:
    r, alpha, s, beta = parameters
    return np.outer(density(r, alpha), density(s, beta))


@lru_cache(8)
def there_at_end(x: int, tenure: float) -> Floats:
    """Likelihood of x purchases and of being there until the end, by lambda and mu."""
    return BUYING**x * np.exp(-(BUYING + LEAVING) * tenure)


@lru_cache(8)
def left_before(x: int, recency: float, tenure: float) -> Floats:
    """Likelihood of x purchases and of leaving after the last one, by lambda and mu."""
    both = BUYING + LEAVING
    return BUYING**x * LEAVING / both * np.exp(-both * recency) * -np.expm1(-both * (tenure - recency))


@lru_cache
def integrated(history: tuple[int, float, float], parameters: tuple[float, ...]) -> tuple[float, float]:
    """The likelihood, and the part of it in which the customer is there."""
    there = float((there_at_end(history[0], history[2]) * density_of_both(parameters)).sum())
    return there + float((left_before(*history) * density_of_both(parameters)).sum()), there


def integrated_expectation(
    history: tuple[int, float, float], t: float, parameters: tuple[float, ...], rate: float = 0.0
) -> float:
    """Purchases in t, discounted at `rate`: who is there buys as a Poisson process until they leave.

    Given lambda and mu that is lambda * (1 - exp(-(mu + rate) t)) / (mu + rate).
    """
    later = BUYING * -np.expm1(-(LEAVING + rate) * t) / (LEAVING + rate)
    there = (there_at_end(history[0], history[2]) * density_of_both(parameters) * later).sum()
    return float(there / integrated(history, parameters)[0])


class TestLiterature:
    @pytest.mark.parametrize("parameters", SETS)
    def test_equals_the_published_formula_with_two_2f1(self, parameters: tuple[float, ...]) -> None:
        r, alpha, s, beta = parameters
        for x, recency, tenure in HISTORIES:
            big, small, second = (alpha, beta, s + 1) if alpha >= beta else (beta, alpha, r + x)
            bought = r + s + x
            parts = [
                special.hyp2f1(bought, second, bought + 1, (big - small) / (big + t)) / (big + t) ** bought
                for t in (recency, tenure)
            ]
            there = (alpha + tenure) ** -(r + x) * (beta + tenure) ** -s
            scale = special.gamma(r + x) / special.gamma(r) * alpha**r * beta**s
            expected = np.log(scale * (there + s / bought * (parts[0] - parts[1])))
            assert fitted(parameters).log_likelihood(np.array([[x, recency, tenure]]))[0] == pytest.approx(expected)


class TestLogLikelihood:
    @pytest.mark.parametrize("parameters", SETS)
    @pytest.mark.parametrize("history", HISTORIES)
    def test_equals_integration_over_the_assumptions(self, history: Any, parameters: tuple[float, ...]) -> None:
        value = fitted(parameters).log_likelihood(np.array([history]))[0]
        assert value == pytest.approx(np.log(integrated(history, parameters)[0]), rel=1e-8)

    @settings(deadline=None, max_examples=50)
    @given(parameter_logs)
    def test_gradient_equals_finite_differences(self, point: tuple[float, ...]) -> None:
        likelihood = likelihood_of(pd.DataFrame(HISTORIES, columns=COLUMNS))
        parameters = np.exp(point)
        _, gradient = likelihood(parameters)
        for i, step in enumerate(1e-5 * np.diag(parameters)):
            slope = (likelihood(parameters + step)[0] - likelihood(parameters - step)[0]) / (2 * step[i])
            assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-6 / parameters[i])

    @settings(deadline=None, max_examples=30)
    @given(parameter_logs)
    def test_summed_equals_the_sum_of_each(self, point: tuple[float, ...]) -> None:
        X = pd.DataFrame(HISTORIES * 3, columns=COLUMNS)
        value, _ = likelihood_of(X)(np.exp(point))
        assert value == pytest.approx(fitted(tuple(np.exp(point))).log_likelihood(X).sum(), rel=1e-12)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("recency", [0.0, 17.0, 40.0])
    def test_is_finite_for_every_frequency_wherever_the_optimiser_goes(self, recency: float) -> None:
        frequency = np.arange(1001.0)
        rows = {"frequency": frequency, "recency": np.where(frequency > 0, recency, 0.0), "tenure": 40.0}
        X = pd.concat([pd.DataFrame(rows), pd.DataFrame([(0, 0, 0), (4, 0, 0)], columns=COLUMNS)])
        random, likelihood = np.random.default_rng(1), likelihood_of(X)
        for i in range(60):
            r, alpha, s, beta = np.exp(random.uniform(-12, 12, 4)) * np.array([0.5, 10.0, 0.5, 10.0])
            parameters = (r, alpha, s, alpha if i % 6 == 0 else beta)
            value, gradient = likelihood(np.array(parameters))
            assert np.isfinite([value, *gradient]).all(), parameters
            model = fitted(parameters)
            assert np.isfinite(model.log_likelihood(X)).all(), parameters
            alive = model.p_alive(X)
            assert ((alive >= 0) & (alive <= 1)).all(), parameters
            assert np.isfinite(model.expected_purchases(X, 52.0)).all(), parameters

    def test_a_tenure_of_nothing_says_nothing(self) -> None:
        assert fitted(TYPICAL).log_likelihood(np.zeros((1, 3)))[0] == 0.0
        assert fitted(TYPICAL).p_alive(np.zeros((1, 3)))[0] == 1.0


class TestExpectations:
    @pytest.mark.parametrize("parameters", SETS)
    @pytest.mark.parametrize("history", HISTORIES)
    @pytest.mark.parametrize("t", [1.0, 52.0])
    def test_purchases_equal_integration_over_the_assumptions(
        self, history: Any, parameters: tuple[float, ...], t: float
    ) -> None:
        value = fitted(parameters).expected_purchases(np.array([history]), t)[0]
        assert value == pytest.approx(integrated_expectation(history, t, parameters), rel=1e-7)

    @pytest.mark.parametrize("history", HISTORIES)
    def test_p_alive_equals_integration_over_the_assumptions(self, history: Any) -> None:
        likelihood, there = integrated(history, TYPICAL)
        assert fitted(TYPICAL).p_alive(np.array([history]))[0] == pytest.approx(there / likelihood, rel=1e-8)

    def test_new_customers_equal_those_without_history(self) -> None:
        model, times = fitted(TYPICAL), np.array([[1.0, 10.0], [52.0, 260.0]])
        nobody = [[model.expected_purchases(np.zeros((1, 3)), t)[0] for t in row] for row in times]
        np.testing.assert_allclose(model.expected_purchases_new(times), nobody, rtol=1e-12)
        assert model.expected_purchases_new(0.0) == 0.0

    def test_is_smooth_at_s_one(self) -> None:
        around = [
            fitted((0.5, 4.0, s, 2.5)).expected_purchases(np.array(HISTORIES), 39.0) for s in (1 - 1e-6, 1 + 1e-6)
        ]
        at_one = fitted((0.5, 4.0, 1.0, 2.5)).expected_purchases(np.array(HISTORIES), 39.0)
        np.testing.assert_allclose(at_one, (around[0] + around[1]) / 2, rtol=1e-9)

    def test_agree_with_what_simulated_customers_do(self) -> None:
        X = pareto_nbd_cohort(200_000, TYPICAL, 80, ahead=50, seed=7)
        X["expected"], X["p_alive"] = fitted(TYPICAL).expected_purchases(X, 50.0), fitted(TYPICAL).p_alive(X)
        groups = X.groupby([X["frequency"].clip(upper=6), X["recency"] > 0.6 * X["tenure"]])
        assert len(groups) >= 10
        for seen, said in (("later", "expected"), ("alive", "p_alive")):
            gap = (groups[seen].mean() - groups[said].mean()).abs()
            assert (gap < 4 * groups[seen].std() / np.sqrt(groups.size())).all(), seen

    @pytest.mark.parametrize("parameters", SETS)
    @pytest.mark.parametrize(("rate", "t"), [(0.0, 52.0), (0.002, 52.0), (0.002, np.inf), (0.3, np.inf), (1e-6, 1e4)])
    def test_discounted_purchases_equal_integration(self, parameters: tuple[float, ...], rate: float, t: float) -> None:
        values = fitted(parameters).discounted_purchases(np.array(HISTORIES), rate, t)
        expected = [integrated_expectation(history, t, parameters, rate) for history in HISTORIES]
        np.testing.assert_allclose(values, expected, rtol=1e-7)

    def test_dert_equals_the_published_formula(self) -> None:
        r, alpha, s, beta = TYPICAL
        model, rate = fitted(TYPICAL), 0.0027
        for x, recency, tenure in HISTORIES:
            scale = special.gamma(r + x + 1) / special.gamma(r) * alpha**r * beta**s * rate ** (s - 1)
            psi = special.hyperu(s, s, rate * (beta + tenure))
            likelihood = np.exp(model.log_likelihood(np.array([[x, recency, tenure]]))[0])
            expected = scale * psi / ((alpha + tenure) ** (r + x + 1) * likelihood)
            value = model.discounted_purchases(np.array([[x, recency, tenure]]), rate)[0]
            assert value == pytest.approx(expected, rel=1e-9)

    def test_without_a_rate_nothing_is_discounted(self) -> None:
        X, model = np.array(HISTORIES), fitted(TYPICAL)
        np.testing.assert_array_equal(model.discounted_purchases(X, 0.0, 52.0), model.expected_purchases(X, 52.0))
        assert model.discounted_purchases(X, 1e-12, 52.0) == pytest.approx(model.expected_purchases(X, 52.0))

    @pytest.mark.parametrize(("rate", "t"), [(-0.1, 1.0), (np.nan, 1.0), (np.inf, 1.0), (0.1, -1.0), (0.0, np.inf)])
    def test_refuse_a_discount_that_is_none(self, rate: float, t: float) -> None:
        with pytest.raises(ModelError):
            fitted(TYPICAL).discounted_purchases(np.zeros((1, 3)), rate, t)

    @pytest.mark.parametrize("t", [-1.0, np.nan, np.inf])
    def test_refuse_a_time_that_is_none(self, t: float) -> None:
        with pytest.raises(ModelError, match="t is"):
            fitted(TYPICAL).expected_purchases(np.zeros((1, 3)), t)


class TestCountProbabilities:
    @pytest.mark.parametrize("parameters", SETS)
    @pytest.mark.parametrize("t", [0.5, 39.0, 300.0])
    def test_equal_integration_over_the_assumptions(self, parameters: tuple[float, ...], t: float) -> None:
        found = fitted(parameters).count_probabilities(t, 12)
        both = BUYING + LEAVING
        for x in range(13):
            # bought x times and still there, or bought x times before leaving: a gamma distributed time is below t
            there = np.exp(x * np.log(BUYING * t) - special.gammaln(x + 1) - both * t)
            left = LEAVING / both * (BUYING / both) ** x * special.gammainc(x + 1, both * t)
            assert found[x] == pytest.approx(((there + left) * density_of_both(parameters)).sum(), rel=1e-7)

    @pytest.mark.parametrize("parameters", SETS)
    def test_sum_to_one_and_to_the_expectation(self, parameters: tuple[float, ...]) -> None:
        model = fitted(parameters)
        found = model.count_probabilities(20.0, 2000)
        assert found.sum() == pytest.approx(1, rel=1e-10)
        assert found @ np.arange(2001) == pytest.approx(model.expected_purchases_new(20.0), rel=1e-8)

    def test_of_no_time_and_of_what_is_none(self) -> None:
        assert fitted(TYPICAL).count_probabilities(0.0, 2).tolist() == [1.0, 0.0, 0.0]
        for t, up_to in ((-1.0, 3), (1.0, -1), (1.0, 1.5)):
            with pytest.raises(ModelError):
                fitted(TYPICAL).count_probabilities(t, up_to)

    @pytest.mark.filterwarnings("error")
    def test_are_probabilities_wherever_the_optimiser_goes(self) -> None:
        random = np.random.default_rng(3)
        for _ in range(60):
            parameters = np.exp(random.uniform(-12, 12, 4)) * np.array([0.5, 10.0, 0.5, 10.0])
            found = fitted(tuple(parameters)).count_probabilities(float(np.exp(random.uniform(-3, 6))), 1000)
            assert (found >= 0).all(), parameters
            assert found.sum() <= 1 + 1e-8, parameters


class TestSimulate:
    def test_draws_customers_of_the_model(self) -> None:
        model = fitted(TYPICAL)
        X = model.simulate(np.full(100_000, 39.0), random_state=5)
        share = np.bincount(X["frequency"].astype(int), minlength=6)[:6] / 100_000
        expected = model.count_probabilities(39.0, 5)
        assert (np.abs(share - expected) < 4 * np.sqrt(expected / 100_000)).all()
        assert (X["recency"][X["frequency"] == 0] == 0).all()
        assert (X["recency"] <= X["tenure"]).all()

    def test_that_a_fit_recovers_within_its_standard_errors(self) -> None:
        model = ParetoNBD().fit(pd.DataFrame(fitted(TYPICAL).simulate(np.linspace(40, 120, 40_000), random_state=2)))
        errors = model.standard_errors_
        for name, truth in fitted(TYPICAL).parameters_.items():
            assert abs(model.parameters_[name] - truth) < 3 * errors[name], name

    def test_the_seed_decides(self) -> None:
        model, tenure = fitted(TYPICAL), np.linspace(1, 99, 50)
        a, b, c = (pd.DataFrame(model.simulate(tenure, random_state=seed)) for seed in (1, 1, 2))
        pd.testing.assert_frame_equal(a, b)
        assert not a.equals(c)


class TestFit:
    def test_recovers_the_parameters_of_simulated_customers(self) -> None:
        truth = (0.8, 6.0, 0.7, 9.0)
        model = ParetoNBD().fit(pareto_nbd_cohort(60_000, truth, 120, seed=11))
        assert learned(model) == pytest.approx(truth, rel=0.08)

    def test_the_gradient_is_zero_at_what_it_finds(self) -> None:
        X = pareto_nbd_cohort(3000, TYPICAL, 80)
        model = ParetoNBD().fit(X)
        parameters = np.array(learned(model))
        value, gradient = likelihood_of(X)(parameters)
        assert np.abs(gradient * parameters).max() < 1e-2  # standard errors move it by some 30
        assert model.log_likelihood_ == pytest.approx(value, rel=1e-12)
        assert model.converged_
        assert model.message_.startswith("converged")

    def test_a_weight_is_a_repeated_row(self) -> None:
        X = pareto_nbd_cohort(1000, TYPICAL, 80)
        weight = np.random.default_rng(5).integers(0, 4, len(X))
        weighted = ParetoNBD().fit(X, sample_weight=weight)
        repeated = ParetoNBD().fit(X.loc[X.index.repeat(weight)])
        assert weighted.log_likelihood_ == pytest.approx(repeated.log_likelihood_, rel=1e-12)
        assert learned(weighted) == pytest.approx(learned(repeated), rel=1e-8)

    @pytest.mark.parametrize("n", [500, 45_000])
    def test_the_order_of_rows_and_the_kind_of_x_change_no_bit(self, n: int) -> None:
        X = pareto_nbd_cohort(n, TYPICAL, 80)[COLUMNS]
        shuffled = X.sample(frac=1, random_state=3)
        models = [ParetoNBD().fit(data) for data in (X, shuffled[COLUMNS[::-1]], shuffled.to_numpy())]
        assert len({(*learned(model), model.log_likelihood_) for model in models}) == 1

    def test_the_unit_of_time_only_scales_alpha_and_beta(self) -> None:
        weeks = pareto_nbd_cohort(3000, TYPICAL, 80)[COLUMNS]
        days = weeks.assign(recency=weeks["recency"] * 7, tenure=weeks["tenure"] * 7)
        a, b = learned(ParetoNBD().fit(weeks)), learned(ParetoNBD().fit(days))
        assert (b[0], b[1] / 7, b[2], b[3] / 7) == pytest.approx(a, rel=1e-4)

    def test_many_rows_lead_to_the_same_maximum_as_without_a_thinned_start(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        X = pareto_nbd_cohort(50_000, TYPICAL, 80)
        assert likelihood_of(X).thinned() is not None
        quick = ParetoNBD().fit(X)
        monkeypatch.setattr("ddcrm.models.base._PILOT_ROWS", 10**9)
        plain = ParetoNBD().fit(X)
        assert quick.log_likelihood_ == pytest.approx(plain.log_likelihood_, abs=1e-5)
        assert learned(quick) == pytest.approx(learned(plain), rel=1e-4)

    def test_follows_scikit_learn(self) -> None:
        X = pareto_nbd_cohort(1000, TYPICAL, 80)
        model = ParetoNBD(max_iter=77, tol=1e-6)
        assert clone(model).get_params() == {
            "max_iter": 77, "tol": 1e-6, "purchase_covariates": (), "dropout_covariates": ()
        }  # fmt: skip
        assert model.fit(X) is model
        assert model.n_features_in_ == 3
        assert model.feature_names_in_.tolist() == COLUMNS


class TestRefusals:
    def test_before_fit(self) -> None:
        with pytest.raises(NotFittedError):
            ParetoNBD().p_alive(np.zeros((1, 3)))

    def test_too_few_iterations_is_no_fit(self) -> None:
        with pytest.raises(ConvergenceError, match="within 2 iterations"):
            ParetoNBD(max_iter=2).fit(pareto_nbd_cohort(500, TYPICAL, 80))

    def test_customers_who_never_leave_have_no_maximum(self) -> None:
        random = np.random.default_rng(2)
        frequency = 1.0 + random.poisson(random.gamma(1.0, 20.0, 2000))
        X = pd.DataFrame({"frequency": frequency, "recency": 51.99, "tenure": 52.0})
        with pytest.raises(ConvergenceError, match=r"runs away|is flat"):
            ParetoNBD().fit(X)

    @pytest.mark.parametrize(
        ("rows", "why"),
        [
            (np.array([[0, 0, 10.0], [0, 0, 20.0]]), "bought again"),
            (np.empty((0, 3)), "bought again"),
            (np.array([[1, 0, 0.0], [2, 0, 0.0]]), "any time"),
        ],
    )
    def test_too_little(self, rows: Floats, why: str) -> None:
        with pytest.raises(InsufficientDataError, match=why):
            ParetoNBD().fit(rows)

    @pytest.mark.parametrize(
        ("row", "why"),
        [
            ((1.5, 2, 10), "whole numbers"),
            ((1, 11, 10), "greater than tenure"),
            ((0, 5, 10), "not 0 where frequency is 0"),
            ((1, np.nan, 10), "recency is nan in row 1"),
        ],
    )
    def test_rows_that_cannot_be(self, row: tuple[float, ...], why: str) -> None:
        X = np.array([(1, 5, 10), row], dtype=float)
        with pytest.raises(ModelError, match=why):
            ParetoNBD().fit(X)
        with pytest.raises(ModelError, match=why):
            fitted(TYPICAL).p_alive(X)
