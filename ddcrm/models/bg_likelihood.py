"""The likelihood of the beta-geometric models, BG/NBD and MBG/NBD: they differ in when a customer may leave.

After k chances to leave, of which the last came with the last purchase, the likelihood is Gamma(r+x) alpha^r / Gamma(r)
times B(a, b+k)/B(a, b) (alpha+T)^-(r+x) + B(a+1, b+k-1)/B(a, b) (alpha+t_x)^-(r+x), the latter where k > 0. In BG/NBD k
is the frequency x (Fader, Hardie & Lee 2005, eq. 6), in MBG/NBD it is x + 1 (Batislam, Denizel & Filiztekin 2007).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import digamma, expit, gammaln

from ddcrm.models.base import Codes, Floats, Levels, thinned_rows

_FAR = 1e5  # Stirling's series has all digits from here on


class BgNbdLikelihood:
    """The summed log-likelihood of BG/NBD or MBG/NBD and its gradient by (r, alpha, a, b), from sufficient statistics.

    Gamma functions are taken once for each distinct frequency, logarithms once for each distinct time. What is left
    for each distinct (frequency, recency, tenure) with a chance to leave is the logarithm of eq. 6's sum.
    """

    def __init__(self, rows: Sequence[Levels], weight: Floats, first_chance: int = 0) -> None:
        """rows: frequency, recency and tenure of the distinct rows; weight: how many customers each stands for.

        first_chance: 1 where the first purchase is a chance to leave, too (MBG/NBD), else 0 (BG/NBD).
        """
        self.rows, self.row_weight, self.first_chance = rows, weight, first_chance
        self.total_weight = float(weight.sum())
        self.counts, self.ages = rows[0].values, rows[2].values
        self.chances = self.counts + first_chance
        self.weight_of_count = np.bincount(rows[0].codes, weight, len(self.counts))
        self.weight_of_age = np.bincount(rows[2].codes, weight, len(self.ages))
        self.purchases_of_age = np.bincount(rows[2].codes, weight * rows[0].column, len(self.ages))
        leavers = np.flatnonzero(self.chances[rows[0].codes] > 0)
        self.count, self.last, self.age = (column.at(leavers) for column in rows)
        self.weight, self.frequency = weight[leavers], self.count.column

    def thinned(self) -> BgNbdLikelihood | None:
        """The likelihood of a fair part of the rows; None where they are few."""
        part = thinned_rows(len(self.row_weight))
        return None if part is None else self.at(part)

    def at(self, part: Codes) -> BgNbdLikelihood:
        """The likelihood of some of the rows."""
        return BgNbdLikelihood([column.at(part) for column in self.rows], self.row_weight[part], self.first_chance)

    def by_row(self, parameters: tuple[Any, ...]) -> tuple[Floats, Floats]:
        """The value of each distinct row, (n,), and its gradient by the logarithms of the parameters, (4, n).

        parameters: r is a number, alpha, a and b are numbers or (n,).
        """
        r, alpha, a, b = parameters
        x, last, age = (column.column for column in self.rows)
        k, counts = x + self.first_chance, self.rows[0]
        odds = log_odds_left(k, (x, last, age), parameters)
        left, slope_both, shrink = expit(odds), slope_rising(a + b, k), np.log1p(age / alpha)
        idle = np.log1p(np.maximum(age - last, 0.0) / (alpha + last))
        rising = rising_at(r, counts) + rising_at(b, counts, self.first_chance)
        rising -= rising_at(a + b, counts, self.first_chance)
        value = rising - r * shrink - x * np.log(alpha + age) + np.logaddexp(0.0, odds)
        by_r = r * (slope_rising(r, counts.values)[counts.codes] - shrink + left * idle)
        by_alpha = (r * age - alpha * x) / (alpha + age)
        by_alpha -= left * (r + x) * alpha * np.maximum(age - last, 0.0) / (alpha + last) / (alpha + age)
        by_a = left - a * slope_both
        by_b = b * (slope_rising(b, k) - slope_both - left / (b - 1 + np.maximum(k, 1.0)))
        return value, np.array([by_r, by_alpha, by_a, by_b])

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        """The value, and the gradient by the parameters, shape (4,)."""
        r, alpha, a, b = parameters
        counted, by_count = self._counted(r, a, b)
        timed, by_time = self._timed(r, alpha)
        left, by_left = self._left(r, alpha, a, b)
        return counted + timed + left, by_count + by_time + by_left

    def _counted(self, r: float, a: float, b: float) -> tuple[float, Floats]:
        """Gamma(r+x)/Gamma(r) * B(a, b+k)/B(a, b), with k the chances to leave."""
        x, k, weight = self.counts, self.chances, self.weight_of_count
        value = np.sum(weight * (log_rising(r, x) + log_rising(b, k) - log_rising(a + b, k)))
        by_r, by_b, by_sum = (np.sum(weight * slope_rising(z, n)) for z, n in ((r, x), (b, k), (a + b, k)))
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
        power, dropout = r + self.frequency, b - 1 + np.maximum(self.chances, 1.0)
        odds = (np.log(a) - np.log(dropout))[self.count.codes] + power * idle
        small = np.exp(-np.abs(odds))
        value = np.einsum("i,i", self.weight, np.maximum(odds, 0.0) + np.log1p(small))
        share = self.weight * np.where(odds > 0, 1.0, small) / (1.0 + small)
        by_count = np.bincount(self.count.codes, share, len(self.counts))
        slope = (1 / age)[self.age.codes] - (1 / last)[self.last.codes]
        by_r, by_alpha = np.einsum("i,i", share, idle), np.einsum("i,i,i", share, power, slope)
        return float(value), np.array([by_r, by_alpha, by_count.sum() / a, -np.sum(by_count / dropout)])


def log_rising(z: Any, x: Floats) -> Floats:
    """log of Gamma(z+x) / Gamma(z), also for a z beyond which the two logarithms would lose their difference."""
    far = np.maximum(z, _FAR)
    series = (far - 0.5) * np.log1p(x / far) + x * (np.log(far + x) - 1) + (1 / (far + x) - 1 / far) / 12
    near = np.minimum(z, _FAR)
    return np.where(np.greater(z, _FAR), series, gammaln(near + x) - gammaln(near))


def rising_at(z: Any, counts: Levels, more: int = 0) -> Floats:
    """`log_rising` by x + `more` for the x of each row; taken once for each distinct count where z is a number."""
    if np.ndim(z) == 0:
        return log_rising(z, counts.values + more)[counts.codes]
    return log_rising(z, counts.column + more)


def slope_rising(z: Any, x: Floats) -> Floats:
    """Derivative of `log_rising` by z."""
    far, near = np.maximum(z, _FAR), np.minimum(z, _FAR)
    series = np.log1p(x / far) + (1 / far - 1 / (far + x)) / 2 + (1 / far**2 - 1 / (far + x) ** 2) / 12
    return np.where(np.greater(z, _FAR), series, digamma(near + x) - digamma(near))


def log_odds_left(chances: Floats, columns: Sequence[Floats], parameters: tuple[Any, ...]) -> Floats:
    """log of P(left) / P(alive): a / (b+k-1) * ((alpha+T) / (alpha+t_x))^(r+x); minus infinity where k = 0.

    chances: k, (n,); columns: frequency, recency and tenure, (n,) each.
    """
    r, alpha, a, b = parameters
    frequency, recency, tenure = columns
    idle = np.log1p(np.maximum(tenure - recency, 0.0) / (alpha + recency))
    odds = np.log(a) - np.log(np.maximum(chances - 1, 0.0) + b) + (r + frequency) * idle
    return np.where(chances > 0, odds, -np.inf)
