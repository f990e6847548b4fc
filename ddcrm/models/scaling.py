"""A scale in which columns of different units and shapes can be compared."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SKEWED = 1.0


class Scale(NamedTuple):
    """Standard deviations from the mean, of the logarithm where a column is skewed; each of shape (columns,)."""

    logged: NDArray[np.bool_]
    mean: Floats
    spread: Floats

    @classmethod
    def of(cls, values: Floats) -> Scale:
        """The scale of a population, shape (n, columns): skewness beyond 1, either way, asks for the logarithm."""
        logged = np.array([abs(_skewness(column)) > _SKEWED for column in values.T])
        straight = _straightened(values, logged)
        mean, spread = straight.mean(axis=0), straight.std(axis=0)
        constant = spread <= 1e-12 * np.maximum(np.abs(mean), 1.0)
        return cls(logged, mean, np.where(constant, 1.0, spread))

    def apply(self, values: Floats) -> Floats:
        """Values, shape (n, columns), in this scale."""
        return (_straightened(values, self.logged) - self.mean) / self.spread

    def undo(self, scaled: Floats) -> Floats:
        """The values in their own units again."""
        values = scaled * self.spread + self.mean
        values[:, self.logged] = np.sign(values[:, self.logged]) * np.expm1(np.abs(values[:, self.logged]))
        return values


def _straightened(values: Floats, logged: NDArray[np.bool_]) -> Floats:
    """sign(x) log(1 + |x|) in the columns that are `logged`: 0 stays 0, and refunds may outweigh purchases."""
    straight = values.astype(np.float64)
    for column in np.flatnonzero(logged):
        straight[:, column] = np.sign(values[:, column]) * np.log1p(np.abs(values[:, column]))
    return straight


def _skewness(column: Floats) -> float:
    """Third moment over the standard deviation's cube; 0 for a constant."""
    away = column - column.mean()
    largest = float(np.abs(away).max(initial=0.0))
    if largest <= 1e-12 * max(abs(float(column.mean())), 1e-300):
        return 0.0
    away /= largest  # powers of large amounts would lose the small ones
    return float(np.mean(away**3) / np.mean(away**2) ** 1.5)
