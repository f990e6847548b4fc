"""Gamma-Gamma against the literature, numerical integration over its own assumptions, and simulated customers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.exceptions import NotFittedError

from ddcrm.errors import ConvergenceError, InsufficientDataError, ModelError
from ddcrm.models.base import distinct_rows, levels_of
from ddcrm.models.gamma_gamma import GammaGamma, GammaGammaLikelihood
from tests.models.cohort import gamma_gamma_cohort

TYPICAL = (6.25, 3.74, 15.44)
SPENDERS = [(1, 3.5), (1, 250.0), (4, 30.0), (40, 12.0)]

# log(nu) on a line: trapezoid sums over it converge faster than any power of the step
STEP = 0.02
RATES = np.exp(np.arange(-25.0, 15.0, STEP))

logs = st.floats(-1.5, 2.5)


def fitted(parameters: tuple[float, float, float]) -> GammaGamma:
    model = GammaGamma()
    model.p_, model.q_, model.v_ = parameters
    return model


def likelihood_of(rows: Any) -> GammaGammaLikelihood:
    distinct = distinct_rows([levels_of(column) for column in np.array(rows, dtype=float).T])
    return GammaGammaLikelihood(distinct.columns, distinct.weights(np.ones(len(rows))))


def integrated(x: int, mean: float, parameters: tuple[float, float, float]) -> tuple[float, float]:
    """The density of the mean of x purchases, and the expected p / nu given it: the assumptions, over all nu."""
    p, q, v = parameters
    joint = stats.gamma.pdf(mean, p * x, scale=1 / (RATES * x)) * stats.gamma.pdf(RATES, q, scale=1 / v) * RATES
    return joint.sum() * STEP, (joint * p / RATES).sum() / joint.sum()


class TestLiterature:
    def test_fit_finds_the_published_parameters_of_cdnow(self, cdnow: pd.DataFrame) -> None:
        model = GammaGamma().fit(cdnow)
        assert len(cdnow) - model.n_excluded_ == 946
        assert model.log_likelihood_ == pytest.approx(-4055.92, abs=0.01)
        assert (model.p_, model.q_, model.v_) == pytest.approx((6.25, 3.74, 15.44), rel=0.005)


class TestLogLikelihood:
    @pytest.mark.parametrize("parameters", [TYPICAL, (0.7, 2.0, 80.0), (20.0, 0.9, 5.0)])
    @pytest.mark.parametrize(("x", "mean"), SPENDERS)
    def test_equals_integration_over_the_assumptions(
        self, x: int, mean: float, parameters: tuple[float, float, float]
    ) -> None:
        value = fitted(parameters).log_likelihood(np.array([[x, mean]]))[0]
        assert value == pytest.approx(np.log(integrated(x, mean, parameters)[0]), rel=1e-8)

    @settings(deadline=None, max_examples=50)
    @given(st.tuples(logs, logs, logs))
    def test_gradient_equals_finite_differences(self, point: tuple[float, ...]) -> None:
        likelihood, parameters = likelihood_of(SPENDERS), np.exp(point)
        _, gradient = likelihood(parameters)
        for i, step in enumerate(1e-5 * np.diag(parameters)):
            slope = (likelihood(parameters + step)[0] - likelihood(parameters - step)[0]) / (2 * step[i])
            assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-6 / parameters[i])

    def test_sum_over_customers_is_what_the_fit_maximises(self) -> None:
        X = gamma_gamma_cohort(2000, TYPICAL)
        model = GammaGamma().fit(X)
        assert model.log_likelihood_ == pytest.approx(model.log_likelihood(X).sum(), rel=1e-10)
        parameters = np.array([model.p_, model.q_, model.v_])
        _, gradient = likelihood_of(X[X["frequency"] > 0])(parameters)
        assert np.abs(gradient * parameters).max() < 1e-2

    @pytest.mark.parametrize("log_scale", [-12, -6, 0, 6, 12])
    @pytest.mark.parametrize("which", range(3))
    def test_nothing_is_nan_or_infinite_where_the_optimiser_may_go(self, which: int, log_scale: int) -> None:
        parameters = np.array(TYPICAL)
        parameters[which] *= np.exp(log_scale)
        rows = [(x, mean) for x in (1, 2, 50, 1000) for mean in (0.01, 35.0, 1e6)]
        value, gradient = likelihood_of(rows)(parameters)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()
        assert np.isfinite(fitted(tuple(parameters)).log_likelihood(np.array(rows))).all()


class TestExpectedSpend:
    @pytest.mark.parametrize("parameters", [TYPICAL, (0.7, 2.0, 80.0)])
    @pytest.mark.parametrize(("x", "mean"), SPENDERS)
    def test_equals_integration_over_the_assumptions(
        self, x: int, mean: float, parameters: tuple[float, float, float]
    ) -> None:
        value = fitted(parameters).expected_spend(np.array([[x, mean]]))[0]
        assert value == pytest.approx(integrated(x, mean, parameters)[1], rel=1e-8)

    @pytest.mark.parametrize("parameters", [TYPICAL, (0.7, 2.0, 80.0)])
    @pytest.mark.parametrize("x", [1, 3, 30])
    @pytest.mark.parametrize("mean", [0.0, -5.0])
    def test_of_who_got_all_back_it_is_the_limit_of_ever_less(
        self, x: int, mean: float, parameters: tuple[float, float, float]
    ) -> None:
        """Refunding the last cent takes somebody no higher than refunding all but one.

        By nu the likelihood of a mean z is nu^(p x) exp(-nu x z) times what does not depend on nu: here z is 0.
        """
        p, q, v = parameters
        found, cent, ten = fitted(parameters).expected_spend(np.array([[x, mean], [x, 0.01], [x, 10.0]]))
        log_joint = p * x * np.log(RATES) + stats.gamma.logpdf(RATES, q, scale=1 / v) + np.log(RATES)
        joint = np.exp(log_joint - log_joint.max())
        assert found == pytest.approx((joint * p / RATES).sum() / joint.sum(), rel=1e-8)
        assert found < cent < ten

    @pytest.mark.parametrize("mean", [0.0, np.nan, 99.0])
    def test_is_the_mean_of_the_population_of_whom_nothing_is_known(self, mean: float) -> None:
        population = (
            TYPICAL[0] / RATES * stats.gamma.pdf(RATES, TYPICAL[1], scale=1 / TYPICAL[2]) * RATES
        ).sum() * STEP
        model = fitted(TYPICAL)
        assert model.expected_spend(np.array([[0, mean]]))[0] == pytest.approx(population, rel=1e-8)
        assert model.mean_spend_ == pytest.approx(population, rel=1e-8)

    def test_lies_between_the_population_and_the_customer_and_nearer_to_him_with_more_purchases(self) -> None:
        model = fitted(TYPICAL)
        spend = model.expected_spend(np.array([[x, 100.0] for x in (1, 2, 5, 50, 5000)]))
        assert (np.diff(spend) > 0).all()
        assert model.mean_spend_ < spend[0]
        assert spend[-1] == pytest.approx(100, rel=1e-3)


class TestFit:
    def test_recovers_the_parameters_of_simulated_customers(self) -> None:
        model = GammaGamma().fit(gamma_gamma_cohort(40_000, TYPICAL))
        assert (model.p_, model.q_, model.v_) == pytest.approx(TYPICAL, rel=0.06)

    def test_leaves_out_whom_the_model_is_not_about(self) -> None:
        X = gamma_gamma_cohort(2000, TYPICAL)
        extra = pd.DataFrame({"frequency": [0, 0, 2, 5], "monetary_value": [np.nan, 70.0, -3.0, 0.0]})
        with_extra, without = GammaGamma().fit(pd.concat([X, extra])), GammaGamma().fit(X[X["frequency"] > 0])
        assert with_extra.n_excluded_ == (X["frequency"] == 0).sum() + 4
        assert without.n_excluded_ == 0
        assert (with_extra.p_, with_extra.q_, with_extra.v_) == (without.p_, without.q_, without.v_)

    def test_who_has_no_weight_is_left_out_too(self) -> None:
        X = gamma_gamma_cohort(2000, TYPICAL)
        spenders = X["frequency"] > 0
        weight = np.where(np.arange(len(X)) % 3 == 0, 0.0, 1.0)
        assert 0 < (spenders & (weight == 0)).sum() < spenders.sum()
        model = GammaGamma().fit(X, sample_weight=weight)
        assert len(X) - model.n_excluded_ == model.n_customers_ == (spenders & (weight > 0)).sum()

    @pytest.mark.parametrize("q", [0.9, 1.0])
    def test_a_population_without_a_mean_spend_is_no_model(self, q: float) -> None:
        with pytest.raises(ModelError, match=rf"Expected spend is not defined .*q is {q:g}, not above 1"):
            GammaGamma.with_parameters(p=6.0, q=q, v=15.0)
        assert GammaGamma.with_parameters(p=6.0, q=2.0, v=15.0).mean_spend_ == 90.0

    def test_a_weight_is_a_repeated_row(self) -> None:
        X = gamma_gamma_cohort(800, TYPICAL)
        weight = np.random.default_rng(5).integers(0, 4, len(X))
        weighted = GammaGamma().fit(X, sample_weight=weight)
        repeated = GammaGamma().fit(X.loc[X.index.repeat(weight)])
        assert weighted.log_likelihood_ == pytest.approx(repeated.log_likelihood_, rel=1e-12)
        assert (weighted.p_, weighted.q_, weighted.v_) == pytest.approx(
            (repeated.p_, repeated.q_, repeated.v_), rel=1e-8
        )

    @pytest.mark.parametrize("n", [800, 60_000])
    def test_the_order_of_rows_changes_no_bit(self, n: int) -> None:
        X = gamma_gamma_cohort(n, TYPICAL)
        models = [GammaGamma().fit(data) for data in (X, X.sample(frac=1, random_state=3), X.to_numpy())]
        assert len({(m.p_, m.q_, m.v_, m.log_likelihood_) for m in models}) == 1

    def test_many_rows_lead_to_the_same_maximum_as_without_a_thinned_start(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        X = gamma_gamma_cohort(60_000, TYPICAL)
        assert likelihood_of(X[X["frequency"] > 0]).thinned() is not None
        quick = GammaGamma().fit(X)
        monkeypatch.setattr("ddcrm.models.base._PILOT_ROWS", 10**9)
        plain = GammaGamma().fit(X)
        assert quick.log_likelihood_ == pytest.approx(plain.log_likelihood_, abs=1e-5)
        assert (quick.p_, quick.q_, quick.v_) == pytest.approx((plain.p_, plain.q_, plain.v_), rel=1e-4)

    def test_the_unit_of_money_only_scales_v(self) -> None:
        euros = gamma_gamma_cohort(3000, TYPICAL)
        a = GammaGamma().fit(euros)
        b = GammaGamma().fit(euros.assign(monetary_value=euros["monetary_value"] * 100))
        assert (b.p_, b.q_, b.v_ / 100) == pytest.approx((a.p_, a.q_, a.v_), rel=1e-4)


class TestSimulation:
    def test_a_fit_recovers_the_parameters(self) -> None:
        frequency = np.random.default_rng(1).integers(0, 8, 20_000)
        X = fitted(TYPICAL).simulate(frequency, random_state=3)
        model = GammaGamma().fit(X)
        assert np.isnan(X["monetary_value"][frequency == 0]).all()
        for (name, value), truth in zip(model.parameters_.items(), TYPICAL, strict=True):
            assert value == pytest.approx(truth, abs=3.5 * model.standard_errors_[name])

    def test_the_same_seed_draws_the_same(self) -> None:
        once, again, other = (fitted(TYPICAL).simulate([3, 1], seed)["monetary_value"].tolist() for seed in (1, 1, 2))
        assert once == again != other

    def test_refuses_what_is_no_count(self) -> None:
        with pytest.raises(ModelError, match="whole numbers"):
            fitted(TYPICAL).simulate([1.5])


class TestRefusals:
    def test_a_population_without_a_mean(self) -> None:
        model = GammaGamma()
        with pytest.raises(ModelError, match="not above 1") as caught:
            model.fit(gamma_gamma_cohort(4000, (3.0, 0.5, 10.0)))
        assert caught.value.facts["model"] == "gamma_gamma"
        with pytest.raises(NotFittedError):
            model.expected_spend(np.ones((1, 2)))

    def test_customers_who_all_spend_the_same_have_no_maximum(self) -> None:
        with pytest.raises(ConvergenceError):
            GammaGamma().fit(np.array([[1, 20.0], [2, 20.0], [3, 20.0]] * 50))

    @pytest.mark.parametrize(
        "rows", [np.empty((0, 2)), np.array([[0, 0.0], [0, 5.0]]), np.array([[1, 5.0], [2, -5.0]])]
    )
    def test_too_few_who_spent(self, rows: Any) -> None:
        with pytest.raises(InsufficientDataError, match="fewer than 2"):
            GammaGamma().fit(rows)

    @pytest.mark.parametrize(
        ("row", "why"),
        [
            ((1, np.nan), "monetary_value is nan in row 1"),
            ((2, np.inf), "monetary_value is inf"),
            ((-1, 5), "frequency"),
        ],
    )
    def test_rows_that_cannot_be(self, row: tuple[float, float], why: str) -> None:
        X = np.array([(1, 20.0), row])
        with pytest.raises(ModelError, match=why):
            GammaGamma().fit(X)
        with pytest.raises(ModelError, match=why):
            fitted(TYPICAL).expected_spend(X)
