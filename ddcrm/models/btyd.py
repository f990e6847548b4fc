"""What the buy-till-you-die models share: what each of them answers, discounting, and customers drawn from them.

Customers buy at random while they are there, and leave at a time that nobody observes. Times are in any one unit, which
is that of the data that a model was fitted on.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ddcrm.models.base import Floats, LikelihoodModel, RandomState, check_amounts, invalid

_TIDY = 40.0  # exp(-40): what comes after is discounted to nothing
_SLOWEST = 1e-300  # a rate drawn below it may have become 0
MOST_COUNTED = 10_000_000  # purchases or opportunities that a table may have a place for
_NODES = 8  # and more the longer the horizon: leaves a relative error below 1e-8


class BuyTillYouDie(LikelihoodModel):
    """Base of the buy-till-you-die models: the methods that all of them have.

    X of each method is as in `fit`. `t` is in the unit of time of the data. Each method raises ModelError for X or t
    that is not valid and sklearn's NotFittedError before fit.
    """

    @abstractmethod
    def p_alive(self, X: Any) -> Floats:
        """Probability that each customer is still there at the end of the observation, shape (n,), in [0, 1]."""

    @abstractmethod
    def expected_purchases(self, X: Any, t: float) -> Floats:
        """Expected purchases of each customer in the next `t` units of time, given the history, shape (n,)."""

    @abstractmethod
    def expected_purchases_new(self, t: ArrayLike) -> Floats:
        """Expected repeat purchases of a new customer in the first `t` units of time, the shape of t."""

    @abstractmethod
    def count_probabilities(self, t: float, up_to: int) -> Floats:
        """Probabilities that a new customer buys 0, 1, ..., up_to times again in `t` units, shape (up_to + 1,)."""

    @abstractmethod
    def conditional_count_probabilities(self, X: Any, t: float, up_to: int) -> Floats:
        """Probabilities that each customer buys 0, 1, ..., up_to times in the next `t` units, shape (n, up_to + 1)."""

    @abstractmethod
    def discounted_purchases(self, X: Any, rate: float, t: float = np.inf) -> Floats:
        """Expected purchases of each customer in the next `t` units, each discounted to now, shape (n,).

        Over all future, the default, it is DERT, the discounted expected residual transactions. rate: of discount in
        one unit of time, see `ddcrm.features.units`. At rate 0 it is `expected_purchases`, and t must be finite.
        """

    @abstractmethod
    def simulate(self, tenure: ArrayLike, random_state: RandomState = 0) -> dict[str, Floats]:
        """Histories of customers who were observed for `tenure` (n,), drawn from the model: X by columns, (n,) each.

        The same random_state gives the same customers.
        """


def discounted(expected: Callable[[Any], Floats], rate: float, t: float, scale: Any, model: str) -> Floats:
    """The integral of exp(-rate u) dE(u) over [0, t] for E = `expected`, which may be per customer, and so may `scale`.

    By parts it is exp(-rate t) E(t) + rate * integral of exp(-rate u) E(u) du, taken by Gauss-Legendre in
    log(1 + u / scale), where E is smooth for all ages and horizons; scale: that of the model's rates, alpha say.
    """
    check_discount(rate, t, model)
    if rate == 0 or t == 0:
        return expected(t)
    end = min(t, _TIDY / rate)
    reach = np.log1p(end / scale)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES + int(np.ceil(12 / np.arcsinh(2 * np.pi / np.max(reach)))))
    total = np.exp(-rate * end) * expected(end)
    for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        at = scale * np.expm1(reach * node)
        total = total + reach * weight * rate * (scale + at) * np.exp(-rate * at) * expected(at)
    return total


def check_discount(rate: float, t: float, model: str) -> None:
    """Raise ModelError unless neither is negative, the rate is finite, and t is finite, too, at rate 0."""
    check_amounts(np.array([rate]), "rate", model)
    if not t >= 0 or (np.isinf(t) and rate == 0):
        raise invalid(model, f"t is {t} at rate {rate}; it must not be negative, and finite at rate 0")


def tenures_of(tenure: ArrayLike, model: str) -> Floats:
    """The tenures to simulate as floats, (n,); raises ModelError."""
    column = np.atleast_1d(np.asarray(tenure, dtype=np.float64))
    if column.ndim != 1:
        raise invalid(model, f"tenure has shape {column.shape}, not (n,)")
    check_amounts(column, "tenure", model)
    return column


def check_up_to(up_to: int, model: str) -> int:
    """The greatest count of purchases; raises ModelError unless it is a whole number that a table may hold."""
    if not (0 <= up_to <= MOST_COUNTED and up_to == int(up_to)):
        raise invalid(model, f"up_to is {up_to}; it must be a whole number from 0 to {MOST_COUNTED:,}")
    return int(up_to)


def buy_and_leave(
    tenure: Floats, rate: Floats, leaving: Floats, random: np.random.Generator, at_once: bool = False
) -> dict[str, Floats]:
    """Frequency, recency and tenure of customers who buy at a rate and leave with a probability after each purchase.

    rate, leaving: (n,), of each customer. at_once: they may leave after the first purchase, too, which starts tenure.
    """
    frequency, recency = np.zeros(len(tenure)), np.zeros(len(tenure))
    who = np.flatnonzero(random.random(len(tenure)) >= leaving) if at_once else np.arange(len(tenure))
    now, pace = np.zeros(len(who)), np.maximum(rate, _SLOWEST)
    while len(who):
        now = now + random.standard_exponential(len(who)) / pace[who]
        seen = now <= tenure[who]
        who, now = who[seen], now[seen]
        frequency[who] += 1
        recency[who] = now
        stays = random.random(len(who)) >= leaving[who]
        who, now = who[stays], now[stays]
    return {"frequency": frequency, "recency": recency, "tenure": tenure}
