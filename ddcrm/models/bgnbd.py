"""BG/NBD: how often customers who bought before will buy again, and whether they are still there.

Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2). A customer buys as a
Poisson process with rate lambda ~ Gamma(r, alpha), and after each repeat purchase leaves with probability
p ~ Beta(a, b).
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from ddcrm.models.base import (
    Floats,
    Levels,
    RandomState,
    check_amounts,
    check_frequency,
    check_times,
    columns_of,
    distinct_rows,
    levels_of,
)
from ddcrm.models.bg_expectations import count_probabilities, discounted_cap, expected_if_alive
from ddcrm.models.bg_likelihood import BgNbdLikelihood, log_odds_left, log_rising
from ddcrm.models.btyd import BuyTillYouDie, buy_and_leave, check_up_to, discounted, tenures_of
from ddcrm.models.optimise import Likelihood


class BetaGeoNBD(BuyTillYouDie):
    """BG/NBD, fitted by maximum likelihood.

    X is a DataFrame, or a mapping of arrays, with the columns frequency (repeat purchases, whole numbers), recency
    (last less first purchase) and tenure (end of observation less first purchase), or an (n, 3) array in this order.
    Times are in any one unit; alpha_ and every `t` are in the same unit.

    Parameters: max_iter bounds the iterations of L-BFGS-B; tol is how much log-likelihood, summed over all
    customers, the result may miss at most.

    Learned: r_, alpha_, a_, b_ and what every LikelihoodModel learns. The same customers give the same bits in whatever
    order they come (as long as weights are whole numbers).

    A customer without a repeat purchase has P(alive) = 1: the model lets nobody leave before a second purchase.
    """

    _model: ClassVar[str] = "bgnbd"
    _columns: ClassVar[tuple[str, ...]] = ("frequency", "recency", "tenure")
    _parameters: ClassVar[tuple[str, ...]] = ("r", "alpha", "a", "b")
    _first_chance: ClassVar[int] = 0  # 1 where a customer may leave right after the first purchase

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
        chances = counts.values + self._first_chance
        counted = log_rising(r, counts.values) + log_rising(b, chances) - log_rising(a + b, chances)
        timed = r * np.log1p(tenure / alpha) + frequency * np.log(alpha + tenure)
        return counted[counts.codes] - timed + np.logaddexp(0.0, self._log_odds_left(frequency, recency, tenure))

    def p_alive(self, X: Any) -> Floats:
        """Probability that each customer is still there at the end of the tenure, shape (n,), in [0, 1].

        1 / (1 + a / (b+x-1) * ((alpha+T) / (alpha+t_x))^(r+x)), and 1 where x = 0; Fader, Hardie & Lee (2008),
        Computing P(alive) Using the BG/NBD Model.
        """
        return expit(-self._log_odds_left(*self._read(X)))

    def expected_purchases(self, X: Any, t: float) -> Floats:
        """Expected purchases of each customer in the next `t` units of time, given the history, shape (n,).

        Fader, Hardie & Lee (2005), eq. 10, with its 2F1 as Euler's integral, see `expected_if_alive`.
        Raises ModelError for X or t that is not valid.
        """
        r, alpha, a, b = self._fitted()
        frequency, recency, tenure = self._read(X)
        check_amounts(np.array([t], dtype=np.float64), "t", self._model)
        pairs = distinct_rows([levels_of(frequency), levels_of(tenure)])
        counts, ages = pairs.columns
        ahead = expected_if_alive(counts, t / (alpha + ages.column), (r, alpha, a, b), self._first_chance)
        return expit(-self._log_odds_left(frequency, recency, tenure)) * ahead[pairs.inverse]

    def expected_purchases_new(self, t: ArrayLike) -> Floats:
        """Expected repeat purchases of a new customer in the first `t` units of time, the shape of t.

        Fader, Hardie & Lee (2005), eq. 9. Raises ModelError for a negative t.
        """
        r, alpha, a, b = self._fitted()
        times = np.asarray(t, dtype=np.float64)
        check_amounts(times.ravel(), "t", self._model)
        nobody = Levels(np.zeros(1), np.zeros(times.size, dtype=np.intp))
        ahead = expected_if_alive(nobody, times.ravel() / alpha, (r, alpha, a, b), self._first_chance)
        stays = b / (a + b) if self._first_chance else 1.0
        return stays * ahead.reshape(times.shape)

    def count_probabilities(self, t: float, up_to: int) -> Floats:
        """Probabilities that a new customer buys 0, 1, ..., up_to times again in `t` units, shape (up_to + 1,).

        Fader, Hardie & Lee (2005), eq. 8. Raises ModelError for a negative t or up_to.
        """
        check_amounts(np.array([t], dtype=np.float64), "t", self._model)
        counts = np.arange(check_up_to(up_to, self._model) + 1.0)
        return count_probabilities(t, counts, self._fitted(), self._first_chance)

    def discounted_purchases(self, X: Any, rate: float, t: float = np.inf) -> Floats:
        """Expected purchases of each customer in the next `t` units, each discounted to now, shape (n,).

        Over all future, the default, it is DERT, the discounted expected residual transactions. rate: of continuous
        discount in one unit of time. Taken once for each distinct pair of frequency and tenure, see `discounted`.
        Raises ModelError for X, rate or t that is not valid; without a rate t must be finite.
        """
        parameters = _, alpha, _, _ = self._fitted()
        frequency, recency, tenure = self._read(X)
        pairs = distinct_rows([levels_of(frequency), levels_of(tenure)])
        counts, ages = pairs.columns[0], alpha + pairs.columns[1].column
        cap = discounted_cap(rate, ages)

        def ahead(t: float) -> Floats:
            return expected_if_alive(counts, t / ages, parameters, self._first_chance, cap)

        alive = expit(-self._log_odds_left(frequency, recency, tenure))
        return alive * discounted(ahead, rate, t, alpha, self._model)[pairs.inverse]

    def simulate(self, tenure: ArrayLike, random_state: RandomState = 0) -> dict[str, Floats]:
        """Frequency, recency and tenure of customers who were observed for `tenure`, drawn from the model, (n,) each.

        The same random_state (a seed, or a Generator that goes on) gives the same customers.
        """
        r, alpha, a, b = self._fitted()
        ages, random = tenures_of(tenure, self._model), np.random.default_rng(random_state)
        rate, leaving = random.gamma(r, 1 / alpha, len(ages)), random.beta(a, b, len(ages))
        return buy_and_leave(ages, rate, leaving, random, at_once=self._first_chance > 0)

    def _log_odds_left(self, frequency: Floats, recency: Floats, tenure: Floats) -> Floats:
        return log_odds_left(frequency + self._first_chance, (frequency, recency, tenure), self._fitted())

    def _read(self, X: Any) -> list[Floats]:
        frequency, recency, tenure = columns = columns_of(X, self._columns, self._model)
        check_frequency(frequency, self._model)
        check_times(frequency, recency, tenure, self._model)
        return columns

    def _likelihood(self, columns: list[Floats], weight: Floats) -> tuple[Likelihood, list[Floats]]:
        rows = distinct_rows([levels_of(column) for column in columns])
        likelihood = BgNbdLikelihood(rows.columns, rows.weights(weight), self._first_chance)
        purchases = float(np.sum(likelihood.weight_of_count * likelihood.counts))
        time = float(np.sum(likelihood.weight_of_age * likelihood.ages))
        if purchases == 0:
            raise self._insufficient("no customer bought again")
        if time == 0:
            raise self._insufficient("no customer was observed for any time")
        pace = time / purchases  # with alpha = r * pace the model buys as often as the customers did
        shapes = ((0.5, 1.0, 3.0), (0.1, 0.5, 1.0), (3.0, 0.3, 5.0))
        return likelihood, [np.array([r, r * pace, a, b]) for r, a, b in shapes]
