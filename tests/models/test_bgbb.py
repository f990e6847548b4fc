"""BG/BB against the literature, numerical integration over its own assumptions, and sums over all histories."""

from __future__ import annotations

from itertools import product
from math import comb
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from sklearn.exceptions import NotFittedError

from ddcrm.errors import ConvergenceError, InsufficientDataError, ModelError
from ddcrm.models.base import distinct_rows, levels_of
from ddcrm.models.bgbb import BetaGeometricBetaBinomial
from ddcrm.models.bgbb_likelihood import BgBbLikelihood
from tests.models.integrals import DROPOUT, STAYING, dropout_density

NAMES = ("alpha", "beta", "gamma", "delta")
COLUMNS = ["frequency", "recency", "opportunities"]
PUBLISHED = (1.204, 0.750, 0.657, 2.783)
PARAMETERS = [PUBLISHED, (0.5, 3.0, 1.0, 1.0), (4.0, 0.3, 2.5, 20.0)]
HISTORIES = [(0, 0, 6), (1, 1, 6), (2, 5, 6), (6, 6, 6), (3, 9, 12), (0, 0, 0)]

# Donations of 11,104 people who first gave in 1995, over the six years after: frequency, recency, people. Table 1 of
# Fader, Hardie & Shang (2010); the same as donations.csv in lifetimes 0.11.3.
DONATIONS = [
    (0, 0, 3464), (1, 1, 1091), (1, 2, 277), (1, 3, 129), (1, 4, 78), (1, 5, 119), (1, 6, 129), (2, 2, 613),
    (2, 3, 255), (2, 4, 155), (2, 5, 173), (2, 6, 234), (3, 3, 322), (3, 4, 181), (3, 5, 225), (3, 6, 357),
    (4, 4, 240), (4, 5, 284), (4, 6, 512), (5, 5, 335), (5, 6, 728), (6, 6, 1203),
]  # fmt: skip

logs = st.floats(-2.5, 2.5)


def model_with(parameters: tuple[float, ...]) -> BetaGeometricBetaBinomial:
    return BetaGeometricBetaBinomial.with_parameters(**dict(zip(NAMES, parameters, strict=True)))


def likelihood_of(X: Any) -> BgBbLikelihood:
    rows = distinct_rows([levels_of(column) for column in np.array(X, dtype=float).T])
    return BgBbLikelihood(rows.columns, rows.weights(np.ones(len(X))))


def integrated(x: int, recency: int, n: int, parameters: tuple[float, ...]) -> tuple[float, float]:
    """Likelihood of a history, and of it with being there at the end, summed over when the customer left."""
    alpha, beta, gamma, delta = parameters
    buys, leaves = dropout_density(alpha, beta), dropout_density(gamma, delta)

    def bought(until: int) -> float:
        return float((DROPOUT**x * STAYING ** (until - x) * buys).sum())

    alive = bought(n) * float((STAYING**n * leaves).sum())
    left = [bought(t) * float((DROPOUT * STAYING**t * leaves).sum()) for t in range(recency, n)]
    return alive + sum(left), alive


@pytest.fixture(scope="module")
def donors() -> BetaGeometricBetaBinomial:
    X = pd.DataFrame(DONATIONS, columns=["frequency", "recency", "people"]).assign(opportunities=6)
    return BetaGeometricBetaBinomial().fit(X, sample_weight=X["people"])


class TestLiterature:
    def test_fit_finds_the_published_parameters_of_the_donations(self, donors: BetaGeometricBetaBinomial) -> None:
        assert donors.n_customers_ == 11_104
        assert donors.log_likelihood_ == pytest.approx(-33225.58, abs=0.01)
        assert list(donors.parameters_.values()) == pytest.approx(PUBLISHED, rel=0.005)

    def test_counts_are_close_to_the_donations(self, donors: BetaGeometricBetaBinomial) -> None:
        people = np.bincount([row[0] for row in DONATIONS], [row[2] for row in DONATIONS])
        expected = 11_104 * donors.count_probabilities(6, 6)
        assert expected.sum() == pytest.approx(11_104)
        assert (np.abs(people - expected) < 4 * np.sqrt(expected)).all()


