"""Pareto/NBD: how often customers who bought before will buy again, and whether they are still there.

Schmittlein, Morrison & Colombo (1987), Counting Your Customers, Management Science 33(1); formulas as in Fader & Hardie
(2005), "A Note on Deriving the Pareto/NBD Model and Related Expressions". A customer buys as a Poisson process with
rate lambda ~ Gamma(r, alpha), and leaves after a time that is exponential with rate mu ~ Gamma(s, beta).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma, gammaln

from ddcrm.models.base import Codes, Floats, Levels, RandomState, check_amounts, levels_of, thinned_rows
from ddcrm.models.btyd import check_discount, tenures_of
from ddcrm.models.covariate_model import CovariateModel
from ddcrm.models.dropout import Histories, dropout, dropout_slopes
from ddcrm.models.pareto_expectations import count_probabilities, discounted_if_alive, expected_if_alive

_SLOWEST = 1e-300  # a rate drawn below it may have become 0


class ParetoNBD(CovariateModel):
    """Pareto/NBD, fitted by maximum likelihood.

    X is a DataFrame, or a mapping of arrays, with the columns frequency (repeat purchases, whole numbers), recency
    (last less first purchase) and tenure (end of observation less first purchase), or an (n, 3) array in this order.
    Times are in any one unit; alpha_, beta_ and every `t` are in the same unit.

    Parameters: max_iter bounds the iterations of L-BFGS-B; tol is how much log-likelihood, summed over all
    customers, the result may miss at most; purchase_covariates and dropout_covariates name further columns of X, in an
    array after the three and in this order, each once. A customer of these covariates z has alpha exp(-gamma' z) for
    alpha, and beta exp(-gamma' z) for beta: a positive coefficient means to buy more often, or to leave sooner, and a
    unit more of a covariate multiplies the mean rate by exp(gamma).

    Learned: r_, alpha_, s_, beta_, purchase_coefficients_ and dropout_coefficients_ (by covariate) and what every
    LikelihoodModel learns. The same customers give the same bits in whatever order they come (as long as weights are
    whole numbers).

    Unlike BG/NBD a customer may have left before a second purchase: P(alive) is below 1 for everybody.
    """

    _model: ClassVar[str] = "pareto_nbd"
    _parameters: ClassVar[tuple[str, ...]] = ("r", "alpha", "s", "beta")
    _moves: ClassVar[Mapping[str, Mapping[str, int]]] = {"purchase": {"alpha": -1}, "dropout": {"beta": -1}}

    r_: float
    alpha_: float
    s_: float
    beta_: float

    def log_likelihood(self, X: Any) -> Floats:
        """Log-likelihood of each customer, shape (n,); Fader & Hardie (2005).

        Raises ModelError for X that is not valid, sklearn's NotFittedError before fit.
        """
        frequency, recency, tenure, *covariates = self._read(X)
        parameters = self._personal(covariates)
        known = _known(levels_of(frequency), recency, parameters)
        return known + dropout(_histories(frequency, recency, tenure, parameters)).log_total

    def p_alive(self, X: Any) -> Floats:
        """Probability that each customer is still there at the end of the tenure, shape (n,), in [0, 1].

        Fader & Hardie (2005). Raises ModelError for X that is not valid.
        """
        return self._alive(self._read(X))

    def expected_purchases(self, X: Any, t: float) -> Floats:
        """Expected purchases of each customer in the next `t` units of time, given the history, shape (n,).

        Fader & Hardie (2005). Raises ModelError for X or t that is not valid.
        """
        check_amounts(np.array([t], dtype=np.float64), "t", self._model)
        alive, ahead = self._outlook(X)
        return alive * expected_if_alive(ahead, np.float64(t))

    def expected_purchases_new(self, t: ArrayLike, covariates: Any = None) -> Floats:
        """Expected repeat purchases of a new customer in the first `t` units of time, the shape of t.

        Fader & Hardie (2005). covariates: of n new customers, if the model has any; t is a number or (n,) then,
        and so is the answer. Raises ModelError for a negative t.
        """
        times = np.asarray(t, dtype=np.float64)
        check_amounts(times.ravel(), "t", self._model)
        return expected_if_alive(self._newcomers(covariates), times)

    def discounted_purchases(self, X: Any, rate: float, t: float = np.inf) -> Floats:
        """Expected purchases of each customer in the next `t` units, each discounted to now, shape (n,).

        Over all future, the default, it is DERT, the discounted expected residual transactions; Fader, Hardie & Lee
        (2005), RFM and CLV, Journal of Marketing Research 42(4). rate: of continuous discount in one unit of time.
        Raises ModelError for X, rate or t that is not valid; without a rate t must be finite.
        """
        check_discount(rate, t, self._model)
        alive, ahead = self._outlook(X)
        return alive * (discounted_if_alive(ahead, rate, t) if rate > 0 else expected_if_alive(ahead, t))

    def simulate(self, tenure: ArrayLike, random_state: RandomState = 0, covariates: Any = None) -> dict[str, Floats]:
        """Frequency, recency and tenure of customers who were observed for `tenure`, drawn from the model, (n,) each.

        The same random_state (a seed, or a Generator that goes on) gives the same customers. covariates: of these
        customers, if the model has any; they are part of the answer then.
        """
        ages, random = tenures_of(tenure, self._model), np.random.default_rng(random_state)
        r, alpha, s, beta = self._newcomers(covariates, len(ages))
        rate, leaving = random.gamma(r, 1 / alpha, len(ages)), random.gamma(s, 1 / beta, len(ages))
        there = np.minimum(random.standard_exponential(len(ages)) / np.maximum(leaving, _SLOWEST), ages)
        frequency = random.poisson(rate * there).astype(np.float64)
        latest = random.random(len(ages)) ** (1 / np.maximum(frequency, 1))  # the greatest of x uniform numbers
        recency = np.where(frequency > 0, latest * there, 0.0)
        return {"frequency": frequency, "recency": recency, "tenure": ages} | self._columns_beside(covariates)

    def _outlook(self, X: Any) -> tuple[Floats, tuple[Any, ...]]:
        """P(alive), and the parameters of each customer as a new one who is there at the end of the tenure."""
        frequency, _, tenure, *covariates = columns = self._read(X)
        return self._alive(columns), self._posterior(frequency, tenure, self._personal(covariates))

    def _alive(self, columns: list[Floats]) -> Floats:
        frequency, recency, tenure, *covariates = columns
        found = dropout(_histories(frequency, recency, tenure, self._personal(covariates)))
        return np.minimum(np.exp(found.log_alive - found.log_total), 1.0)

    def _posterior(self, frequency: Floats, tenure: Floats, parameters: tuple[Any, ...]) -> tuple[Any, ...]:
        r, alpha, s, beta = parameters
        return r + frequency, alpha + tenure, s, beta + tenure

    def _count_probabilities(self, t: float, counts: Floats, parameters: tuple[Any, ...], new: bool) -> Floats:
        return count_probabilities(t, counts, parameters)

    def _row_likelihood(self, rows: Sequence[Levels], weight: Floats) -> ParetoNbdLikelihood:
        return ParetoNbdLikelihood(rows, weight)

    def _starts(self, purchases: float, time: float, customers: float) -> list[Floats]:
        pace, span = time / purchases, time / customers
        shapes = ((0.5, 0.5), (0.2, 0.2), (3.0, 1.0), (1.0, 5.0))
        return [np.array([r, r * pace, s, s * span]) for r, s in shapes]


class ParetoNbdLikelihood:
    """The summed log-likelihood and its gradient by (r, alpha, s, beta).

    Gamma functions are taken once for each distinct frequency; each distinct (frequency, recency, tenure) takes one
    quadrature, whose nodes serve the value and the gradient.
    """

    def __init__(self, rows: Sequence[Levels], weight: Floats) -> None:
        """rows: frequency, recency and tenure of the distinct rows; weight: how many customers each stands for."""
        self.rows, self.row_weight = rows, weight
        self.total_weight = float(weight.sum())
        self.frequency, self.recency, self.tenure = (column.column for column in rows)

    def thinned(self) -> ParetoNbdLikelihood | None:
        """The likelihood of a fair part of the rows; None where they are few."""
        part = thinned_rows(len(self.row_weight))
        return None if part is None else self.at(part)

    def at(self, part: Codes) -> ParetoNbdLikelihood:
        """The likelihood of some of the rows."""
        return ParetoNbdLikelihood([column.at(part) for column in self.rows], self.row_weight[part])

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """The value, and the gradient by the parameters, shape (4,)."""
        value, slopes = self.by_row(tuple(parameters))
        gradient = np.einsum("i,ki->k", self.row_weight, slopes) / parameters
        return float(np.einsum("i,i", self.row_weight, value)), gradient

    def by_row(self, parameters: tuple[Any, ...]) -> tuple[Floats, Floats]:
        """The value of each distinct row, (n,), and its gradient by the logarithms of the parameters, (4, n).

        parameters: r and s are numbers, alpha and beta numbers or (n,).
        """
        r, alpha, s, beta = parameters
        count = self.rows[0]
        rows = _histories(self.frequency, self.recency, self.tenure, parameters)
        found, mean = dropout_slopes(rows)
        rising = (digamma(r + count.values) - digamma(r))[count.codes]
        by_r = r * (rising - np.log1p(self.recency / alpha) - mean.log_a)
        by_alpha = r - rows.power * alpha * mean.per_a
        by_s = found.gone - s * (np.log1p(self.recency / beta) + mean.log_b)
        by_beta = s - beta * (s * mean.per_b + mean.gone_per_b)
        return _known(count, self.recency, parameters) + found.log_total, np.array([by_r, by_alpha, by_s, by_beta])


def _histories(frequency: Floats, recency: Floats, tenure: Floats, parameters: tuple[Any, ...]) -> Histories:
    r, alpha, s, beta = parameters
    return Histories(r + frequency, s, alpha + recency, beta + recency, np.maximum(tenure - recency, 0.0))


def _known(count: Levels, recency: Floats, parameters: tuple[Any, ...]) -> Floats:
    """Log-likelihood of the purchases, and of being there, until the last one: what stands before the integral."""
    r, alpha, s, beta = parameters
    rising = (gammaln(r + count.values) - gammaln(r))[count.codes]
    bought = r * np.log1p(recency / alpha) + count.column * np.log(alpha + recency)
    return rising - bought - s * np.log1p(recency / beta)
