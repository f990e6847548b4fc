"""The champion of a training: which method speaks for value, purchases and P(alive), and through which models."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEVEL = 0.9  # of all intervals
_BANDS, _LEAST = 10, 100  # bands of predictions at most; customers in a band at least


@dataclass
class Champion:
    """method: of the expected value; orders: of the expected purchases; alive: the model of P(alive), if there is one.

    versions: the version of each model that these need, from the same training. bands: intervals of a method that is
    no model of chance; None where the models themselves give them. days: of the holdout, on which all were judged.
    """

    method: str
    orders: str
    alive: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    bands: Bands | None = None
    days: int = 90


@dataclass
class Bands:
    """Conformal intervals: in bands of the prediction, the quantiles of what came of it in the back-test.

    edges: upper ends of all bands of positive predictions but the last. low, high: what came, divided by the
    prediction, for each band. nothing: upper end where nothing was predicted. days: of the holdout.
    """

    edges: Floats
    low: Floats
    high: Floats
    nothing: float
    days: int

    @classmethod
    def learned(cls, predicted: Floats, actual: Floats, days: int) -> Bands:
        """From predictions, (n,), and what came, (n,).

        Split conformal: the ends are order statistics of (n + 1) LEVEL of a band's n customers, so that the next one
        like them is inside with at least that probability. Where 5 % or more came to nothing the lower end is zero.
        """
        some = predicted > 0
        ratio, scale = actual[some] / predicted[some], predicted[some]
        bands = max(min(_BANDS, len(scale) // _LEAST), 1)
        edges = np.unique(np.quantile(scale, np.arange(1, bands) / bands)) if len(scale) else np.empty(0)
        place = np.searchsorted(edges, scale, side="left")
        ends = [_ends(ratio[place == band]) for band in range(len(edges) + 1)]
        low, high = (np.array(each, dtype=np.float64) for each in zip(*ends, strict=True))
        return cls(edges, low, high, _ends(actual[~some], floor=True)[1], days)

    def of(self, predicted: Floats, days: float) -> tuple[Floats, Floats]:
        """Lower and upper ends, (n,) each, of predictions for so many days.

        A prediction for another number of days than the holdout's is taken to be as uncertain, in proportion, as one
        for the holdout: that is more than it is for a longer period.
        """
        scale = self.days / days
        place = np.searchsorted(self.edges, predicted * scale, side="left")
        high = np.where(predicted > 0, predicted * self.high[place], self.nothing / scale)
        return predicted * self.low[place], high


def _ends(values: Floats, floor: bool = False) -> tuple[float, float]:
    """The ends of LEVEL among what came; zeros where there is nobody. floor: the lower end is zero."""
    n, ordered = len(values), np.sort(values)
    if n == 0:
        return 0.0, 0.0
    bounded = not floor and np.count_nonzero(values <= 0) < (1 - LEVEL) / 2 * n
    lower, upper = ((1 - LEVEL) / 2, (1 + LEVEL) / 2) if bounded else (0.0, LEVEL)
    at = [int(np.floor(lower * (n + 1))) - 1, min(int(np.ceil(upper * (n + 1))), n) - 1]
    return (float(ordered[at[0]]) if at[0] >= 0 else 0.0), float(ordered[at[1]])