@pytest.mark.parametrize("parameters", PARAMETERS)
class TestEqualsItsAssumptions:
    @pytest.mark.parametrize("history", HISTORIES)
    def test_log_likelihood_and_p_alive(self, history: Any, parameters: tuple[float, ...]) -> None:
        total, alive = integrated(*history, parameters)
        model, X = model_with(parameters), np.array([history])
        assert model.log_likelihood(X)[0] == pytest.approx(np.log(total), rel=1e-8, abs=1e-9)
        assert model.p_alive(X)[0] == pytest.approx(alive / total, rel=1e-8)

    def test_all_histories_together_are_certain(self, parameters: tuple[float, ...]) -> None:
        X = [(x, last, 7) for last in range(1, 8) for x in range(1, last + 1)] + [(0, 0, 7)]
        ways = np.array([comb(last - 1, x - 1) if x else 1 for x, last, _ in X])
        assert (ways * np.exp(model_with(parameters).log_likelihood(np.array(X)))).sum() == pytest.approx(1)

    @pytest.mark.parametrize("history", [(0, 0, 0), (0, 0, 6), (2, 5, 6)])
    @pytest.mark.parametrize("rate", [0.0, 0.1])
    def test_purchases_are_those_of_all_that_may_follow(
        self, history: Any, rate: float, parameters: tuple[float, ...]
    ) -> None:
        model, ahead = model_with(parameters), 5
        x, recency, n = history
        futures = [np.array(future) for future in product((0, 1), repeat=ahead)]
        lasts = [n + 1 + np.flatnonzero(future)[-1] if future.any() else recency for future in futures]
        later = np.array([(x + future.sum(), last, n + ahead) for future, last in zip(futures, lasts, strict=True)])
        chances = np.exp(model.log_likelihood(later) - model.log_likelihood(np.array([history])))
        value = sum(chances * [(future * np.exp(-rate * np.arange(1, ahead + 1))).sum() for future in futures])
        assert chances.sum() == pytest.approx(1)
        assert model.discounted_purchases(np.array([history]), rate, ahead)[0] == pytest.approx(value, rel=1e-9)

    def test_new_customers(self, parameters: tuple[float, ...]) -> None:
        model, nobody = model_with(parameters), np.zeros((1, 3))
        expected = [model.expected_purchases(nobody, t)[0] for t in (0, 1, 9)]
        assert model.expected_purchases_new([0, 1, 9]) == pytest.approx(expected)
        counts = model.count_probabilities(9, 12)
        assert counts.sum() == pytest.approx(1)
        assert counts @ np.arange(13) == pytest.approx(expected[2])
        assert counts[10:].tolist() == [0, 0, 0]

    def test_all_future_is_the_published_series(self, parameters: tuple[float, ...]) -> None:
        (alpha, beta, gamma, delta), d, n = parameters, 0.1, 6
        X = np.array([(2, 5, n)])
        series = float(special.hyp2f1(1, delta + n + 1, gamma + delta + n + 1, 1 / (1 + d))) / (1 + d)
        stays = (delta + n) / (gamma + delta + n) * series
        value = model_with(parameters).p_alive(X)[0] * (alpha + 2) / (alpha + beta + n) * stays
        assert model_with(parameters).discounted_purchases(X, np.log1p(d))[0] == pytest.approx(value, rel=1e-9)


class TestLikelihood:
    @settings(deadline=None, max_examples=30)
    @given(st.tuples(logs, logs, logs, logs))
    def test_gradient_equals_finite_differences_and_the_sum_that_of_each(self, point: tuple[float, ...]) -> None:
        likelihood, parameters = likelihood_of(HISTORIES), np.exp(point)
        value, gradient = likelihood(parameters)
        for i, step in enumerate(1e-5 * np.diag(parameters)):
            slope = (likelihood(parameters + step)[0] - likelihood(parameters - step)[0]) / (2 * step[i])
            assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-6 / parameters[i])
        each = model_with(tuple(parameters)).log_likelihood(np.array(HISTORIES))
        assert value == pytest.approx(each.sum(), rel=1e-12)

    @pytest.mark.parametrize("log_scale", [-12, -6, 6, 12])
    @pytest.mark.parametrize("which", range(4))
    def test_nothing_is_nan_or_infinite_where_the_optimiser_may_go(self, which: int, log_scale: int) -> None:
        parameters = np.array(PUBLISHED)
        parameters[which] *= np.exp(log_scale)
        x = np.arange(0, 1001, 25)
        X = np.column_stack([np.tile(x, 2), np.r_[x, np.where(x > 0, 1000, 0)], np.full(2 * len(x), 1000)])
        value, gradient = likelihood_of(X)(parameters)
        assert np.isfinite([value, *gradient]).all()
        model = model_with(tuple(parameters))
        assert np.isfinite(model.expected_purchases(X, 52)).all()
        assert np.isfinite(model.discounted_purchases(X, 0.01)).all()
        assert ((model.p_alive(X) >= 0) & (model.p_alive(X) <= 1)).all()
        assert np.isfinite(model.count_probabilities(1000, 1000)).all()


