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
_GRID = 128  # where to look for the peak of an integrand
_NODES = 64  # of the integral over it


def expected_if_alive(parameters: tuple[Any, ...], t: Any) -> Floats:
    """Expected purchases in t, in the common shape of t and the parameters; Fader & Hardie (2005).

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


def count_probabilities(t: float, counts: Floats, parameters: tuple[Any, ...]) -> Floats:
    """P(X(t) = x) of a new customer, in the common shape of `counts` (x) and the parameters; s is a number.

    Who is there at t buys as NBD has it for t; who left at tau has bought as NBD has it for tau. (For a closed form see
    Fader & Hardie 2020, "Deriving an Expression for P(X(t)=x) Under the Pareto/NBD Model".)
    """
    r, alpha, s, beta = parameters
    shape = np.broadcast_shapes(*(np.shape(part) for part in (counts, r, alpha, beta)))
    x, *kinds = (np.broadcast_to(part, shape).ravel() for part in (counts, r, alpha, beta))
    if t == 0:
        return np.where(x == 0, 1.0, 0.0).reshape(shape)
    found = np.empty(x.size)
    for start in range(0, x.size, _BLOCK):
        part = slice(start, start + _BLOCK)
        found[part] = _count_block(t, s, x[part], *(kind[part] for kind in kinds))
    return found.reshape(shape)


def _count_block(t: float, s: float, x: Floats, r: Floats, alpha: Floats, beta: Floats) -> Floats:
    ways = gammaln(r + x) - gammaln(r) - gammaln(x + 1)
    near = np.minimum(alpha, beta)

    def bought(tau: Any) -> Floats:
        """Logarithm of P(x purchases in tau) of who does not leave."""
        return ways - r * np.log1p(tau / alpha) - x * np.log1p(alpha / tau)

    def integrand(axis: Floats) -> Floats:
        """That of leaving at tau with x purchases, along log(1 + tau/near)."""
        tau = near * np.expm1(axis)
        return bought(tau) - (s + 1) * np.log1p(tau / beta) + np.log(s * ((near + tau) / beta))

    start, end = _support(integrand, np.log1p(t / near))
    nodes, weights = legendre_nodes(_NODES)
    values = integrand(start + np.multiply.outer(nodes, end - start))
    top = values.max(axis=0)
    left = np.exp(top) * (end - start) * np.einsum("i,ij->j", weights, np.exp(values - top))
    return left + np.exp(bought(t) - s * np.log1p(t / beta))


def _support(integrand: Callable[[Floats], Floats], span: Floats) -> tuple[Floats, Floats]:
    """Between which ends, (n,) each, each of n integrands over [0, span] is not negligible: it has one peak."""
    grid = np.multiply.outer(np.linspace(0, 1, _GRID + 1), span)
    values = integrand(grid[1:])
    matters = values > values.max(axis=0) - _NEGLIGIBLE
    first, last = matters.argmax(axis=0), _GRID - matters[::-1].argmax(axis=0)
    column = np.arange(len(span))
    return grid[first, column], grid[np.minimum(last + 1, _GRID), column]
