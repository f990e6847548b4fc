"""BG/NBD: how often customers who bought before will buy again, and whether they are still there.

Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2). A customer buys as a
Poisson process with rate lambda ~ Gamma(r, alpha), and after each repeat purchase leaves with probability
p ~ Beta(a, b).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, expit, gammaln

from ddcrm.models.base import (
    Floats,
    Levels,
    LikelihoodModel,
    check_amounts,
    check_frequency,
    check_times,
    columns_of,
    distinct_rows,
    levels_of,
    thinned_rows,
)
from ddcrm.models.beta import beta_nodes
from ddcrm.models.optimise import Likelihood

_BLOCK = 4096  # customers in one go: the block times the nodes stays in the processor's cache


class BetaGeoNBD(LikelihoodModel):
    """BG/NBD, fitted by maximum likelihood.

    X is a DataFrame, or a mapping of arrays, with the columns frequency (repeat purchases, whole numbers), recency
    (last less first purchase) and tenure (end of observation less first purchase), or an (n, 3) array in this order.
    Times are in any one unit; alpha_ and every `t` are in the same unit.

    Parameters: max_iter bounds the iterations of L-BFGS-B; tol is how much log-likelihood, summed over all
    customers, the result may miss at most.

    Learned: r_, alpha_, a_, b_, log_likelihood_ (summed), converged_, n_iter_, message_, n_features_in_ and, for
    named columns, feature_names_in_. The same customers give the same bits in whatever order
    they come (as long as weights are whole numbers).

    A customer without a repeat purchase has P(alive) = 1: the model lets nobody leave before a second purchase.
    """

    _model: ClassVar[str] = "bgnbd"
    _columns: ClassVar[tuple[str, ...]] = ("frequency", "recency", "tenure")
    _parameters: ClassVar[tuple[str, ...]] = ("r", "alpha", "a", "b")

    r_: float
    alpha_: float
    a_: float
    b_: float

    def __init__(self, max_iter: int = 500, tol: float = 1e-8) -> None:
        self.max_iter = max_iter
        self.tol = tol

    def log_likelihood(self, X: Any) -> Floats:
        """Log-likelihood of each customer, shape (n,); Fader, Hardie & Lee (2005), eq. 6.

        Raises ModelError for X that is not valid, sklearn's NotFittedError before fit.
        """
        r, alpha, a, b = self._fitted()
        frequency, recency, tenure = self._read(X)
        counts = levels_of(frequency)
        dead = _log_odds_dead(frequency, recency, tenure, (r, alpha, a, b))
        counted = _log_rising(r, counts.values) + _log_rising(b, counts.values) - _log_rising(a + b, counts.values)
        timed = r * np.log1p(tenure / alpha) + frequency * np.log(alpha + tenure)
        return counted[counts.codes] - timed + np.logaddexp(0.0, dead)

    def p_alive(self, X: Any) -> Floats:
        """Probability that each customer is still there at the end of the tenure, shape (n,), in [0, 1].

        1 / (1 + a / (b+x-1) * ((alpha+T) / (alpha+t_x))^(r+x)), and 1 where x = 0; Fader, Hardie & Lee (2008),
        Computing P(alive) Using the BG/NBD Model.
        """
        frequency, recency, tenure = self._read(X)
        return expit(-_log_odds_dead(frequency, recency, tenure, self._fitted()))

    def expected_purchases(self, X: Any, t: float) -> Floats:
        """Expected purchases of each customer in the next `t` units of time, given the history, shape (n,).

        Fader, Hardie & Lee (2005), eq. 10, with its 2F1 as Euler's integral, see `_expected_if_alive`.
        Raises ModelError for X or t that is not valid.
        """
        r, alpha, a, b = self._fitted()
        frequency, recency, tenure = self._read(X)
        check_amounts(np.array([t], dtype=np.float64), "t", self._model)
        pairs = distinct_rows([levels_of(frequency), levels_of(tenure)])
        counts, ages = pairs.columns
        ahead = _expected_if_alive(counts, t / (alpha + ages.column), (r, alpha, a, b))
        alive = expit(-_log_odds_dead(frequency, recency, tenure, (r, alpha, a, b)))
        return alive * ahead[pairs.inverse]

    def expected_purchases_new(self, t: ArrayLike) -> Floats:
        """Expected repeat purchases of a new customer in the first `t` units of time, the shape of t.

        Fader, Hardie & Lee (2005), eq. 9. Raises ModelError for a negative t.
        """
        r, alpha, a, b = self._fitted()
        times = np.asarray(t, dtype=np.float64)
        check_amounts(times.ravel(), "t", self._model)
        nobody = Levels(np.zeros(1), np.zeros(times.size, dtype=np.intp))
        return _expected_if_alive(nobody, times.ravel() / alpha, (r, alpha, a, b)).reshape(times.shape)

    def _read(self, X: Any) -> list[Floats]:
        frequency, recency, tenure = columns = columns_of(X, self._columns, self._model)
        check_frequency(frequency, self._model)
        check_times(frequency, recency, tenure, self._model)
        return columns

    def _likelihood(self, columns: list[Floats], weight: Floats) -> tuple[Likelihood, list[Floats]]:
        rows = distinct_rows([levels_of(column) for column in columns])
        likelihood = BgNbdLikelihood(rows.columns, rows.weights(weight))
        purchases = float(np.sum(likelihood.weight_of_count * likelihood.counts))
        time = float(np.sum(likelihood.weight_of_age * likelihood.ages))
        if purchases == 0:
            raise self._insufficient("no customer bought again")
        if time == 0:
            raise self._insufficient("no customer was observed for any time")
        pace = time / purchases  # with alpha = r * pace the model buys as often as the customers did
        shapes = ((0.5, 1.0, 3.0), (0.1, 0.5, 1.0), (3.0, 0.3, 5.0))
        return likelihood, [np.array([r, r * pace, a, b]) for r, a, b in shapes]


class BgNbdLikelihood:
    """The summed log-likelihood and its gradient by (r, alpha, a, b), from sufficient statistics.

    Gamma functions are taken once for each distinct frequency, logarithms once for each distinct time. What is left
    for each distinct (frequency, recency, tenure) with a repeat purchase is the logarithm of eq. 6's sum.
    """

    def __init__(self, rows: Sequence[Levels], weight: Floats) -> None:
        """rows: frequency, recency and tenure of the distinct rows; weight: how many customers each stands for."""
        self.rows, self.row_weight = rows, weight
        self.total_weight = float(weight.sum())
        self.counts, self.ages = rows[0].values, rows[2].values
        self.weight_of_count = np.bincount(rows[0].codes, weight, len(self.counts))
        self.weight_of_age = np.bincount(rows[2].codes, weight, len(self.ages))
        self.purchases_of_age = np.bincount(rows[2].codes, weight * rows[0].column, len(self.ages))
        again = np.flatnonzero(rows[0].column > 0)
        self.count, self.last, self.age = (column.at(again) for column in rows)
        self.weight, self.frequency = weight[again], self.count.column

    def thinned(self) -> BgNbdLikelihood | None:
        """The likelihood of a fair part of the rows; None where they are few."""
        part = thinned_rows(len(self.row_weight))
        if part is None:
            return None
        return BgNbdLikelihood([column.at(part) for column in self.rows], self.row_weight[part])

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """The value, and the gradient by the parameters, shape (4,)."""
        r, alpha, a, b = parameters
        counted, by_count = self._counted(r, a, b)
        timed, by_time = self._timed(r, alpha)
        left, by_left = self._left(r, alpha, a, b)
        return counted + timed + left, by_count + by_time + by_left

    def _counted(self, r: float, a: float, b: float) -> tuple[float, Floats]:
        """Gamma(r+x)/Gamma(r) * B(a, b+x)/B(a, b)."""
        x, weight = self.counts, self.weight_of_count
        value = np.sum(weight * (_log_rising(r, x) + _log_rising(b, x) - _log_rising(a + b, x)))
        by_r, by_b, by_sum = (np.sum(weight * _slope_rising(z, x)) for z in (r, b, a + b))
        return float(value), np.array([by_r, 0.0, -by_sum, by_b - by_sum])

    def _timed(self, r: float, alpha: float) -> tuple[float, Floats]:
        """alpha^r / (alpha+T)^(r+x)."""
        age, weight, purchases = alpha + self.ages, self.weight_of_age, self.purchases_of_age
        shrink = np.sum(weight * np.log1p(self.ages / alpha))
        value = -r * shrink - np.sum(purchases * np.log(age))
        by_alpha = np.sum((r * weight * self.ages / alpha - purchases) / age)
        return float(value), np.array([-shrink, by_alpha, 0.0, 0.0])

    def _left(self, r: float, alpha: float, a: float, b: float) -> tuple[float, Floats]:
        """1 + the odds of having left at the last purchase: the sum of eq. 6 divided by its first term."""
        last, age = alpha + self.last.values, alpha + self.age.values
        idle = np.log(age)[self.age.codes] - np.log(last)[self.last.codes]
        power, dropout = r + self.frequency, b - 1 + np.maximum(self.counts, 1.0)
        odds = (np.log(a) - np.log(dropout))[self.count.codes] + power * idle
        small = np.exp(-np.abs(odds))
        value = np.einsum("i,i", self.weight, np.maximum(odds, 0.0) + np.log1p(small))
        share = self.weight * np.where(odds > 0, 1.0, small) / (1.0 + small)
        by_count = np.bincount(self.count.codes, share, len(self.counts))
        slope = (1 / age)[self.age.codes] - (1 / last)[self.last.codes]
        by_r, by_alpha = np.einsum("i,i", share, idle), np.einsum("i,i,i", share, power, slope)
        return float(value), np.array([by_r, by_alpha, by_count.sum() / a, -np.sum(by_count / dropout)])


def _log_rising(z: float, x: Floats) -> Floats:
    """log of Gamma(z+x) / Gamma(z)."""
    return gammaln(z + x) - gammaln(z)


def _slope_rising(z: float, x: Floats) -> Floats:
    """Derivative of `_log_rising` by z."""
    return digamma(z + x) - digamma(z)


def _log_odds_dead(frequency: Floats, recency: Floats, tenure: Floats, parameters: tuple[float, ...]) -> Floats:
    """log of P(left) / P(alive): a / (b+x-1) * ((alpha+T) / (alpha+t_x))^(r+x); minus infinity where x = 0."""
    r, alpha, a, b = parameters
    idle = np.log1p(np.maximum(tenure - recency, 0.0) / (alpha + recency))
    odds = np.log(a) - np.log(np.maximum(frequency - 1, 0.0) + b) + (r + frequency) * idle
    return np.where(frequency > 0, odds, -np.inf)


def _expected_if_alive(counts: Levels, horizon: Floats, parameters: tuple[float, ...]) -> Floats:
    """Expected purchases of customers who are alive, over `horizon` = t / (alpha+T), shape (n,).

    Alive after x purchases, lambda ~ Gamma(r+x, alpha+T) and p ~ Beta(a, b+x), and lambda and p give
    (1 - exp(-lambda p t)) / p purchases in t. Over lambda that is (1 - (1 + p horizon)^-(r+x)) / p; its expectation
    over p is Euler's integral of eq. 10's 2F1. Nothing in it cancels or overflows, and a = 1 is no special case.
    """
    r, _, a, b = parameters
    ahead = np.empty(len(horizon))
    sizes = _nodes_needed(horizon)
    order = np.lexsort((sizes, counts.codes))
    changes = np.flatnonzero(np.diff(counts.codes[order]) | np.diff(sizes[order])) + 1
    for rows in np.split(order, changes) if len(order) else ():
        frequency, size = counts.values[counts.codes[rows[0]]], int(sizes[rows[0]])
        nodes, weights = beta_nodes(a, b + frequency, size)
        for block in np.split(rows, range(_BLOCK, len(rows), _BLOCK)):
            ahead[block] = _mean_purchases(horizon[block], r + frequency, nodes, weights)
    return ahead


def _mean_purchases(horizon: Floats, power: float, nodes: Floats, weights: Floats) -> Floats:
    purchases = -np.expm1(-power * np.log1p(np.multiply.outer(horizon, nodes)))
    return np.einsum("ij,j->i", purchases, weights / nodes)  # not BLAS: its sums depend on the number of threads


def _nodes_needed(horizon: Floats) -> NDArray[np.int64]:
    """Nodes for some 10 digits: the integrand's pole at p = -1/horizon sets how fast the quadrature converges."""
    wanted = np.minimum(12 + 22 * np.sqrt(horizon), 1024)
    return np.ceil(2 ** (np.ceil(2 * np.log2(wanted)) / 2)).astype(np.int64)
