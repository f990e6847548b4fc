"""Covariates of Pareto/NBD and BG/NBD, against the plain models of each kind of customer and simulated truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.base import clone

from ddcrm.errors import ConvergenceError, ModelError
from ddcrm.models import MBGNBD, BetaGeoNBD, ParetoNBD, dumps, loads
from ddcrm.models.covariate_model import CovariateModel

Floats = NDArray[np.float64]

COLUMNS = ["frequency", "recency", "tenure"]
BOTH: dict[str, Any] = {"purchase_covariates": ("loyal", "age"), "dropout_covariates": ("loyal",)}
TRUTH = {
    ParetoNBD: {"r": 0.8, "alpha": 6.0, "s": 0.9, "beta": 12.0},
    BetaGeoNBD: {"r": 0.8, "alpha": 6.0, "a": 1.2, "b": 3.0},
    MBGNBD: {"r": 0.8, "alpha": 6.0, "a": 1.2, "b": 5.0},
}
SIGNS = {"alpha": -1, "beta": -1, "a": 1, "b": 1}
PURCHASE, DROPOUT = {"loyal": 0.7, "age": -0.25}, {"loyal": -0.5}
KINDS = list(TRUTH)


def truth(kind: type[CovariateModel]) -> CovariateModel:
    """A model with covariates that knows the true parameters."""
    coefficients = {f"purchase_{name}": value for name, value in PURCHASE.items()}
    coefficients |= {f"dropout_{name}": value for name, value in DROPOUT.items()}
    return kind.with_parameters(**TRUTH[kind], **coefficients)


def covariates(n: int) -> pd.DataFrame:
    random = np.random.default_rng(9)
    return pd.DataFrame({"loyal": random.integers(0, 2, n), "age": random.integers(2, 7, n) + 40.0})


def customers(kind: type[CovariateModel], n: int, seed: int = 1) -> pd.DataFrame:
    tenure = np.linspace(40, 120, n)
    return pd.DataFrame(truth(kind).simulate(tenure, seed, covariates(n).assign(age=lambda frame: frame["age"] - 44)))


def dated(kind: type[CovariateModel], effect: float) -> pd.DataFrame:
    """Customers who buy more often the later the year (since 2024) in which they came; some are loyal."""
    known = pd.DataFrame({"since": np.arange(3000) % 3.0})
    model = kind.with_parameters(**TRUTH[kind], purchase_since=effect)
    X = pd.DataFrame(model.simulate(np.linspace(40, 120, 3000), 5, known))
    return X.assign(year=X["since"] + 2024, loyal=np.arange(3000) % 2.0)


def plain(kind: type[CovariateModel], loyal: float, age: float) -> CovariateModel:
    """The plain model of one kind of customer."""
    bought = PURCHASE["loyal"] * loyal + PURCHASE["age"] * age
    shift = {name: bought if name == "alpha" else DROPOUT["loyal"] * loyal for name in SIGNS}
    parameters = TRUTH[kind].items()
    return kind.with_parameters(**{name: v * np.exp(SIGNS.get(name, 0) * shift.get(name, 0)) for name, v in parameters})


QUESTIONS = {
    "log_likelihood": lambda model, X: model.log_likelihood(X),
    "p_alive": lambda model, X: model.p_alive(X),
    "expected_purchases": lambda model, X: model.expected_purchases(X, 52.0),
    "discounted_purchases": lambda model, X: model.discounted_purchases(X, 0.002, 52.0),
    "dert": lambda model, X: model.discounted_purchases(X, 0.002),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("question", QUESTIONS)
def test_each_kind_of_customer_is_answered_as_by_its_own_plain_model(kind: type[CovariateModel], question: str) -> None:
    X, ask = customers(kind, 300), QUESTIONS[question]
    found = pd.Series(ask(truth(kind), X), X.index)
    for (loyal, age), group in X.groupby(["loyal", "age"]):
        expected = ask(plain(kind, loyal, age), group[COLUMNS])
        np.testing.assert_allclose(found[group.index], expected, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_new_customers_are_answered_by_their_covariates(kind: type[CovariateModel]) -> None:
    new = pd.DataFrame({"age": [0.0, 2.0, 0.0], "loyal": [1, 0, 1]})
    purchases, counts = truth(kind).expected_purchases_new(30.0, new), truth(kind).count_probabilities(30.0, 4, new)
    assert counts.shape == (3, 5)
    for i, row in enumerate(new.itertuples()):
        alone = plain(kind, row.loyal, row.age)
        assert purchases[i] == pytest.approx(alone.expected_purchases_new(30.0), rel=1e-8)
        assert counts[i] == pytest.approx(alone.count_probabilities(30.0, 4), rel=1e-9)
    np.testing.assert_array_equal(truth(kind).expected_purchases_new(30.0, new[["loyal", "age"]].to_numpy()), purchases)


def test_customers_who_differ_in_dropout_alone_and_in_extremes() -> None:
    random = np.random.default_rng(3)
    X = pd.DataFrame({"frequency": random.integers(0, 300, 400), "recency": 0.0, "tenure": 40.0, "z": 0.0})
    X["recency"], X["z"] = np.where(X["frequency"] > 0, 30.0, 0.0), random.normal(0, 3, 400)
    model = BetaGeoNBD.with_parameters(r=0.3, alpha=4.0, a=0.4, b=1.5, dropout_z=1.0)
    for t in (0.5, 52.0, 4000.0):
        found = model.expected_purchases(X, t)
        for i in range(0, 400, 40):
            scale = np.exp(X["z"][i])
            alone = BetaGeoNBD.with_parameters(r=0.3, alpha=4.0, a=0.4 * scale, b=1.5 * scale)
            assert found[i] == pytest.approx(alone.expected_purchases(X[COLUMNS].iloc[[i]], t)[0], rel=1e-7)


class TestFit:
    @pytest.mark.parametrize("kind", [ParetoNBD, BetaGeoNBD])
    def test_recovers_the_coefficients_of_simulated_customers(self, kind: type[CovariateModel]) -> None:
        X = customers(kind, 60_000, seed=4)
        model = kind(**BOTH).fit(X)
        wanted = TRUTH[kind] | {f"purchase_{name}": value for name, value in PURCHASE.items()}
        wanted |= {f"dropout_{name}": value for name, value in DROPOUT.items()}
        errors = model.standard_errors_
        assert list(model.parameters_) == list(wanted) == list(errors)
        for name, value in wanted.items():
            assert abs(model.parameters_[name] - value) < 3 * errors[name], name
        assert model.purchase_coefficients_ == pytest.approx(PURCHASE, abs=0.05)
        assert model.dropout_coefficients_ == pytest.approx(DROPOUT, abs=0.15)
        assert model.log_likelihood_ == pytest.approx(model.log_likelihood(X).sum(), rel=1e-12)
        assert model.log_likelihood_ > kind().fit(X).log_likelihood_ + 100

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_gradient_equals_finite_differences(self, kind: type[CovariateModel]) -> None:
        X, model = customers(kind, 200), kind(**BOTH)
        likelihood, _ = model._likelihood(model._read(X), np.linspace(0.5, 2, 200))
        for log_scale in (0.0, 0.8):
            point = np.array([*TRUTH[kind].values(), 1.9, 0.8, 0.6]) * np.exp(log_scale)
            _, gradient = likelihood(point)
            for i, step in enumerate(1e-5 * np.diag(point)):
                slope = (likelihood(point + step)[0] - likelihood(point - step)[0]) / (2 * step[i])
                assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-5)

    @pytest.mark.parametrize("kind", [ParetoNBD, BetaGeoNBD])
    def test_the_covariance_is_the_inverse_of_the_observed_information(self, kind: type[CovariateModel]) -> None:
        X = customers(kind, 1500).assign(age=lambda frame: frame["age"] + 10)  # the search has it around 0
        model = kind(**BOTH).fit(X)
        names, top = list(model.parameters_), np.array(list(model.parameters_.values()))
        steps = np.where(np.arange(7) < 4, 2e-3 * top, [0] * 4 + [2e-3, 2e-4, 2e-3])
        hessian = np.array([[self.mixed(model, X, names, top, steps, i, j) for j in range(7)] for i in range(7)])
        wanted = np.linalg.inv(-hessian)
        scale = np.sqrt(np.outer(np.diag(wanted), np.diag(wanted)))
        np.testing.assert_allclose(model.vcov_ / scale, wanted / scale, atol=0.01)

    @staticmethod
    def mixed(model: Any, X: Any, names: list[str], top: Floats, steps: Floats, i: int, j: int) -> float:
        """A second difference of the log-likelihood, by parameters and coefficients themselves."""
        total = 0.0
        for s, t in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            point = dict(
                zip(names, top + s * steps * (np.arange(7) == i) + t * steps * (np.arange(7) == j), strict=True)
            )
            moved = type(model).with_parameters(**point)
            total += s * t * moved.log_likelihood(X).sum()
        return total / (4 * steps[i] * steps[j])

    @pytest.mark.parametrize("kind", [ParetoNBD, BetaGeoNBD])
    def test_without_covariates_it_is_the_plain_model(self, kind: type[CovariateModel]) -> None:
        X = customers(kind, 800)
        empty, none = kind(purchase_covariates=[], dropout_covariates=[]).fit(X), kind().fit(X[COLUMNS])
        assert empty.parameters_ == none.parameters_
        assert (empty.purchase_coefficients_, empty.dropout_coefficients_) == ({}, {})
        np.testing.assert_array_equal(empty.vcov_, none.vcov_)

    def test_a_covariate_that_moves_nothing_has_a_coefficient_around_zero(self) -> None:
        X = customers(BetaGeoNBD, 4000).assign(noise=np.random.default_rng(8).normal(0, 1, 4000))
        model = BetaGeoNBD(purchase_covariates=["noise"]).fit(X)
        low, high = model.confidence_intervals(0.999)["purchase_noise"]
        assert low < 0 < high
        value, error = model.parameters_["purchase_noise"], model.standard_errors_["purchase_noise"]
        assert (low + high) / 2 == pytest.approx(value)
        assert (high - low) / 2 == pytest.approx(3.2905 * error, rel=1e-4)

    def test_the_scale_and_the_origin_of_a_covariate_do_not_matter(self) -> None:
        X = customers(ParetoNBD, 1500)
        a = ParetoNBD(**BOTH).fit(X)
        b = ParetoNBD(**BOTH).fit(X.assign(age=X["age"] * 1000 + 7000))
        assert b.log_likelihood_ == pytest.approx(a.log_likelihood_, abs=1e-6)
        assert b.purchase_coefficients_["age"] * 1000 == pytest.approx(a.purchase_coefficients_["age"], rel=1e-5)
        assert b.alpha_ * np.exp(-7 * a.purchase_coefficients_["age"]) == pytest.approx(a.alpha_, rel=1e-5)

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_year_is_answered_as_the_years_since_another(self, kind: type[CovariateModel]) -> None:
        X = dated(kind, 0.1)
        since, year = ({"purchase_covariates": (name,)} for name in ("since", "year"))
        a, b = kind(**since).fit(X), kind(**year).fit(X)
        assert np.log(b.alpha_ / a.alpha_) == pytest.approx(2024 * b.purchase_coefficients_["year"], rel=1e-9)
        assert abs(np.log(b.alpha_)) > 150
        assert b.log_likelihood(X).sum() == pytest.approx(b.log_likelihood_, rel=1e-12)
        assert np.isfinite(b.vcov_).all()
        assert b.standard_errors_["purchase_year"] == pytest.approx(a.standard_errors_["purchase_since"], rel=1e-5)
        again = kind.with_parameters(**b.parameters_)
        for question, ask in QUESTIONS.items():
            expected = ask(a, X)
            np.testing.assert_allclose(ask(b, X), expected, rtol=1e-5, err_msg=question)
            np.testing.assert_array_equal(ask(again, X), ask(b, X), err_msg=question)

    @pytest.mark.parametrize("kind", [ParetoNBD, BetaGeoNBD])
    @pytest.mark.parametrize(("origin", "effect"), [(2024, 0.5), (1e6, 0.3), (1e8, 0.3)])
    def test_an_origin_too_far_away_is_no_fit(self, kind: type[CovariateModel], origin: float, effect: float) -> None:
        X = dated(kind, effect).assign(year=lambda frame: frame["since"] + origin)
        model = kind(purchase_covariates=("year",), dropout_covariates=("loyal",))
        why = rf"covariate year is so far from 0 .* Subtract {X['year'].mean():.6g}".replace("+", r"\+")
        with pytest.raises(ConvergenceError, match=why):
            model.fit(X)
        assert vars(model) == model.get_params()

    def test_order_kind_and_weight_of_rows(self) -> None:
        X = customers(ParetoNBD, 600)
        model = ParetoNBD(**BOTH).fit(X)
        shuffled = X.sample(frac=1, random_state=3)
        again = ParetoNBD(**BOTH).fit(shuffled[[*COLUMNS, "loyal", "age"]].to_numpy())
        assert again.parameters_ == model.parameters_
        twice = ParetoNBD(**BOTH).fit(X, sample_weight=np.full(len(X), 2.0))
        assert twice.parameters_ == pytest.approx(model.parameters_, rel=1e-3)
        assert model.n_features_in_ == 5
        assert model.feature_names_in_.tolist() == [*COLUMNS, "loyal", "age"]

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("kind", KINDS)
    def test_is_finite_wherever_the_optimiser_goes(self, kind: type[CovariateModel]) -> None:
        X, model, random = customers(kind, 300), kind(**BOTH), np.random.default_rng(2)
        X.loc[0, "age"] = 1e4  # far from all others
        likelihood, starts = model._likelihood(model._read(X), np.ones(300))
        for _ in range(40):
            value, gradient = likelihood(starts[0] * np.exp(random.uniform(-12, 12, 7)))
            assert np.isfinite([value, *gradient]).all()


class TestObject:
    @pytest.mark.parametrize("kind", KINDS)
    def test_is_cloned_and_kept(self, kind: type[CovariateModel]) -> None:
        X = customers(kind, 800)
        model = kind(**BOTH).fit(X)
        assert clone(model).get_params() == model.get_params()
        again = loads(dumps(model))
        assert again.get_params() == model.get_params()
        assert again.parameters_ == model.parameters_
        np.testing.assert_array_equal(again.expected_purchases(X, 9.0), model.expected_purchases(X, 9.0))

    @pytest.mark.parametrize("kind", KINDS)
    def test_is_made_of_its_parameters_again(self, kind: type[CovariateModel]) -> None:
        model = truth(kind)
        assert model.get_params() == kind(**BOTH).get_params()
        assert (model.purchase_coefficients_, model.dropout_coefficients_) == (PURCHASE, DROPOUT)
        assert kind.with_parameters(**model.parameters_).parameters_ == model.parameters_
        for wrong, why in (({"purchase_z": np.nan}, "purchase_z is nan"), ({"bought_z": 1.0}, "its parameters are")):
            with pytest.raises(ModelError, match=why):
                kind.with_parameters(**TRUTH[kind], **wrong)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize(
        "change",
        [
            {"purchase_covariates": ()},
            {"purchase_covariates": ("q",)},
            {"purchase_covariates": ("age", "loyal")},
            {"dropout_covariates": ("age",)},
        ],
    )
    def test_covariates_that_are_changed_after_the_fit_are_not_answered(
        self, kind: type[CovariateModel], change: dict[str, Any]
    ) -> None:
        X = customers(kind, 400).assign(q=np.arange(400) % 3)
        model = kind(**BOTH).fit(X)
        before = model.p_alive(X)
        model.set_params(**change)
        new = covariates(3).assign(q=1.0)
        for ask in (lambda: model.parameters_, lambda: model.standard_errors_, lambda: model.p_alive(X),
                    lambda: model.expected_purchases(X, 9.0), lambda: model.expected_purchases_new(9.0, new),
                    lambda: model.simulate(np.ones(3), covariates=new)):  # fmt: skip
            with pytest.raises(ModelError, match=r"fitted with other covariates .* Fit it again"):
                ask()
        np.testing.assert_array_equal(model.set_params(**BOTH).p_alive(X), before)
        model.set_params(**change).fit(X)
        assert len(model.parameters_) == 4 + len(model.purchase_covariates) + len(model.dropout_covariates)

    def test_simulated_customers_bring_their_covariates(self) -> None:
        assert list(customers(ParetoNBD, 5)) == [*COLUMNS, "loyal", "age"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"loyal": np.nan}, "the covariate loyal is nan in row 0"),
            ({"loyal": "yes"}, "loyal is not a column of numbers"),
            ({"loyal": 1}, "the covariate loyal is the same for all"),
            ({"loyal": 0.1}, "the covariate loyal is the same for all"),
            ({"loyal": 1e12 + np.arange(50) % 2}, "loyal varies too little .* Subtract 1e"),
        ],
    )
    def test_covariates_that_cannot_be(self, change: dict[str, Any], why: str) -> None:
        with pytest.raises(ModelError, match=why):
            ParetoNBD(**BOTH).fit(customers(ParetoNBD, 50).assign(**change))

    @pytest.mark.parametrize("names", ["loyal", ("loyal", "loyal"), ("tenure",)])
    def test_names_that_cannot_be(self, names: Any) -> None:
        with pytest.raises(ModelError, match="purchase_covariates is"):
            ParetoNBD(purchase_covariates=names).fit(customers(ParetoNBD, 50))

    def test_a_column_that_is_not_there(self) -> None:
        with pytest.raises(ModelError, match="no column age"):
            truth(ParetoNBD).p_alive(customers(ParetoNBD, 50).drop(columns="age"))

    def test_new_customers_of_whom_nothing_is_known(self) -> None:
        for ask in (lambda model: model.expected_purchases_new(1.0), lambda model: model.simulate([1.0])):
            with pytest.raises(ModelError, match="covariates of the new customers are needed: loyal, age"):
                ask(truth(BetaGeoNBD))
        with pytest.raises(ModelError, match="covariates has 2 rows, tenure 3"):
            truth(BetaGeoNBD).simulate(np.ones(3), covariates=covariates(2))
