"""BG/BB: who takes the chance to buy at each of a series of opportunities, and who is gone for good.

Fader, Hardie & Shang (2010), Customer-Base Analysis in a Discrete-Time Noncontractual Setting, Marketing Science 29(6).
At each opportunity (a yearly appeal, a weekly market) a customer who is there buys with probability p ~ Beta(alpha,
beta), and before each one leaves with probability theta ~ Beta(gamma, delta).
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from ddcrm.models.base import (
    Floats,
    RandomState,
    check_amounts,
    check_frequency,
    columns_of,
    distinct_rows,
    invalid,
    levels_of,
)
from ddcrm.models.bgbb_likelihood import BgBbLikelihood, Histories, log_rising
from ddcrm.models.btyd import MOST_COUNTED, BuyTillYouDie, check_up_to, tenures_of
from ddcrm.models.optimise import Likelihood

_NEGLIGIBLE = 40.0  # exp(-40): what comes after is discounted to nothing
_MOST_CELLS = 100_000_000  # of a table of opportunities by purchases


class BetaGeometricBetaBinomial(BuyTillYouDie):
    """BG/BB, fitted by maximum likelihood.

    X is a DataFrame, or a mapping of arrays, with the columns frequency (opportunities taken), recency (the number of
    the last one taken, counted from 1; 0 for none) and opportunities (how many there were since the customer came), all
    whole numbers, or an (n, 3) array in this order. `t` is a number of opportunities.

    Parameters: max_iter bounds the iterations of L-BFGS-B; tol is how much log-likelihood, summed over all
    customers, the result may miss at most.

    Learned: alpha_, beta_, gamma_, delta_ and what every LikelihoodModel learns. The same customers give the same bits
    in whatever order they come (as long as weights are whole numbers).
    """

    _model: ClassVar[str] = "bgbb"
    _columns: ClassVar[tuple[str, ...]] = ("frequency", "recency", "opportunities")
    _parameters: ClassVar[tuple[str, ...]] = ("alpha", "beta", "gamma", "delta")

    alpha_: float
    beta_: float
    gamma_: float
    delta_: float

    def __init__(self, max_iter: int = 500, tol: float = 1e-8) -> None:
        self.max_iter = max_iter
        self.tol = tol

    def log_likelihood(self, X: Any) -> Floats:
        """Log-likelihood of each customer, shape (n,); Fader, Hardie & Shang (2010), eq. 5.

        Raises ModelError for X that is not valid, sklearn's NotFittedError before fit.
        """
        return self._histories(self._read(X)).log_total

    def p_alive(self, X: Any) -> Floats:
        """Probability that each customer was still there at the last opportunity, shape (n,), in [0, 1].

        Fader, Hardie & Shang (2010), eq. 11 for the opportunity n.
        """
        return _alive(self._histories(self._read(X)))

    def expected_purchases(self, X: Any, t: float) -> Floats:
        """Expected purchases of each customer at the next `t` opportunities, shape (n,).

        Fader, Hardie & Shang (2010), eq. 13. Raises ModelError for X or t that is not valid.
        """
        return self.discounted_purchases(X, 0.0, t)

    def expected_purchases_new(self, t: ArrayLike) -> Floats:
        """Expected purchases of a new customer at the first `t` opportunities, the shape of t.

        Fader, Hardie & Shang (2010), eq. 7. Raises ModelError unless t counts opportunities.
        """
        alpha, beta, _, _ = self._fitted()
        times = np.asarray(t, dtype=np.float64)
        check_frequency(times.ravel(), self._model, "t")
        stays = self._stays(0, self._number(times.max(initial=0)))
        return alpha / (alpha + beta) * np.concatenate([[0.0], np.cumsum(stays)])[times.astype(np.int64)]

    def count_probabilities(self, t: float, up_to: int) -> Floats:
        """Probabilities that a new customer takes 0, 1, ..., up_to of `t` opportunities, shape (up_to + 1,).

        Fader, Hardie & Shang (2010), eq. 8. Raises ModelError unless t and up_to count something.
        """
        alpha, beta, gamma, delta = self._fitted()
        n, most = self._number(t), check_up_to(up_to, self._model)
        if (n + 1) * (most + 1) > _MOST_CELLS:
            raise invalid(
                self._model, f"{t:g} opportunities and up_to {up_to:g} make a table of more than {_MOST_CELLS:,}"
            )
        x = np.arange(most + 1)[:, None]
        there = np.arange(n + 1)[None, :]  # of so many opportunities the customer was there
        missed = np.maximum(there - x, 0)
        ways = gammaln(there + 1.0) - gammaln(x + 1.0) - gammaln(missed + 1.0)
        buys = log_rising(alpha, int(x[-1, 0]))[x] + log_rising(beta, n)[missed] - log_rising(alpha + beta, n)[there]
        stays, ends = log_rising(delta, n), log_rising(gamma + delta, n + 1)
        leaves = np.append(np.log(gamma) + stays[:-1] - ends[1:-1], stays[-1] - ends[n])
        return np.asarray(np.exp(np.where(there >= x, ways + buys + leaves, -np.inf)).sum(axis=1))

    def conditional_count_probabilities(self, X: Any, t: float, up_to: int) -> Floats:
        """Probabilities that each customer takes 0, 1, ..., up_to of the next `t` opportunities, shape (n, up_to + 1).

        Who is there takes them as a new customer with alpha+x, beta+n-x, gamma and delta+n; taken once for each pair of
        frequency x and opportunities n. Raises ModelError for X, t or up_to that is not valid.
        """
        alpha, beta, gamma, delta = self._fitted()
        columns = self._read(X)
        pairs = distinct_rows([levels_of(columns[0]), levels_of(columns[2])])
        ahead = [
            type(self).with_parameters(alpha=alpha + x, beta=beta + n - x, gamma=gamma, delta=delta + n)
            .count_probabilities(t, up_to)
            for x, n in zip(*(level.column for level in pairs.columns), strict=True)
        ]  # fmt: skip
        alive = _alive(self._histories(columns))
        found = alive[:, None] * np.reshape(ahead, (-1, check_up_to(up_to, self._model) + 1))[pairs.inverse]
        found[:, 0] += 1 - alive
        return found

    def discounted_purchases(self, X: Any, rate: float, t: float = np.inf) -> Floats:
        """Expected purchases of each customer at the next `t` opportunities, each discounted to now, shape (n,).

        Over all future, the default, it is DERT; Fader, Hardie & Shang (2010), eq. 14. The purchase at the j-th
        opportunity from now counts exp(-rate j): `rate` is log(1 + d) for the discount d between two opportunities.
        Raises ModelError for X, rate or t that is not valid; without a rate t must be finite.
        """
        alpha, beta, _, _ = self._fitted()
        columns = self._read(X)
        check_amounts(np.array([rate], dtype=np.float64), "rate", self._model)
        ahead = self._ahead(rate, t)
        count = levels_of(columns[2])
        discount = np.exp(-rate * np.arange(1.0, ahead + 1))
        later = np.array([np.einsum("i,i", discount, self._stays(int(n), ahead)) for n in count.values])
        buys = (alpha + columns[0]) / (alpha + beta + columns[2])
        return _alive(self._histories(columns)) * buys * later[count.codes]

    def simulate(self, tenure: ArrayLike, random_state: RandomState = 0) -> dict[str, Floats]:
        """Frequency, recency and opportunities of customers who had `tenure` opportunities, drawn from the model, (n,).

        The same random_state (a seed, or a Generator that goes on) gives the same customers.
        """
        alpha, beta, gamma, delta = self._fitted()
        ends, random = tenures_of(tenure, self._model), np.random.default_rng(random_state)
        check_frequency(ends, self._model, "tenure")
        buys, leaves = random.beta(alpha, beta, len(ends)), random.beta(gamma, delta, len(ends))
        with np.errstate(divide="ignore"):  # who never leaves stays for ever
            there = np.minimum(np.floor(random.standard_exponential(len(ends)) / -np.log1p(-leaves)), ends)
        frequency, recency = np.zeros(len(ends)), np.zeros(len(ends))
        for now in range(1, int(there.max(initial=0)) + 1):
            took = (now <= there) & (random.random(len(ends)) < buys)
            frequency[took] += 1
            recency[took] = now
        return {"frequency": frequency, "recency": recency, "opportunities": ends}

    def _stays(self, n: int, ahead: int) -> Floats:
        """Probability of being there at each of the next opportunities, for who was there at the n-th, (ahead,)."""
        _, _, gamma, delta = self._fitted()
        return np.exp(np.cumsum(np.log1p(-gamma / (gamma + delta + n + np.arange(ahead)))))

    def _ahead(self, rate: float, t: float) -> int:
        """The opportunities to sum over: `t`, or as many as are not discounted to nothing; raises ModelError."""
        ends = rate * MOST_COUNTED > _NEGLIGIBLE
        if t == np.inf and not ends:
            raise invalid(self._model, f"rate is {rate}: over all future there is no end to the sum", "Give a t.")
        beyond = t > MOST_COUNTED and t == np.floor(t)  # also inf
        return int(np.ceil(_NEGLIGIBLE / rate)) if ends and beyond else self._number(t)

    def _number(self, t: float) -> int:
        """A number of opportunities; raises ModelError."""
        if not (0 <= t <= MOST_COUNTED and t == np.floor(t)):
            reason = f"t is {t}; it counts opportunities: a whole number from 0 to {MOST_COUNTED:,}"
            raise invalid(self._model, reason)
        return int(t)

    def _histories(self, columns: list[Floats]) -> Histories:
        rows = distinct_rows([levels_of(column) for column in columns])
        found = BgBbLikelihood(rows.columns, np.ones(rows.size)).by_row(self._fitted())
        return Histories(found.log_total[rows.inverse], found.log_alive[rows.inverse], found.slopes)

    def _read(self, X: Any) -> list[Floats]:
        frequency, recency, opportunities = columns = columns_of(X, self._columns, self._model)
        for name, column in zip(self._columns, columns, strict=True):
            check_frequency(column, self._model, name)
        if (recency > opportunities).any():
            raise invalid(self._model, "recency is greater than opportunities")
        if ((frequency > recency) | ((frequency == 0) & (recency > 0))).any():
            raise invalid(self._model, "frequency and recency contradict each other",
                          "Recency is the number of the last opportunity taken, 0 where none was.")  # fmt: skip
        return columns

    def _likelihood(self, columns: list[Floats], weight: Floats) -> tuple[Likelihood, list[Floats]]:
        rows = distinct_rows([levels_of(column) for column in columns])
        likelihood = BgBbLikelihood(rows.columns, rows.weights(weight))
        taken, missed = (float(np.sum(weight * part)) for part in (columns[0], columns[2] - columns[0]))
        if taken == 0:
            raise self._insufficient("no customer took an opportunity")
        if missed == 0:
            raise self._insufficient("no customer let an opportunity pass")
        shapes = ((1.0, 1.0, 0.5, 3.0), (0.5, 2.0, 1.0, 10.0), (3.0, 1.0, 0.3, 1.0))
        return likelihood, [np.array(shape) for shape in shapes]


def _alive(found: Histories) -> Floats:
    return np.exp(np.minimum(found.log_alive - found.log_total, 0.0))
