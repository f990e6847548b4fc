"""What Pareto/NBD expects: purchases of who is alive, also discounted, and counts of new customers.

Who is alive after a history is a new customer with r+x, alpha+T, s and beta+T for r, alpha, s and beta: `parameters`
are either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import exprel, gammaln

from ddcrm.models.base import Floats, levels_of
from ddcrm.models.legendre import legendre_nodes

_NEGLIGIBLE = 40.0  # e^-40 of the greatest is left out of an integral
_BLOCK = 1024
_GRID = 256  # where to look for the peak of an integrand


def expected_if_alive(parameters: tuple[Any, ...], t: Any) -> Floats:
    """Expected purchases in t, in the common shape of t and the parameters; Fader & Hardie (2005), eq. 27 and 41.

    r beta / (alpha (s-1)) * (1 - (beta / (beta+t))^(s-1)), written so that s = 1 is no special case.
    """
    r, alpha, s, beta = parameters
    ahead = np.log1p(t / beta)
    return np.asarray(r * beta / alpha * ahead * exprel((1 - s) * ahead))


def discounted_if_alive(parameters: tuple[Any, ...], rate: float, t: float) -> Floats:
    """Expected purchases in t (which may be infinite), discounted at a positive `rate`, shape (n,).

    r / alpha * integral of exp(-rate u) (beta / (beta+u))^s du over [0, t], which without an end is the Psi of Fader,
    Hardie & Lee (2005), RFM and CLV, Journal of Marketing Research 42(4); taken once for each distinct beta.
    """
    r, alpha, s, beta = parameters
    scales = levels_of(np.atleast_1d(np.asarray(beta, dtype=np.float64)))
    parts = range(0, len(scales.values), _BLOCK)
    times = [_discounted_time(scales.values[start : start + _BLOCK], s, rate, t) for start in parts]
    return r / alpha * np.concatenate(times or [np.empty(0)])[scales.codes]


def _discounted_time(beta: Floats, s: float, rate: float, t: float) -> Floats:
    """The integral above without r / alpha, by Gauss-Legendre in log(1 + u/beta), (n,)."""
    scaled = rate * beta
    span = np.minimum(np.log1p(t / beta), np.log1p(_NEGLIGIBLE / scaled))
    span = np.minimum(span, _NEGLIGIBLE / max(s - 1, 1e-300))
    nodes, weights = legendre_nodes(32 + 2 * int(np.ceil(3 * span.max(initial=0.0))))
    axis = np.multiply.outer(nodes, span)
    return beta * span * np.einsum("i,ij->j", weights, np.exp((1 - s) * axis - scaled * np.expm1(axis)))


def count_probabilities(t: float, counts: Floats, parameters: tuple[float, ...]) -> Floats:
    """P(X(t) = x) of a new customer for each x in `counts`; Fader & Hardie (2005), section 3.

    Who is there at t buys as NBD has it for t; who left at tau has bought as NBD has it for tau.
    """
    _, _, s, beta = parameters
    if t == 0:
        return np.where(counts == 0, 1.0, 0.0)
    stays = np.exp(_log_nbd(np.array([[t]]), counts, parameters)[0] - s * np.log1p(t / beta))
    return stays + np.exp(_log_nbd_of_leavers(t, counts, parameters))


def _log_nbd(t: Floats, counts: Floats, parameters: tuple[float, ...]) -> Floats:
    """log of the probability of each count in time t for who does not leave."""
    r, alpha, _, _ = parameters
    ways = gammaln(r + counts) - gammaln(r) - gammaln(counts + 1)
    return ways - r * np.log1p(t / alpha) - counts * np.log1p(alpha / t)


def _log_nbd_of_leavers(t: float, counts: Floats, parameters: tuple[float, ...]) -> Floats:
    """log of the probability of each count and of leaving before t."""
    _, alpha, s, beta = parameters
    near = min(alpha, beta)

    def integrand(axis: Floats) -> Floats:
        """Its logarithm at log(1 + tau/near), which is where the integral is taken."""
        tau = near * np.expm1(axis)
        leaves = np.log(s) - (s + 1) * np.log1p(tau / beta) + np.log((near + tau) / beta)
        return leaves + _log_nbd(tau, counts, parameters)

    start, end = _support(integrand, np.log1p(t / near), len(counts))
    nodes, weights = legendre_nodes(128)
    values = integrand(start + np.multiply.outer(nodes, end - start))
    top = values.max(axis=0)
    return top + np.log((end - start) * np.einsum("i,ij->j", weights, np.exp(values - top)))


def _support(integrand: Callable[[Floats], Floats], span: float, n: int) -> tuple[Floats, Floats]:
    """Between which ends, (n,) each, each of n integrands over [0, span] is not negligible: it has one peak."""
    grid = np.linspace(0, span, _GRID + 1)[1:]
    values = integrand(np.repeat(grid[:, None], n, axis=1))
    matters = values > values.max(axis=0) - _NEGLIGIBLE
    first, last = matters.argmax(axis=0), _GRID - 1 - matters[::-1].argmax(axis=0)
    return np.where(first > 0, grid[first - 1], 0.0), grid[np.minimum(last + 1, _GRID - 1)]
