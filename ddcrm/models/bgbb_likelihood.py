"""The likelihood of BG/BB by one recursion backwards through the opportunities.

With rising(z, k) = z (z+1) ... (z+k-1), a customer who bought at x of the first t opportunities and was there at all
of them weighs g(x, t) = rising(alpha, x) rising(beta, t-x) / rising(alpha+beta, t). Who was still there at the end
weighs g(x, n) rising(delta, n) / rising(gamma+delta, n), who left after opportunity t, g(x, t) gamma rising(delta, t) /
rising(gamma+delta, t+1). The likelihood of (x, t_x, n) is the sum over t from t_x to n-1 of the latter, and the former
(Fader, Hardie & Shang 2010, eq. 5). It depends on t_x through the range only, so one pass from t = n down gives it for
all t_x; all terms are positive, and nothing cancels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddcrm.models.base import Codes, Floats, Levels, distinct_rows, thinned_rows

Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Histories:
    """For each row the log-likelihood, that of being there still, both (n,), and the gradient of the former, (4, n)."""

    log_total: Floats
    log_alive: Floats
    slopes: Floats


def log_rising(z: float, size: int) -> Floats:
    """log rising(z, k) for k = 0 to size."""
    return np.concatenate([[0.0], np.cumsum(np.log(z + np.arange(size)))])


def _slope_rising(z: float, size: int) -> Floats:
    return np.concatenate([[0.0], np.cumsum(1 / (z + np.arange(size)))])


class _Weights:
    """log g(x, t) and the weights of staying and leaving, and their slopes by (alpha, beta, gamma, delta)."""

    def __init__(self, parameters: Iterable[float], most: int) -> None:
        alpha, beta, gamma, delta = parameters
        shapes = (alpha, beta, alpha + beta, delta, gamma + delta)
        self.alpha, self.beta, self.both, self.delta, self.ends = (log_rising(z, most + 1) for z in shapes)
        self.by_alpha, self.by_beta, self.by_both, self.by_delta, self.by_ends = (
            _slope_rising(z, most + 1) for z in shapes
        )
        self.gamma = gamma

    def alive(self, x: Whole, n: int) -> Floats:
        return self._bought(x, n) + self.delta[n] - self.ends[n]

    def left(self, x: Whole, t: int) -> Floats:
        return self._bought(x, t) + np.log(self.gamma) + self.delta[t] - self.ends[t + 1]

    def slopes_alive(self, x: Whole, n: int) -> Floats:
        return self._slopes(x, n, -self.by_ends[n], self.by_delta[n] - self.by_ends[n])

    def slopes_left(self, x: Whole, t: int) -> Floats:
        return self._slopes(x, t, 1 / self.gamma - self.by_ends[t + 1], self.by_delta[t] - self.by_ends[t + 1])

    def _bought(self, x: Whole, t: int) -> Floats:
        return self.alpha[x] + self.beta[np.maximum(t - x, 0)] - self.both[t]

    def _slopes(self, x: Whole, t: int, by_gamma: float, by_delta: float) -> Floats:
        ones = np.ones(len(x))
        by_alpha, by_beta = self.by_alpha[x], self.by_beta[np.maximum(t - x, 0)]
        return np.array([by_alpha - self.by_both[t], by_beta - self.by_both[t], by_gamma * ones, by_delta * ones])


class BgBbLikelihood:
    """The summed log-likelihood and its gradient by (alpha, beta, gamma, delta).

    The recursion runs over the distinct pairs of frequency and opportunities, largest number of opportunities first,
    and leaves a value at each row's recency.
    """

    def __init__(self, rows: Sequence[Levels], weight: Floats) -> None:
        """rows: frequency, recency and opportunities of the distinct rows; weight: customers that each stands for."""
        self.rows, self.weight = rows, weight
        self.total_weight = float(weight.sum())
        pairs = distinct_rows([rows[0], rows[2]])
        frequency, opportunities = (column.column.astype(np.int64) for column in pairs.columns)
        order = np.argsort(-opportunities, kind="stable")
        place = np.empty(len(order), dtype=np.intp)
        place[order] = np.arange(len(order))
        self.frequency, self.opportunities = frequency[order], opportunities[order]
        self.pair, self.recency = place[pairs.inverse], rows[1].column.astype(np.int64)

    def thinned(self) -> BgBbLikelihood | None:
        """The likelihood of a fair part of the rows; None where they are few."""
        part = thinned_rows(len(self.weight))
        return None if part is None else BgBbLikelihood([column.at(part) for column in self.rows], self.weight[part])

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """The value, and the gradient by the parameters, shape (4,)."""
        found = self.by_row(parameters)
        value = np.einsum("i,i", self.weight, found.log_total)
        return float(value), np.einsum("i,ki->k", self.weight, found.slopes)

    def by_row(self, parameters: Iterable[float]) -> Histories:
        """What `Histories` says of each distinct row."""
        most = int(self.opportunities.max(initial=0))
        weights, x = _Weights(parameters, most), self.frequency
        total, alive, slopes = np.empty(len(x)), np.empty(len(x)), np.empty((4, len(x)))
        found = Histories(np.empty(len(self.pair)), np.empty(len(self.pair)), np.empty((4, len(self.pair))))
        by_recency = _grouped(self.recency, most)
        for t in range(most, -1, -1):
            there, ended = np.searchsorted(
                -self.opportunities, [-t, -t + 1]
            )  # pairs beyond t come first, then those at t
            self._step(weights, t, int(there), total, slopes)
            ends = slice(there, ended)
            total[ends] = alive[ends] = weights.alive(x[ends], t)
            slopes[:, ends] = weights.slopes_alive(x[ends], t)
            rows = by_recency[t]
            found.log_total[rows], found.log_alive[rows] = total[self.pair[rows]], alive[self.pair[rows]]
            found.slopes[:, rows] = slopes[:, self.pair[rows]]
        return found

    def _step(self, weights: _Weights, t: int, there: int, total: Floats, slopes: Floats) -> None:
        """Who left after t is added: the sum, and the mean of the slopes under the weights."""
        x, before = self.frequency[:there], total[:there]
        left = weights.left(x, t)
        total[:there] = np.logaddexp(before, left)
        share = np.exp(left - total[:there])
        slopes[:, :there] += share * (weights.slopes_left(x, t) - slopes[:, :there])


def _grouped(recency: Whole, most: int) -> list[Codes]:
    """For each t from 0 to `most` the rows with that recency."""
    order = np.argsort(recency, kind="stable")
    return np.split(order, np.searchsorted(recency[order], np.arange(1, most + 1)))