class TestFit:
    def test_recovers_the_parameters_of_simulated_customers_within_their_standard_errors(self) -> None:
        truth = dict(zip(NAMES, (1.2, 0.8, 0.7, 2.8), strict=True))
        opportunities = np.random.default_rng(3).integers(3, 15, 30_000)
        X = BetaGeometricBetaBinomial.with_parameters(**truth).simulate(opportunities, random_state=4)
        model = BetaGeometricBetaBinomial().fit(X)
        for name, value in truth.items():
            assert model.parameters_[name] == pytest.approx(value, abs=3.5 * model.standard_errors_[name])
            assert model.standard_errors_[name] < 0.1 * value

    def test_the_order_of_rows_changes_no_bit(self) -> None:
        X = pd.DataFrame(model_with(PUBLISHED).simulate(np.tile([4, 9, 6], 500)))
        models = [BetaGeometricBetaBinomial().fit(data) for data in (X, X.sample(frac=1, random_state=3), X.to_numpy())]
        assert len({(*model.parameters_.values(), model.log_likelihood_) for model in models}) == 1

    def test_simulated_customers_are_those_that_the_model_expects(self) -> None:
        model = model_with(PUBLISHED)
        X = model.simulate(np.full(50_000, 6.0), random_state=1)
        frequency, recency = X["frequency"].astype(int), X["recency"].astype(int)
        histories = np.unique(np.column_stack([frequency, recency, np.full(50_000, 6)]), axis=0)
        assert len(histories) == 22
        ways = np.array([comb(last - 1, x - 1) if x else 1 for x, last, _ in histories])
        expected = 50_000 * ways * np.exp(model.log_likelihood(histories))
        seen = np.bincount(7 * frequency + recency)[7 * histories[:, 0] + histories[:, 1]]
        assert (np.abs(seen - expected) < 4 * np.sqrt(expected)).all()


class TestRefusals:
    @pytest.mark.parametrize(
        ("rows", "why"), [([(0, 0, 6), (0, 0, 5)], "took an opportunity"), ([(6, 6, 6), (2, 2, 2)], "pass")]
    )
    def test_too_little(self, rows: Any, why: str) -> None:
        with pytest.raises(InsufficientDataError, match=why):
            BetaGeometricBetaBinomial().fit(np.array(rows))

    @pytest.mark.parametrize(
        ("row", "why"),
        [
            ((1, 7, 6), "recency is greater than opportunities"),
            ((3, 2, 6), "contradict"),
            ((0, 2, 6), "contradict"),
            ((1, 1.5, 6), "recency is a count"),
            ((1, 1, np.nan), "opportunities is nan"),
        ],
    )
    def test_rows_that_cannot_be(self, row: tuple[float, ...], why: str) -> None:
        with pytest.raises(ModelError, match=why):
            model_with(PUBLISHED).p_alive(np.array([row]))

    @pytest.mark.parametrize(
        ("rate", "t"), [(0.0, np.inf), (1e-9, np.inf), (-0.1, 3), (np.nan, 3), (0.1, 2.5), (0.1, -1), (0.1, np.nan)]
    )
    def test_what_has_no_value(self, rate: float, t: float) -> None:
        with pytest.raises(ModelError, match=r"rate is|t is"):
            model_with(PUBLISHED).discounted_purchases(np.array(HISTORIES), rate, t)

    @pytest.mark.parametrize(
        ("ask", "why"),
        [
            (lambda model: model.expected_purchases(HISTORIES, 1e12), "t is 1000000000000.0; .* to 10,000,000"),
            (lambda model: model.expected_purchases_new(1e12), "t is 1000000000000.0; .* to 10,000,000"),
            (lambda model: model.discounted_purchases(HISTORIES, 1e-9, 1e12), "t is 1000000000000.0"),
            (lambda model: model.count_probabilities(1e12, 3), "t is 1000000000000.0"),
            (lambda model: model.count_probabilities(3, 1e12), "up_to is 1000000000000.0; .* to 10,000,000"),
            (lambda model: model.count_probabilities(1e6, 1e6), "a table of more than 100,000,000"),
            (lambda model: model.conditional_count_probabilities(HISTORIES, 1e12, 3), "t is 1000000000000.0"),
        ],
    )
    def test_a_series_without_an_end_is_refused_in_words(self, ask: Any, why: str) -> None:
        with pytest.raises(ModelError, match=why):
            ask(model_with(PUBLISHED))

    def test_what_is_discounted_to_nothing_need_not_be_counted(self) -> None:
        model, X = model_with(PUBLISHED), np.array(HISTORIES)
        np.testing.assert_array_equal(model.discounted_purchases(X, 0.1, 1e12), model.discounted_purchases(X, 0.1))

    def test_too_few_iterations_is_no_fit(self) -> None:
        X = model_with(PUBLISHED).simulate(np.full(500, 6.0))
        model = BetaGeometricBetaBinomial(max_iter=2)
        with pytest.raises(ConvergenceError, match="within 2 iterations"):
            model.fit(X)
        with pytest.raises(NotFittedError):
            model.p_alive(X)

    def test_customers_who_never_leave_have_no_maximum(self) -> None:
        random = np.random.default_rng(2)
        frequency = 1 + random.binomial(19, random.beta(1.2, 0.8, 2000))
        X = np.column_stack([frequency, np.full(2000, 20), np.full(2000, 20)])
        with pytest.raises(ConvergenceError, match=r"(gamma|delta).* runs away|is flat.*(gamma|delta)") as caught:
            BetaGeometricBetaBinomial().fit(X)
        assert caught.value.facts["model"] == "bgbb"
