"""BG/NBD: how often customers who bought before will buy again, and whether they are still there.

Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2). A customer buys as a
Poisson process with rate lambda ~ Gamma(r, alpha), and after each repeat purchase leaves with probability
p ~ Beta(a, b).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from ddcrm.models.base import Codes, Floats, Levels, RandomState, check_amounts, distinct_rows, levels_of
from ddcrm.models.bg_expectations import count_probabilities, expected_ahead, expected_if_alive
from ddcrm.models.bg_likelihood import BgNbdLikelihood, log_odds_left, rising_at
from ddcrm.models.btyd import buy_and_leave, discounted, tenures_of
from ddcrm.models.covariate_model import CovariateModel


class _Outlook(NamedTuple):
    """Expected purchases within t of each distinct row, its alpha, and the row of each customer."""

    ahead: Callable[[Any], Floats]
    alpha: Any
    inverse: Codes


class BetaGeoNBD(CovariateModel):
    """BG/NBD, fitted by maximum likelihood.

    X is a DataFrame, or a mapping of arrays, with the columns frequency (repeat purchases, whole numbers), recency
    (last less first purchase) and tenure (end of observation less first purchase), or an (n, 3) array in this order.
    Times are in any one unit; alpha_ and every `t` are in the same unit.

    Parameters: max_iter bounds the iterations of L-BFGS-B; tol is how much log-likelihood, summed over all
    customers, the result may miss at most; purchase_covariates and dropout_covariates name further columns of X, in an
    array after the three and in this order, each once. A customer of these covariates z has alpha exp(-gamma' z) for
    alpha, a exp(gamma' z) for a and b exp(gamma' z) for b. So a positive coefficient of purchase means to buy more
    often; one of dropout leaves the mean probability to leave, a/(a+b), as it is: the greater it is, the more alike are
    such customers in it.

    Learned: r_, alpha_, a_, b_, purchase_coefficients_ and dropout_coefficients_ (by covariate) and what every
    LikelihoodModel learns. The same customers give the same bits in whatever order they come (as long as weights are
    whole numbers).

    A customer without a repeat purchase has P(alive) = 1: the model lets nobody leave before a second purchase.
    """

    _model: ClassVar[str] = "bgnbd"
    _parameters: ClassVar[tuple[str, ...]] = ("r", "alpha", "a", "b")
    _moves: ClassVar[Mapping[str, Mapping[str, int]]] = {"purchase": {"alpha": -1}, "dropout": {"a": 1, "b": 1}}
    _first_chance: ClassVar[int] = 0  # 1 where a customer may leave right after the first purchase

    r_: float
    alpha_: float
    a_: float
    b_: float

    def log_likelihood(self, X: Any) -> Floats:
        """Log-likelihood of each customer, shape (n,); Fader, Hardie & Lee (2005), eq. 6.

        Raises ModelError for X that is not valid, sklearn's NotFittedError before fit.
        """
        frequency, recency, tenure, *covariates = self._read(X)
        r, alpha, a, b = parameters = self._personal(covariates)
        counts, more = levels_of(frequency), self._first_chance
        counted = rising_at(r, counts) + rising_at(b, counts, more) - rising_at(a + b, counts, more)
        timed = r * np.log1p(tenure / alpha) + frequency * np.log(alpha + tenure)
        odds = log_odds_left(frequency + more, (frequency, recency, tenure), parameters)
        return counted - timed + np.logaddexp(0.0, odds)

    def p_alive(self, X: Any) -> Floats:
        """Probability that each customer is still there at the end of the tenure, shape (n,), in [0, 1].

        1 / (1 + a / (b+x-1) * ((alpha+T) / (alpha+t_x))^(r+x)), and 1 where x = 0; Fader, Hardie & Lee (2008),
        Computing P(alive) Using the BG/NBD Model.
        """
        return self._alive(self._read(X))

    def expected_purchases(self, X: Any, t: float) -> Floats:
        """Expected purchases of each customer in the next `t` units of time, given the history, shape (n,).

        Fader, Hardie & Lee (2005), eq. 10, with its 2F1 as Euler's integral, see `expected_if_alive`.
        Raises ModelError for X or t that is not valid.
        """
        check_amounts(np.array([t], dtype=np.float64), "t", self._model)
        columns = self._read(X)
        outlook = self._outlook(columns)
        return self._alive(columns) * outlook.ahead(t)[outlook.inverse]

    def expected_purchases_new(self, t: ArrayLike, covariates: Any = None) -> Floats:
        """Expected repeat purchases of a new customer in the first `t` units of time, the shape of t.

        Fader, Hardie & Lee (2005), eq. 9. covariates: of n new customers, if the model has any; t is a number or (n,)
        then, and the answer (n,). Raises ModelError for a negative t.
        """
        times = np.asarray(t, dtype=np.float64)
        check_amounts(times.ravel(), "t", self._model)
        _, alpha, a, b = parameters = self._newcomers(covariates)
        horizon = np.asarray(times / alpha)
        nobody = Levels(np.zeros(1), np.zeros(horizon.size, dtype=np.intp))
        ahead = expected_if_alive(nobody, horizon.ravel(), parameters, self._first_chance).reshape(horizon.shape)
        return b / (a + b) * ahead if self._first_chance else ahead

    def discounted_purchases(self, X: Any, rate: float, t: float = np.inf) -> Floats:
        """Expected purchases of each customer in the next `t` units, each discounted to now, shape (n,).

        Over all future, the default, it is DERT, the discounted expected residual transactions. rate: of continuous
        discount in one unit of time. Taken once for each distinct pair of frequency and tenure, see `discounted`.
        Raises ModelError for X, rate or t that is not valid; without a rate t must be finite.
        """
        columns = self._read(X)
        outlook = self._outlook(columns, rate)
        return self._alive(columns) * discounted(outlook.ahead, rate, t, outlook.alpha, self._model)[outlook.inverse]

    def simulate(self, tenure: ArrayLike, random_state: RandomState = 0, covariates: Any = None) -> dict[str, Floats]:
        """Frequency, recency and tenure of customers who were observed for `tenure`, drawn from the model, (n,) each.

        The same random_state (a seed, or a Generator that goes on) gives the same customers. covariates: of these
        customers, if the model has any; they are part of the answer then.
        """
        ages, random = tenures_of(tenure, self._model), np.random.default_rng(random_state)
        r, alpha, a, b = self._newcomers(covariates, len(ages))
        rate, leaving = random.gamma(r, 1 / alpha, len(ages)), random.beta(a, b, len(ages))
        drawn = buy_and_leave(ages, rate, leaving, random, at_once=self._first_chance > 0)
        return drawn | self._columns_beside(covariates)

    def _alive(self, columns: list[Floats]) -> Floats:
        frequency, recency, tenure, *covariates = columns
        chances = frequency + self._first_chance
        return expit(-log_odds_left(chances, (frequency, recency, tenure), self._personal(covariates)))

    def _posterior(self, frequency: Floats, tenure: Floats, parameters: tuple[Any, ...]) -> tuple[Any, ...]:
        r, alpha, a, b = parameters
        return r + frequency, alpha + tenure, a, b + frequency + self._first_chance

    def _count_probabilities(self, t: float, counts: Floats, parameters: tuple[Any, ...], new: bool) -> Floats:
        return count_probabilities(t, counts, parameters, self._first_chance if new else 0)

    def _outlook(self, columns: list[Floats], rate: float = 0.0) -> _Outlook:
        """What who is alive will buy, by frequency, tenure and covariates; rate: at which it will be discounted."""
        frequency, _, tenure, *covariates = columns
        rows = distinct_rows([levels_of(column) for column in (frequency, tenure, *covariates)])
        counts, ages, *kinds = rows.columns
        parameters = self._personal([kind.column for kind in kinds])
        ages_since = parameters[1] + ages.column
        ahead = partial(expected_ahead, counts, ages_since, parameters, self._first_chance, rate)
        return _Outlook(ahead, parameters[1], rows.inverse)

    def _row_likelihood(self, rows: Sequence[Levels], weight: Floats) -> BgNbdLikelihood:
        return BgNbdLikelihood(rows, weight, self._first_chance)

    def _starts(self, purchases: float, time: float, customers: float) -> list[Floats]:
        pace = time / purchases  # with alpha = r * pace the model buys as often as the customers did
        shapes = ((0.5, 1.0, 3.0), (0.1, 0.5, 1.0), (3.0, 0.3, 5.0))
        return [np.array([r, r * pace, a, b]) for r, a, b in shapes]
