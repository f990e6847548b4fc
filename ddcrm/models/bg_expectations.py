"""What the beta-geometric models, BG/NBD and MBG/NBD, expect: purchases of who is alive, counts of new ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaln, gammaln

from ddcrm.models.base import Floats, Levels
from ddcrm.models.beta import beta_nodes

_BLOCK = 4096  # customers in one go: the block times the nodes stays in the processor's cache


def expected_if_alive(
    counts: Levels, horizon: Floats, parameters: tuple[float, ...], first_chance: int = 0, cap: Floats | None = None
) -> Floats:
    """Expected purchases of customers who are alive, over `horizon` = t / (alpha+T), shape (n,).

    Alive after x purchases and k chances to leave, lambda ~ Gamma(r+x, alpha+T) and p ~ Beta(a, b+k), and they give
    (1 - exp(-lambda p t)) / p purchases in t. Over lambda that is (1 - (1 + p horizon)^-(r+x)) / p; its expectation
    over p is Euler's integral of the 2F1 in Fader, Hardie & Lee (2005), eq. 10. Nothing in it cancels or overflows,
    and a = 1 is no special case. counts: x of each customer; first_chance: k - x;
    cap: horizons beyond which less precision will do, see `discounted_cap`.
    """
    r, _, a, b = parameters
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


def _mean_purchases(horizon: Floats, power: float, nodes: Floats, weights: Floats) -> Floats:
    purchases = -np.expm1(-power * np.log1p(np.multiply.outer(horizon, nodes)))
    return np.einsum("ij,j->i", purchases, weights / nodes)  # not BLAS: its sums depend on the number of threads


def _nodes_needed(horizon: Floats) -> NDArray[np.int64]:
    """Nodes for some 10 digits: the integrand's pole at p = -1/horizon sets how fast the quadrature converges."""
    wanted = np.minimum(12 + 22 * np.sqrt(horizon), 1024)
    return np.ceil(2 ** (np.ceil(2 * np.log2(wanted)) / 2)).astype(np.int64)


def discounted_cap(rate: float, ages: Floats) -> Floats:
    """The horizon t / (alpha+T) whose nodes do for all longer ones, once they are discounted at `rate`.

    The error of n nodes falls as exp(-4 n / sqrt(horizon)), the discount as exp(-rate t): the worst of their product
    over t is within what a horizon of 1 / (rate (alpha+T)) has (1e-8, measured). ages: alpha+T, (n,).
    """
    return np.full(len(ages), np.inf) if rate == 0 else 1 / (rate * ages)


def count_probabilities(t: float, counts: Floats, parameters: tuple[float, ...], first_chance: int = 0) -> Floats:
    """P(X(t) = x) of a new customer for each x in `counts`; Fader, Hardie & Lee (2005), eq. 8.

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
