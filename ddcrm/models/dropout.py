"""Expectations over the time at which a Pareto/NBD customer left, by one quadrature.

Given the history, a customer either left at a time y after the last purchase, or is still there at the end of the
observation, D after it. With p = r+x, A = alpha+t_x and B = beta+t_x these weigh

    s/(B+y) (1+y/A)^-p (1+y/B)^-s dy  for 0 < y < D,   and   (1+D/A)^-p (1+D/B)^-s

(Fader & Hardie 2005, "A Note on Deriving the Pareto/NBD Model and Related Expressions", before they turn the integral
into two 2F1). Both are positive, so nothing cancels; the likelihood is the logarithm of their sum, its gradient
consists of expectations under them, and alpha = beta is no special case. Gauss-Legendre nodes in log(1 + y/min(A, B))
converge fast, because the integrand is analytic in a strip of half-width pi around that axis.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddcrm.models.legendre import legendre_nodes

Floats = NDArray[np.float64]

_BLOCK = 1024  # rows in one go: the block times the nodes stays in the processor's cache
_PART = 2**18  # rows whose blocks are made up together
_NEGLIGIBLE = 36.0  # e^-36 of the whole is left out where the integrand has died away
_MOST_NODES = 256


@dataclass(frozen=True)
class Histories:
    """One row a history: p = r+x, A = alpha+t_x, B = beta+t_x, D = T-t_x, shape (n,) each; s is the same for all."""

    power: Floats
    s: float
    A: Floats
    B: Floats
    D: Floats


@dataclass(frozen=True)
class Dropout:
    """How the time of leaving is distributed, (n,) each.

    log_total: logarithm of the sum of both weights; log_alive: of the weight of being there at the end; gone: P(left).
    """

    log_total: Floats
    log_alive: Floats
    gone: Floats


@dataclass(frozen=True)
class Slopes:
    """Expectations for the gradient, (n,) each; tau is the time of leaving or, for who is there, D, after t_x.

    log_a: E log(1+tau/A); log_b: E log(1+tau/B); per_a: E 1/(A+tau); per_b: E 1/(B+tau); gone_per_b: the part of it
    that comes from those who left.
    """

    log_a: Floats
    log_b: Floats
    per_a: Floats
    per_b: Floats
    gone_per_b: Floats


def dropout(rows: Histories) -> Dropout:
    """The distribution of the time of leaving, to some 12 digits; beside the answer no memory grows with n."""
    found = Dropout(*(np.empty(len(rows.D)) for _ in range(3)))
    for start in range(0, len(rows.D), _PART):
        part = slice(start, start + _PART)
        some = Histories(rows.power[part], rows.s, rows.A[part], rows.B[part], rows.D[part])
        done = _dropout(some, _integrals(some, slopes=False)[0])
        found.log_total[part], found.log_alive[part], found.gone[part] = done.log_total, done.log_alive, done.gone
    return found


def dropout_slopes(rows: Histories) -> tuple[Dropout, Slopes]:
    """The same, and the expectations that its gradient consists of."""
    left, near, far, per_near, per_far = _integrals(rows, slopes=True)
    found = _dropout(rows, left)
    total, alive = np.exp(found.log_total), np.exp(found.log_alive)
    swap = rows.A >= rows.B
    by_a, by_b = np.where(swap, far, near), np.where(swap, near, far)
    per_a, per_b = np.where(swap, per_far, per_near) / total, np.where(swap, per_near, per_far) / total
    there = alive / total
    slopes = Slopes(
        log_a=by_a / total + there * np.log1p(rows.D / rows.A),
        log_b=by_b / total + there * np.log1p(rows.D / rows.B),
        per_a=per_a + there / (rows.A + rows.D),
        per_b=per_b + there / (rows.B + rows.D),
        gone_per_b=per_b,
    )
    return found, slopes


def _dropout(rows: Histories, left: Floats) -> Dropout:
    log_alive = -rows.power * np.log1p(rows.D / rows.A) - rows.s * np.log1p(rows.D / rows.B)
    total = np.exp(log_alive) + left
    return Dropout(np.log(total), log_alive, left / total)


def _integrals(rows: Histories, slopes: bool) -> Floats:
    """Integrals over the time of leaving of 1 and, with `slopes`, of log(1+y/near), log(1+y/far), 1/(near+y) and
    1/(far+y), where `near` is the smaller of A and B; shape (5 or 1, n).
    """
    near, far = np.minimum(rows.A, rows.B), np.maximum(rows.A, rows.B)
    end = _reach(rows)
    span = np.log1p(end / near)
    by_purchase = rows.A < rows.B
    powers = np.where(by_purchase, rows.power, rows.s), np.where(by_purchase, rows.s, rows.power)
    decay = powers[0] * span + powers[1] * np.log1p(end / far)
    sums = np.empty((5 if slopes else 1, len(near)))
    for size, part in _by_size(_nodes_needed(span, decay)):
        columns = [column[part] for column in (near, far, *powers, span)]
        sums[:, part] = _block(columns, by_purchase[part], rows.s, size, slopes)
    return sums


def _reach(rows: Histories) -> Floats:
    """How far the integral has to go: to D, or until the rest is negligible beside the whole."""
    level = _NEGLIGIBLE + np.log1p(rows.power * np.maximum(1.0, rows.B / rows.A) / rows.s)
    bought = rows.A * np.expm1(np.minimum(level / rows.power, 300.0))
    gone = rows.B * np.expm1(np.minimum(level / rows.s, 300.0))
    return np.minimum(rows.D, np.minimum(bought, gone))


def _nodes_needed(span: Floats, decay: Floats) -> NDArray[np.int16]:
    """Nodes for 12 digits: more where the integrand falls by more, and where the axis is longer than its strip."""
    wanted = np.maximum(4 + 3 * np.sqrt(decay) + span, 4 + 3 * span)
    return (2 * np.ceil(np.minimum(wanted, _MOST_NODES) / 2)).astype(np.int16)


def _by_size(sizes: NDArray[np.int16]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Rows that need the same number of nodes, block by block."""
    order = np.argsort(sizes, kind="stable")
    changes = np.flatnonzero(np.diff(sizes[order])) + 1
    for group in np.split(order, changes) if len(order) else ():
        for start in range(0, len(group), _BLOCK):
            yield int(sizes[group[0]]), group[start : start + _BLOCK]


def _block(columns: list[Floats], by_purchase: NDArray[np.bool_], s: float, size: int, slopes: bool) -> Floats:
    near, far, near_power, far_power, span = columns
    nodes, weights = legendre_nodes(size)
    axis = np.multiply.outer(nodes, span)
    y = near * np.expm1(axis)
    log_far, beyond = np.log1p(y / far), far + y
    density = np.exp(-near_power * axis - far_power * log_far)
    density *= np.where(by_purchase, (near + y) / beyond, 1.0)  # dropout is uniform in log(B+y), the axis may be A's
    density *= np.multiply.outer(weights, s * span)
    if not slopes:
        return density.sum(axis=0, keepdims=True)
    parts = (axis, log_far, 1 / (near + y), 1 / beyond)
    return np.array([density.sum(axis=0), *(np.einsum("ij,ij->j", density, part) for part in parts)])
