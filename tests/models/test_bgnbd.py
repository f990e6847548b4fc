"""BG/NBD against the literature, numerical integration over its own assumptions, and simulated customers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from ddcrm.errors import ConvergenceError, InsufficientDataError, ModelError
from ddcrm.models.base import distinct_rows, levels_of
from ddcrm.models.bgnbd import BetaGeoNBD, BgNbdLikelihood
from tests.models.cohort import bgnbd_cohort
from tests.models.integrals import (
    alive_at_end,
    integrated_count,
    integrated_expectation,
    integrated_likelihood,
)

Floats = NDArray[np.float64]

TYPICAL = (0.25, 4.0, 0.8, 2.5)
COLUMNS = ["frequency", "recency", "tenure"]
HISTORIES = [(0, 0.0, 40.0), (1, 3.0, 40.0), (2, 38.0, 40.0), (7, 20.0, 25.0), (30, 39.0, 40.0)]

logs = st.floats(-2.5, 2.5)
parameter_logs = st.tuples(logs, logs, logs, logs)


def fitted(parameters: tuple[float, ...]) -> BetaGeoNBD:
    """An estimator that has learned these parameters."""
    model = BetaGeoNBD()
    model.r_, model.alpha_, model.a_, model.b_ = parameters
    return model


def likelihood_of(X: pd.DataFrame) -> BgNbdLikelihood:
    rows = distinct_rows([levels_of(X[name].to_numpy(dtype=float)) for name in COLUMNS])
    return BgNbdLikelihood(rows.columns, rows.weights(np.ones(len(X))))


class TestLiterature:
    @pytest.mark.parametrize(("x", "recency", "expected"), [(0, 0, -0.59947382), (200, 38, 100.7957)])
    def test_log_likelihood_at_the_published_stability_points(self, x: int, recency: int, expected: float) -> None:
        value = fitted(TYPICAL).log_likelihood(np.array([[x, recency, 40]]))[0]
        assert value == pytest.approx(expected, abs=1e-4 if x else 1e-8)


class TestLogLikelihood:
    @pytest.mark.parametrize("parameters", [TYPICAL, (2.0, 10.0, 1.0, 1.0), (0.6, 2.0, 3.0, 0.4)])
    @pytest.mark.parametrize("history", HISTORIES)
    def test_equals_integration_over_the_assumptions(self, history: Any, parameters: tuple[float, ...]) -> None:
        value = fitted(parameters).log_likelihood(np.array([history]))[0]
        assert value == pytest.approx(np.log(integrated_likelihood(*history, parameters)), rel=1e-8)

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
    def test_sum_over_customers_is_what_the_fit_maximises(self, point: tuple[float, ...]) -> None:
        X = bgnbd_cohort(200, TYPICAL, 52, seed=3)
        parameters = np.exp(point)
        each = fitted(tuple(parameters)).log_likelihood(X)
        assert likelihood_of(X)(parameters)[0] == pytest.approx(each.sum(), rel=1e-10)

    @pytest.mark.parametrize("log_scale", [-12, -6, 0, 6, 12])
    @pytest.mark.parametrize("which", range(4))
    def test_nothing_is_nan_or_infinite_where_the_optimiser_may_go(self, which: int, log_scale: int) -> None:
        parameters = np.array(TYPICAL)
        parameters[which] *= np.exp(log_scale)
        X = _every_frequency()
        value, gradient = likelihood_of(X)(parameters)
        model = fitted(tuple(parameters))
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()
        for result in (model.log_likelihood(X), model.p_alive(X), model.expected_purchases(X, 52.0)):
            assert np.isfinite(result).all()


def _every_frequency() -> pd.DataFrame:
    x = np.arange(1001.0)
    late, early = np.where(x > 0, 39.9, 0.0), np.where(x > 0, 1e-3, 0.0)
    return pd.concat([pd.DataFrame({"frequency": x, "recency": last, "tenure": 40.0}) for last in (late, early)])


class TestExpectedPurchases:
    @pytest.mark.parametrize("parameters", [TYPICAL, (2.0, 10.0, 1.0, 1.0), (0.6, 2.0, 3.0, 0.4)])
    @pytest.mark.parametrize("history", HISTORIES)
    @pytest.mark.parametrize("t", [1.0, 52.0])
    def test_equals_integration_over_the_assumptions(
        self, history: Any, parameters: tuple[float, ...], t: float
    ) -> None:
        value = fitted(parameters).expected_purchases(np.array([history]), t)[0]
        assert value == pytest.approx(integrated_expectation(*history, t, parameters), rel=1e-7)

    @settings(deadline=None, max_examples=60)
    @given(parameter_logs, st.sampled_from(HISTORIES), st.floats(0.1, 200))
    def test_equals_the_published_formula_where_that_is_stable(
        self, point: tuple[float, ...], history: tuple[int, float, float], t: float
    ) -> None:
        r, alpha, a, b = np.exp(point)
        x, recency, tenure = history
        if abs(a - 1) < 0.05 or abs(a + b + x - 1) < 0.05:  # eq. 10 divides by the first, its 2F1 by the second
            return
        shrink, z = (alpha + tenure) / (alpha + tenure + t), t / (alpha + tenure + t)
        hyper = special.hyp2f1(r + x, b + x, a + b + x - 1, z)
        ahead = (a + b + x - 1) / (a - 1) * (1 - shrink ** (r + x) * hyper)
        gone = a / (b + x - 1) * ((alpha + tenure) / (alpha + recency)) ** (r + x) if x else 0.0
        value = fitted((r, alpha, a, b)).expected_purchases(np.array([history]), t)[0]
        assert value == pytest.approx(ahead / (1 + gone), rel=1e-6)

    def test_is_smooth_where_the_published_formula_divides_by_zero(self) -> None:
        around = [
            fitted((0.25, 4.0, a, 2.5)).expected_purchases(np.array(HISTORIES), 39.0) for a in (1 - 1e-6, 1 + 1e-6)
        ]
        at_one = fitted((0.25, 4.0, 1.0, 2.5)).expected_purchases(np.array(HISTORIES), 39.0)
        np.testing.assert_allclose(at_one, (around[0] + around[1]) / 2, rtol=1e-9)

    def test_agrees_with_what_simulated_customers_do(self) -> None:
        parameters = (0.8, 6.0, 0.7, 2.0)
        X = bgnbd_cohort(200_000, parameters, 40, ahead=30, seed=7)
        X["expected"] = fitted(parameters).expected_purchases(X, 30.0)
        groups = X.groupby([X["frequency"].clip(upper=6), X["recency"] > 0.6 * X["tenure"]])
        gap = (groups["later"].mean() - groups["expected"].mean()).abs()
        noise = groups["later"].std() / np.sqrt(groups.size())
        assert len(gap) >= 10
        assert (gap < 4 * noise).all()

    def test_new_customers_equal_those_without_history(self) -> None:
        model, times = fitted(TYPICAL), np.array([[1.0, 10.0], [52.0, 260.0]])
        nobody = [[model.expected_purchases(np.zeros((1, 3)), t)[0] for t in row] for row in times]
        np.testing.assert_allclose(model.expected_purchases_new(times), nobody, rtol=1e-12)
        assert model.expected_purchases_new(0.0) == 0.0

    def test_new_customers_equal_integration(self) -> None:
        expected = integrated_expectation(0, 0.0, 0.0, 39.0, TYPICAL)
        assert fitted(TYPICAL).expected_purchases_new(39.0) == pytest.approx(expected, rel=1e-7)

    @pytest.mark.parametrize("times_alpha", [3, 30, 365])
    def test_holds_for_horizons_far_beyond_the_history(self, times_alpha: int) -> None:
        t = TYPICAL[1] * times_alpha
        for history in ((0, 0.0, 0.0), (3, 0.5, 1.0)):
            value = fitted(TYPICAL).expected_purchases(np.array([history]), t)[0]
            assert value == pytest.approx(integrated_expectation(*history, t, TYPICAL), rel=1e-7)

    @pytest.mark.parametrize("t", [-1.0, np.nan, np.inf])
    def test_refuses_a_time_that_is_none(self, t: float) -> None:
        with pytest.raises(ModelError, match="t is"):
            fitted(TYPICAL).expected_purchases(np.zeros((1, 3)), t)

    def test_many_customers_of_one_frequency_are_done_in_blocks_without_loss(self) -> None:
        X = np.column_stack([np.ones(9000), np.ones(9000), np.linspace(2, 50, 9000)])
        model = fitted(TYPICAL)
        alone = [model.expected_purchases(X[i : i + 1], 20.0)[0] for i in (0, 4095, 4096, 8999)]
        assert model.expected_purchases(X, 20.0)[[0, 4095, 4096, 8999]].tolist() == alone


class TestPAlive:
    def test_is_a_probability_and_one_without_repeat_purchases(self) -> None:
        X = _every_frequency()
        alive = fitted(TYPICAL).p_alive(X)
        assert ((alive >= 0) & (alive <= 1)).all()
        assert (alive[X["frequency"] == 0] == 1).all()
        assert (alive[X["frequency"] > 0] < 1).all()

    @pytest.mark.parametrize("history", HISTORIES[1:])
    def test_equals_integration_over_the_assumptions(self, history: Any) -> None:
        expected = alive_at_end(history[0], history[2], TYPICAL) / integrated_likelihood(*history, TYPICAL)
        assert fitted(TYPICAL).p_alive(np.array([history]))[0] == pytest.approx(expected, rel=1e-8)


class TestFit:
    def test_recovers_the_parameters_of_simulated_customers(self) -> None:
        truth = (0.8, 6.0, 0.7, 2.0)
        model = BetaGeoNBD().fit(bgnbd_cohort(60_000, truth, 80, seed=11))
        assert (model.r_, model.alpha_, model.a_, model.b_) == pytest.approx(truth, rel=0.06)

    def test_the_gradient_is_zero_at_what_it_finds(self) -> None:
        X = bgnbd_cohort(3000, TYPICAL, 52)
        model = BetaGeoNBD().fit(X)
        parameters = np.array([model.r_, model.alpha_, model.a_, model.b_])
        value, gradient = likelihood_of(X)(parameters)
        assert np.abs(gradient * parameters).max() < 1e-2  # standard errors move it by some 30
        assert model.log_likelihood_ == pytest.approx(value, rel=1e-12)
        assert model.converged_
        assert model.n_iter_ > 0
        assert model.message_.startswith("converged")

    def test_a_weight_is_a_repeated_row(self) -> None:
        X = bgnbd_cohort(500, TYPICAL, 52)
        weight = np.random.default_rng(5).integers(0, 4, len(X))
        weighted = BetaGeoNBD().fit(X, sample_weight=weight)
        repeated = BetaGeoNBD().fit(X.loc[X.index.repeat(weight)])
        assert weighted.log_likelihood_ == pytest.approx(repeated.log_likelihood_, rel=1e-12)
        for name in ("r_", "alpha_", "a_", "b_"):
            assert getattr(weighted, name) == pytest.approx(getattr(repeated, name), rel=1e-9)

    @pytest.mark.parametrize("n", [500, 60_000])
    def test_the_order_of_rows_and_the_kind_of_x_change_no_bit(self, n: int) -> None:
        X = bgnbd_cohort(n, TYPICAL, 52)[COLUMNS]
        shuffled = X.sample(frac=1, random_state=3)
        models = [BetaGeoNBD().fit(data) for data in (X, shuffled[COLUMNS[::-1]], shuffled.to_numpy(), dict(X))]
        assert len({(m.r_, m.alpha_, m.a_, m.b_, m.log_likelihood_) for m in models}) == 1

    def test_the_unit_of_time_only_scales_alpha(self) -> None:
        weeks = bgnbd_cohort(2000, TYPICAL, 52)[COLUMNS]
        days = weeks.assign(recency=weeks["recency"] * 7, tenure=weeks["tenure"] * 7)
        a, b = BetaGeoNBD().fit(weeks), BetaGeoNBD().fit(days)
        assert (b.r_, b.alpha_ / 7, b.a_, b.b_) == pytest.approx((a.r_, a.alpha_, a.a_, a.b_), rel=1e-4)
        shift = weeks["frequency"].sum() * np.log(7)
        assert a.log_likelihood_ - shift == pytest.approx(b.log_likelihood_, abs=1e-5)

    def test_many_rows_lead_to_the_same_maximum_as_without_a_thinned_start(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        X = bgnbd_cohort(150_000, TYPICAL, 52)
        assert likelihood_of(X).thinned() is not None
        quick = BetaGeoNBD().fit(X)
        monkeypatch.setattr("ddcrm.models.base._PILOT_ROWS", 10**9)
        assert likelihood_of(X).thinned() is None
        plain = BetaGeoNBD().fit(X)
        assert quick.log_likelihood_ == pytest.approx(plain.log_likelihood_, abs=1e-5)
        for name in ("r_", "alpha_", "a_", "b_"):
            assert getattr(quick, name) == pytest.approx(getattr(plain, name), rel=1e-4)

    def test_the_thinned_likelihood_is_a_fair_part(self) -> None:
        whole = likelihood_of(bgnbd_cohort(100_000, TYPICAL, 52))
        part = whole.thinned()
        assert part is not None
        for statistic in (lambda part: part.weight_of_count @ part.counts, lambda part: part.weight_of_age @ part.ages):
            assert statistic(part) / part.total_weight == pytest.approx(statistic(whole) / whole.total_weight, rel=0.02)

    def test_follows_scikit_learn(self) -> None:
        X = bgnbd_cohort(500, TYPICAL, 52)
        model = BetaGeoNBD(max_iter=77, tol=1e-6)
        assert clone(model).get_params() == {
            "max_iter": 77, "tol": 1e-6, "purchase_covariates": (), "dropout_covariates": ()
        }  # fmt: skip
        assert model.fit(X) is model
        assert model.n_features_in_ == 3
        assert model.feature_names_in_.tolist() == COLUMNS
        assert not hasattr(model.fit(X[COLUMNS].to_numpy()), "feature_names_in_")


class TestRefusals:
    def test_before_fit(self) -> None:
        with pytest.raises(NotFittedError):
            BetaGeoNBD().p_alive(np.zeros((1, 3)))

    def test_too_few_iterations_is_no_fit(self) -> None:
        model = BetaGeoNBD(max_iter=2)
        with pytest.raises(ConvergenceError, match="within 2 iterations") as caught:
            model.fit(bgnbd_cohort(500, TYPICAL, 52))
        assert caught.value.facts["model"] == "bgnbd"
        with pytest.raises(NotFittedError):
            model.p_alive(np.zeros((1, 3)))

    def test_customers_who_never_leave_have_no_maximum(self) -> None:
        random = np.random.default_rng(2)
        frequency = 1.0 + random.poisson(random.gamma(1.0, 20.0, 2000))
        X = pd.DataFrame({"frequency": frequency, "recency": 51.99, "tenure": 52.0})
        with pytest.raises(ConvergenceError, match=r"runs away|is flat"):
            BetaGeoNBD().fit(X)

    def test_nobody_bought_again(self) -> None:
        with pytest.raises(InsufficientDataError, match="bought again"):
            BetaGeoNBD().fit(np.array([[0, 0, 10.0], [0, 0, 20.0]]))

    def test_no_customers_and_no_weight(self) -> None:
        with pytest.raises(InsufficientDataError):
            BetaGeoNBD().fit(np.empty((0, 3)))
        with pytest.raises(InsufficientDataError):
            BetaGeoNBD().fit(np.array([[1, 5, 10.0]]), sample_weight=[0])

    def test_no_time(self) -> None:
        with pytest.raises(InsufficientDataError, match="any time"):
            BetaGeoNBD().fit(np.array([[1, 0, 0.0], [2, 0, 0.0]]))

    @pytest.mark.parametrize(
        ("row", "why"),
        [
            ((-1, 0, 10), "frequency is -1.0 in row 1"),
            ((1.5, 2, 10), "whole numbers"),
            ((1, 11, 10), "greater than tenure"),
            ((0, 5, 10), "not 0 where frequency is 0"),
            ((1, np.nan, 10), "recency is nan in row 1"),
            ((1, 5, np.inf), "tenure is inf"),
        ],
    )
    def test_rows_that_cannot_be(self, row: tuple[float, ...], why: str) -> None:
        X = np.array([(1, 5, 10), row], dtype=float)
        with pytest.raises(ModelError, match=why):
            BetaGeoNBD().fit(X)
        with pytest.raises(ModelError, match=why):
            fitted(TYPICAL).p_alive(X)

    @pytest.mark.parametrize(
        ("X", "why"),
        [
            (pd.DataFrame({"frequency": [1], "recency": [1]}), "no column tenure"),
            (np.zeros((2, 2)), "shape"),
            (pd.DataFrame({"frequency": ["a"], "recency": [1], "tenure": [2]}), "not a column of numbers"),
            ({"frequency": [1, 2], "recency": [1], "tenure": [2]}, "shapes"),
        ],
    )
    def test_x_of_another_shape(self, X: Any, why: str) -> None:
        with pytest.raises(ModelError, match=why):
            BetaGeoNBD().fit(X)

    @pytest.mark.parametrize("weight", [[1.0], [1.0, -1.0], [1.0, np.nan], ["x", "y"]])
    def test_weights_that_cannot_be(self, weight: list[Any]) -> None:
        with pytest.raises(ModelError, match="sample_weight"):
            BetaGeoNBD().fit(np.array([[1, 5, 10.0], [2, 5, 10.0]]), sample_weight=weight)


class TestDiscounted:
    @pytest.mark.parametrize("parameters", [TYPICAL, (0.6, 2.0, 3.0, 0.4)])
    @pytest.mark.parametrize("history", HISTORIES[:4])
    @pytest.mark.parametrize(("rate", "t"), [(0.002, 52.0), (0.002, 520.0), (0.0018, np.inf), (0.5, np.inf)])
    def test_equals_integration_over_the_assumptions(
        self, history: Any, parameters: tuple[float, ...], rate: float, t: float
    ) -> None:
        value = fitted(parameters).discounted_purchases(np.array([history]), rate, t)[0]
        assert value == pytest.approx(integrated_expectation(*history, t, parameters, rate=rate), rel=1e-6)

    def test_without_a_rate_it_is_the_purchases(self) -> None:
        model, X = fitted(TYPICAL), np.array(HISTORIES)
        assert model.discounted_purchases(X, 0.0, 52.0).tolist() == model.expected_purchases(X, 52.0).tolist()

    @pytest.mark.parametrize(("rate", "t"), [(0.0, np.inf), (-0.1, 1.0), (np.nan, 1.0), (0.1, -1.0), (0.1, np.nan)])
    def test_refuses_what_has_no_value(self, rate: float, t: float) -> None:
        with pytest.raises(ModelError, match="rate"):
            fitted(TYPICAL).discounted_purchases(np.array(HISTORIES), rate, t)


class TestCounts:
    @pytest.mark.parametrize("parameters", [TYPICAL, (2.0, 10.0, 1.0, 1.0), (0.6, 2.0, 3.0, 0.4)])
    def test_equal_integration_over_the_assumptions(self, parameters: tuple[float, ...]) -> None:
        counts = fitted(parameters).count_probabilities(30.0, 8)
        assert counts == pytest.approx([integrated_count(x, 30.0, parameters) for x in range(9)], rel=1e-7)

    def test_sum_to_one_and_to_the_expectation(self) -> None:
        parameters = (2.0, 10.0, 1.0, 2.0)
        counts = fitted(parameters).count_probabilities(30.0, 1000)
        assert counts.sum() == pytest.approx(1, abs=1e-9)
        assert counts @ np.arange(1001) == pytest.approx(float(fitted(parameters).expected_purchases_new(30.0)))

    def test_in_no_time_nothing_is_bought(self) -> None:
        assert fitted(TYPICAL).count_probabilities(0.0, 2).tolist() == [1, 0, 0]

    @pytest.mark.parametrize(
        ("t", "up_to"), [(-1.0, 3), (np.nan, 3), (1.0, -1), (1.0, 2.5), (1.0, np.nan), (1.0, np.inf)]
    )
    def test_refuses_what_is_no_count(self, t: float, up_to: Any) -> None:
        with pytest.raises(ModelError):
            fitted(TYPICAL).count_probabilities(t, up_to)


class TestSimulation:
    def test_draws_customers_as_the_model_expects_them(self) -> None:
        model = fitted((0.8, 6.0, 0.7, 2.0))
        X = model.simulate(np.full(60_000, 40.0), random_state=2)
        expected = model.count_probabilities(40.0, 7)
        seen = np.bincount(X["frequency"].astype(int), minlength=8)[:8] / 60_000
        assert (np.abs(seen - expected) < 4 * np.sqrt(expected / 60_000)).all()
        early = (X["frequency"] > 0) & (X["recency"] <= 20)
        again = model.simulate(np.full(60_000, 40.0), random_state=np.random.default_rng(2))
        assert [column.tolist() for column in again.values()] == [column.tolist() for column in X.values()]
        assert 0 < early.mean() < 1

    def test_a_fit_recovers_the_parameters(self) -> None:
        truth = {"r": 0.8, "alpha": 6.0, "a": 0.7, "b": 2.0}
        model = BetaGeoNBD().fit(BetaGeoNBD.with_parameters(**truth).simulate(np.linspace(30, 80, 30_000)))
        for name, value in truth.items():
            assert model.parameters_[name] == pytest.approx(value, abs=3.5 * model.standard_errors_[name])

    @pytest.mark.parametrize("tenure", [[[1.0]], [-1.0], [np.nan]])
    def test_refuses_a_tenure_that_is_none(self, tenure: Any) -> None:
        with pytest.raises(ModelError, match="tenure"):
            fitted(TYPICAL).simulate(tenure)

    def test_rates_that_vanish_are_no_purchases(self) -> None:
        X = fitted((1e-4, 4.0, 0.8, 2.5)).simulate(np.full(1000, 50.0))
        assert np.isfinite(X["recency"]).all()
        assert (X["frequency"] == 0).mean() > 0.9
