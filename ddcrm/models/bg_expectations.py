"""What the beta-geometric models, BG/NBD and MBG/NBD, expect: purchases of who is alive, counts of new ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaln, gammaln

from ddcrm.models.base import Floats, Levels
from ddcrm.models.beta import beta_nodes

_BLOCK = 4096  # customers in one go: the block times the nodes stays in the processor's cache
_LOGIT_STEP = 0.35  # at most, and where the density is narrow so much of its width: some 10 digits


def expected_if_alive(
    counts: Levels, horizon: Floats, parameters: tuple[Any, ...], first_chance: int = 0, cap: Floats | None = None
) -> Floats:
    """Expected purchases of customers who are alive, over `horizon` = t / (alpha+T), shape (n,).

    Alive after x purchases and k chances to leave, lambda ~ Gamma(r+x, alpha+T) and p ~ Beta(a, b+k), and they give
    (1 - exp(-lambda p t)) / p purchases in t. Over lambda that is (1 - (1 + p horizon)^-(r+x)) / p; its expectation
    over p is Euler's integral of the 2F1 in Fader, Hardie & Lee (2005), eq. 10. Nothing in it cancels or overflows,
    and a = 1 is no special case. counts: x of each customer; first_chance: k - x;
    cap: horizons beyond which less precision will do, see `discounted_cap`. Where a and b are (n,), see
    `_expected_of_each`.
    """
    r, _, a, b = parameters
    if np.ndim(a) or np.ndim(b):
        return _expected_of_each(counts.column, horizon, parameters, first_chance)
    ahead = np.empty(len(horizon))
    sizes = _nodes_needed(horizon if cap is None else np.minimum(horizon, cap))
    order = np.lexsort((sizes, counts.codes))
    changes = np.flatnonzero(np.diff(counts.codes[order]) | np.diff(sizes[order])) + 1
    for rows in np.split(order, changes) if len(order) else ():
        frequency, size = counts.values[counts.codes[rows[0]]], int(sizes[rows[0]])
        nodes, weights = beta_nodes(a, b + frequency + first_chance, size)
        for block in np.split(rows, range(_BLOCK, len(rows), _BLOCK)):
            ahead[block] = _mean_purchases(horizon[block], r + frequency, nodes, weights)
    return ahead


def _expected_of_each(frequency: Floats, horizon: Floats, parameters: tuple[Any, ...], first_chance: int = 0) -> Floats:
    """The same as `expected_if_alive` for customers who differ in a and b, (n,).

    No Gauss rule can be shared then: a trapezoid sum in logit(p) instead, where the integrand is analytic in a strip.
    G(p) = (1 - (1 + p horizon)^-(r+x)) / p is taken less the line from G(0) to G(1), whose expectation is known: so the
    rest dies away on both sides however small a and b are.
    """
    r, _, a, b = parameters
    columns = np.broadcast_arrays(horizon, r + frequency, a, b + frequency + first_chance)
    ahead = np.empty(len(horizon))
    for start in range(0, len(horizon), _BLOCK):
        ahead[start : start + _BLOCK] = _mean_of_each(*(column[start : start + _BLOCK] for column in columns))
    return ahead


def _mean_of_each(horizon: Floats, power: Floats, a: Floats, b: Floats) -> Floats:
    at_0, at_1 = power * horizon, -np.expm1(-power * np.log1p(horizon))
    start, step, size = _logit_grid(at_0, a + 1, b + 1)
    odds = np.exp(start + step * np.arange(size)[:, None])
    p, stays = odds / (1 + odds), 1 / (1 + odds)
    rest = -np.expm1(-power * np.log1p(horizon * p)) / p - at_0 * stays - at_1 * p
    density = np.exp(a * np.log(p) + b * np.log(stays) - betaln(a, b))
    return (at_0 * b + at_1 * a) / (a + b) + step * np.einsum("ij,ij->j", density, rest)


def _logit_grid(at_0: Floats, a: Floats, b: Floats) -> tuple[Floats, Floats, int]:
    """First point, step, (n,) each, and number of points of a grid that holds all but e^-37 of Beta(a, b), a, b > 1.

    From the peak at log(a/b) with curvature ab/(a+b) the logarithm of the density falls by at least curvature times
    (e^-d + d - 1) within d, and on the left by at least a d - (a+b) log(1 + a/b).
    """
    level, both = 37 + np.log1p(at_0), a + b
    curvature = a * b / both
    wide = level / curvature + np.sqrt(2 * level / curvature)
    left = np.minimum(wide, (level + both * np.log(both / b)) / a)
    right = np.minimum(wide, (level + both * np.log(both / a)) / b)
    size = int(np.ceil(np.max((left + right) / (_LOGIT_STEP * np.minimum(1.0, 1.4 / np.sqrt(curvature)))))) + 1
    return np.log(a / b) - left, (left + right) / (size - 1), size


def _mean_purchases(horizon: Floats, power: float, nodes: Floats, weights: Floats) -> Floats:
    purchases = -np.expm1(-power * np.log1p(np.multiply.outer(horizon, nodes)))
    return np.einsum("ij,j->i", purchases, weights / nodes)  # not BLAS: its sums depend on the number of threads


def _nodes_needed(horizon: Floats) -> NDArray[np.int64]:
    """Nodes for some 10 digits: the integrand's pole at p = -1/horizon sets how fast the quadrature converges."""
    wanted = np.minimum(12 + 22 * np.sqrt(horizon), 1024)
    return np.ceil(2 ** (np.ceil(2 * np.log2(wanted)) / 2)).astype(np.int64)


def expected_ahead(
    counts: Levels, ages: Floats, parameters: tuple[Any, ...], first_chance: int, rate: float, t: float
) -> Floats:
    """`expected_if_alive` within t at ages alpha+T, (n,), to be discounted at `rate`."""
    return expected_if_alive(counts, t / ages, parameters, first_chance, discounted_cap(rate, ages))


def discounted_cap(rate: float, ages: Floats) -> Floats:
    """The horizon t / (alpha+T) whose nodes do for all longer ones, once they are discounted at `rate`.

    The error of n nodes falls as exp(-4 n / sqrt(horizon)), the discount as exp(-rate t): the worst of their product
    over t is within what a horizon of 1 / (rate (alpha+T)) has (1e-8, measured). ages: alpha+T, (n,).
    """
    return np.full(len(ages), np.inf) if rate == 0 else 1 / (rate * ages)


def count_probabilities(t: float, counts: Floats, parameters: tuple[Any, ...], first_chance: int = 0) -> Floats:
    """P(X(t) = x) of a new customer, in the common shape of `counts` (x) and parameters.

    Fader, Hardie & Lee (2005), eq. 8.

    Who never leaves buys as NBD has it; who leaves at the x-th purchase would have bought x times or more.
    first_chance: 1 where the first purchase is a chance to leave (MBG/NBD), else 0.
    """
    r, alpha, a, b = parameters
    chances, share = counts + first_chance, t / (alpha + t)
    stays = np.exp(betaln(a, b + chances) - betaln(a, b))
    ways = gammaln(r + counts) - gammaln(r) - gammaln(counts + 1) - r * np.log1p(t / alpha)
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 purchases in no time: 0 * log(0)
        exactly = np.exp(ways + np.where(counts > 0, counts * np.log(share), 0.0))
    leaves = np.exp(betaln(a + 1, b + np.maximum(chances - 1, 0)) - betaln(a, b))
    at_least = np.where(counts > 0, betainc(np.maximum(counts, 1.0), r, share), 1.0)
    return stays * exactly + np.where(chances > 0, leaves * at_least, 0.0)
