"""Gamma-Gamma: what a customer spends per purchase, on average and in the long run.

Fader & Hardie (2013), "The Gamma-Gamma Model of Monetary Value". A customer's purchases are gamma distributed with
shape p and rate nu, and nu ~ Gamma(q, v) over customers; how much somebody spends is taken to be independent of how
often.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, gammaln

from ddcrm.errors import ModelError
from ddcrm.models.base import (
    Floats,
    Levels,
    LikelihoodModel,
    RandomState,
    check_frequency,
    columns_of,
    distinct_rows,
    invalid,
    levels_of,
    thinned_rows,
)
from ddcrm.models.optimise import Likelihood


class GammaGamma(LikelihoodModel):
    """Gamma-Gamma, fitted by maximum likelihood.

    X is a DataFrame, or a mapping of arrays, with the columns frequency (repeat purchases, whole numbers) and
    monetary_value (mean spend of the repeat purchases), or an (n, 2) array in this order. Customers with frequency 0
    or with a mean spend that is not positive (refunds) are outside the model: they take no part in the fit. Of the
    former nothing is known; the latter are expected to spend what the formula tends to as the mean spend goes to 0.
    monetary_value may be NaN where frequency is 0.

    Parameters: max_iter bounds the iterations of L-BFGS-B; tol is how much log-likelihood, summed over all
    customers, the result may miss at most.

    Learned: p_, q_, v_ (in the unit of money), mean_spend_ (of the population: p v / (q - 1)), n_excluded_ (rows
    that took no part, those of weight 0 among them) and what every LikelihoodModel learns.

    Where the fit ends at q <= 1 the population has no mean spend, and fit raises ModelError, as with_parameters does.
    """

    _model: ClassVar[str] = "gamma_gamma"
    _columns: ClassVar[tuple[str, ...]] = ("frequency", "monetary_value")
    _parameters: ClassVar[tuple[str, ...]] = ("p", "q", "v")

    p_: float
    q_: float
    v_: float
    n_excluded_: int

    def __init__(self, max_iter: int = 500, tol: float = 1e-8) -> None:
        self.max_iter = max_iter
        self.tol = tol

    @property
    def mean_spend_(self) -> float:
        """Expected spend per purchase of a customer of whom nothing is known: p v / (q - 1)."""
        p, q, v = self._fitted()
        return p * v / (q - 1)

    def log_likelihood(self, X: Any) -> Floats:
        """Log-likelihood of each customer's mean spend, shape (n,), 0 for those outside the model.

        Fader & Hardie (2013), the density of the mean z of x purchases. Raises ModelError for X that is
        not valid, sklearn's NotFittedError before fit.
        """
        p, q, v = self._fitted()
        frequency, spend = self._read(X)
        x, z = (column[_spenders(frequency, spend)] for column in (frequency, spend))
        value = np.zeros(len(frequency))
        value[_spenders(frequency, spend)] = (
            gammaln(p * x + q) - gammaln(p * x) - gammaln(q)
            - p * x * np.log1p(v / (x * z)) - q * np.log1p(x * z / v) - np.log(z)
        )  # fmt: skip
        return value

    def expected_spend(self, X: Any) -> Floats:
        """Expected mean spend per purchase in the long run, given the history, shape (n,).

        Fader & Hardie (2013): p (v + x z) / (p x + q - 1) for x purchases of mean z; z below 0 counts as 0, the
        population's mean where x = 0. Raises ModelError for X that is not valid, NotFittedError before fit.
        """
        p, q, v = self._fitted()
        frequency, spend = self._read(X)
        return p * (v + spent_again(frequency, spend)) / (p * frequency + q - 1)

    def simulate(self, frequency: ArrayLike, random_state: RandomState = 0) -> dict[str, Floats]:
        """Frequency and mean spend of customers who bought again `frequency` (n,) times, drawn from the model.

        monetary_value is NaN where frequency is 0. The same random_state (a seed, or a Generator that goes on) gives
        the same customers.
        """
        p, q, v = self._fitted()
        x, random = np.atleast_1d(np.asarray(frequency, dtype=np.float64)), np.random.default_rng(random_state)
        check_frequency(x, self._model)
        rate = random.gamma(q, 1 / v, len(x))
        total = random.standard_gamma(p * x) / rate
        return {"frequency": x, "monetary_value": np.where(x > 0, total / np.maximum(x, 1.0), np.nan)}

    def _read(self, X: Any) -> list[Floats]:
        frequency, spend = columns = columns_of(X, self._columns, self._model)
        check_frequency(frequency, self._model)
        unknown = ~np.isfinite(spend) & (frequency > 0)
        if unknown.any():
            row = int(np.argmax(unknown))
            raise invalid(self._model, f"monetary_value is {spend[row]} in row {row}, where frequency is not 0")
        return columns

    def _likelihood(self, columns: list[Floats], weight: Floats) -> tuple[Likelihood, list[Floats]]:
        seen = _taking_part(columns, weight)
        if np.count_nonzero(seen) < 2:
            raise self._insufficient("fewer than 2 customers bought again and spent more than nothing")
        frequency, spend = (column[seen] for column in columns)
        rows = distinct_rows([levels_of(frequency), levels_of(spend)])
        likelihood = GammaGammaLikelihood(rows.columns, rows.weights(weight[seen]))
        mean = float(np.sum(likelihood.weight * rows.columns[1].column)) / likelihood.total_weight
        return likelihood, [np.array([p, q, mean * (q - 1) / p]) for p, q in ((3.0, 3.0), (1.0, 10.0), (20.0, 5.0))]

    def _check(self, parameters: Floats) -> None:
        if parameters[1] <= 1:
            reason = f"q is {parameters[1]:.4g}, not above 1: spend varies so much that the population has no mean"
            raise ModelError("Expected spend is not defined", model=self._model, reason=reason)

    def _remember_rows(self, columns: list[Floats], weight: Floats) -> None:
        self.n_excluded_ = int(np.count_nonzero(~_taking_part(columns, weight)))


class GammaGammaLikelihood:
    """The summed log-likelihood and its gradient by (p, q, v), from sufficient statistics.

    Gamma functions are taken once for each distinct frequency; one logarithm is left for each distinct row.
    """

    def __init__(self, rows: Sequence[Levels], weight: Floats) -> None:
        """rows: frequency and mean spend of the distinct rows; weight: how many customers each stands for."""
        self.rows, self.weight = rows, weight
        self.total_weight = float(weight.sum())
        self.counts = rows[0].values
        self.weight_of_count = np.bincount(rows[0].codes, weight, len(self.counts))
        self.purchases = weight * rows[0].column
        self.total = rows[0].column * rows[1].column
        self.log_spend = float(np.sum(weight * np.log(rows[1].column)))
        self.log_total = float(np.sum(self.purchases * np.log(self.total)))

    def thinned(self) -> GammaGammaLikelihood | None:
        """The likelihood of a fair part of the rows; None where they are few."""
        part = thinned_rows(len(self.weight))
        if part is None:
            return None
        return GammaGammaLikelihood([column.at(part) for column in self.rows], self.weight[part])

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """The value, and the gradient by the parameters, shape (3,)."""
        p, q, v = parameters
        counted, by_p, by_q = self._counted(p, q)
        spread = np.log(v + self.total)
        each, all_purchases = np.einsum("i,i", self.weight, spread), np.einsum("i,i", self.purchases, spread)
        by_p += self.log_total - all_purchases
        by_q += self.total_weight * np.log(v) - each
        value = counted + p * (self.log_total - all_purchases) + q * (self.total_weight * np.log(v) - each)
        by_v = self.total_weight * q / v - np.einsum("i,i", p * self.purchases + q * self.weight, 1 / (v + self.total))
        return float(value - self.log_spend), np.array([by_p, by_q, by_v])

    def _counted(self, p: float, q: float) -> tuple[float, float, float]:
        """Gamma(px+q) / (Gamma(px) Gamma(q)), and its slopes by p and q."""
        x, weight = self.counts, self.weight_of_count
        value = np.sum(weight * (gammaln(p * x + q) - gammaln(p * x) - gammaln(q)))
        both = digamma(p * x + q)
        by_p = np.sum(weight * x * (both - digamma(p * x)))
        return float(value), float(by_p), float(np.sum(weight * (both - digamma(q))))


def spent_again(frequency: Floats, spend: Floats) -> Floats:
    """Money spent by all repeat purchases, (n,): frequency times mean spend, never below 0, and 0 where there is none.

    Refunds so take somebody down to the limit of the formula, and never back to the mean of the population.
    """
    return frequency * np.where(frequency > 0, np.maximum(spend, 0.0), 0.0)


def _spenders(frequency: Floats, spend: Floats) -> NDArray[np.bool_]:
    """The customers that the model is about."""
    return (frequency > 0) & (spend > 0)


def _taking_part(columns: Sequence[Floats], weight: Floats) -> NDArray[np.bool_]:
    """The rows that a fit learns from."""
    return _spenders(*columns) & (weight > 0)
