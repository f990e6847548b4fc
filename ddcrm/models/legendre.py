"""Gauss-Legendre quadrature over [0, 1]."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@lru_cache(maxsize=256)
def legendre_nodes(size: int) -> tuple[Floats, Floats]:
    """Nodes and weights with sum(weights * g(nodes)) = integral of g over [0, 1], exact for degree < 2 size."""
    nodes, weights = np.polynomial.legendre.leggauss(size)
    return (nodes + 1) / 2, weights / 2
