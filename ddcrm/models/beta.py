"""Expectations over a beta distribution by Gauss quadrature."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal

Floats = NDArray[np.float64]


@lru_cache(maxsize=2048)
def beta_nodes(a: float, b: float, size: int) -> tuple[Floats, Floats]:
    """Nodes and weights with sum(weights * g(nodes)) = E[g(p)] for p ~ Beta(a, b), exact for degree < 2 size.

    They are the eigenvalues, and the squares of the eigenvectors' first entries, of the matrix of the recurrence of
    the Jacobi polynomials on [0, 1] (Golub & Welsch 1969). Weights are positive and sum to 1, whatever a and b > 0.
    Both arrays are kept for the next call and can't be written to.
    """
    diagonal, beside = _jacobi_recurrence(a, b, size)
    nodes, vectors = eigh_tridiagonal(diagonal, beside)
    found: tuple[Floats, Floats] = np.clip(nodes, float(np.finfo(float).tiny), 1.0), vectors[0] ** 2
    for array in found:
        array.flags.writeable = False
    return found


def _jacobi_recurrence(a: float, b: float, size: int) -> tuple[Floats, Floats]:
    k, c = np.arange(1.0, size), a + b
    even = 2 * k + c
    first = np.array([a / c])
    diagonal = np.concatenate([first, 0.5 + (a - b) * (c - 2) / (2 * (even - 2) * even)])
    with np.errstate(divide="ignore", invalid="ignore"):  # k = 1 is 0/0 where c = 1, and is put right below
        squares = k * (k + a - 1) * (k + b - 1) * (k + c - 2) / ((even - 2) ** 2 * (even - 1) * (even - 3))
    squares[:1] = a * b / (c**2 * (c + 1))
    return diagonal, np.sqrt(squares)
