"""Intervals of value: what a customer will spend within the horizon lies in them with a probability of LEVEL.

Two kinds of not knowing come together: the models' parameters are estimates (drawn from the normal distribution of
their logarithms, by `vcov_`), and the customer may have left, buy more or less often, spend more or less.

Given that a customer is alive, spend is S = (v + x z) B: B depends on the frequency x and the tenure T only, not on
recency nor on the mean spend z. So B is simulated on a grid of (x, T), never customer by customer, and only where there
are customers; its quantiles are kept, and each customer's are interpolated. With P(alive) = a the quantile of level u
of the mixture is the quantile of level 1 - (1 - u) / a of S. Memory does not grow with the number of customers but for
the result; the seed is the version of the champion and the cell, so that no cell depends on which others are asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddcrm.models.champion import LEVEL
from ddcrm.models.gamma_gamma import spent_again

Floats = NDArray[np.float64]
Place = tuple[NDArray[np.intp], Floats]

DRAWS = 8192  # simulated customers in each cell of the grid
_LEVELS = 512  # intervals between the quantiles that are kept of them
_TENURES = 10  # nodes of the grid
_SCALES = (0.0, 0.5, 1.0)  # nodes of the part v / (v + x z): how much of what is known of spend is the population's
_MOST = 1e6  # purchases that a draw of the parameters may expect
_CHUNK = 65_536


class SpendIntervals:
    """The interval of each customer, for models of purchases and of spend and a horizon."""

    def __init__(
        self, models: tuple[Any, Any], frequency: Floats, tenure: Floats, horizon: float, seed: str, draws: int = DRAWS
    ) -> None:
        """models: of purchases and of spend; frequency, tenure: of all who will be asked for, in units, as horizon."""
        purchases, spend = models
        self.alpha, self.v = float(purchases.alpha_), float(spend.v_)
        self.counts = _count_nodes(int(frequency.max(initial=0)))
        self.ages = np.unique(np.linspace(self._age(0.0), self._age(tenure.max(initial=0)), _TENURES))
        entropy = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
        chance = np.random.default_rng(entropy)
        drawn = _parameters(purchases, draws, chance), _parameters(spend, draws, chance)
        asked = self._asked(frequency, tenure)
        self.worth = np.zeros((*asked.shape, len(_SCALES), _LEVELS + 1))  # zeros have no weight wherever they are read
        self.nothing = np.zeros(asked.shape)
        for i, j in np.argwhere(asked):
            chance = np.random.default_rng([entropy, i, j])
            history = self.counts[i], max(float(np.exp(self.ages[j])) - self.alpha, 0.0)
            bought = _bought(purchases, drawn[0], history, horizon, chance)
            self._keep(i, j, bought, drawn[1], chance)

    def _age(self, tenure: Any) -> Any:
        """The scale on which tenures are interpolated."""
        return np.log(tenure + self.alpha)

    def _places(self, frequency: Floats, tenure: Floats) -> tuple[Place, Place]:
        """Where customers lie in the grid."""
        return _between(np.log1p(self.counts), np.log1p(frequency)), _between(self.ages, self._age(tenure))

    def _asked(self, frequency: Floats, tenure: Floats) -> NDArray[np.bool_]:
        """The cells of the grid that some customer's ends are interpolated from."""
        asked = np.zeros((len(self.counts), len(self.ages)), dtype=bool)
        for start in range(0, len(frequency), _CHUNK):
            part = slice(start, start + _CHUNK)
            for index, weight in _corners(asked, self._places(frequency[part], tenure[part])):
                asked.reshape(-1)[index[weight > 0]] = True
        return asked

    def _keep(self, i: int, j: int, bought: Floats, spend: Mapping[str, Floats], chance: np.random.Generator) -> None:
        """The quantiles of B for customers of a cell who will buy so often; x = 0 leaves nothing known of spend."""
        count, v = self.counts[i], spend["v"] / self.v
        worth = chance.standard_gamma(np.where(bought > 0, spend["p"] * bought, 1.0)) * (bought > 0)
        worth /= chance.standard_gamma(spend["q"] + spend["p"] * count)
        for k, scale in enumerate(_SCALES):
            if count or scale == 1:
                self.worth[i, j, k] = _quantiles(worth * (scale * v + 1 - scale))
        self.nothing[i, j] = np.mean(bought == 0)

    def of(self, frequency: Floats, tenure: Floats, mean_spend: Floats, p_alive: Floats) -> tuple[Floats, Floats]:
        """Lower and upper end, (n,) each, in the unit of money, undiscounted.

        mean_spend: of the repeat purchases, below zero counted as zero; NaN where there are none. Whoever buys nothing
        with a probability of 5 % or more has zero as the lower end, and then the upper end alone bounds LEVEL.
        """
        low, high = np.empty(len(frequency)), np.empty(len(frequency))
        for start in range(0, len(frequency), _CHUNK):
            part = slice(start, start + _CHUNK)
            low[part], high[part] = self._chunk(frequency[part], tenure[part], mean_spend[part], p_alive[part])
        return low, high

    def _chunk(self, x: Floats, tenure: Floats, z: Floats, alive: Floats) -> tuple[Floats, Floats]:
        total, places = spent_again(x, z), self._places(x, tenure)
        scale = _even(self.v / (self.v + total), len(_SCALES) - 1)
        nothing = 1 - alive * (1 - _interpolated(self.nothing, places))
        bounded = nothing < (1 - LEVEL) / 2
        ends = []
        for level in (np.where(bounded, (1 - LEVEL) / 2, 0.0), np.where(bounded, (1 + LEVEL) / 2, LEVEL)):
            given = 1 - (1 - level) / np.maximum(alive, 1e-12)
            at = _even(np.clip(given, 0.0, 1.0), _LEVELS)
            worth = _interpolated(self.worth, (*places, scale, at))
            ends.append(np.where((given > 0) & (level > 0), worth * (self.v + total), 0.0))
        return ends[0], ends[1]


def _quantiles(values: Floats) -> Floats:
    """`numpy.quantile` at all levels, to the bit: with so many of them one sort takes a tenth of its time."""
    ordered = np.sort(values)
    at = np.linspace(0, 1, _LEVELS + 1) * (len(ordered) - 1)
    below = np.minimum(at.astype(np.intp), len(ordered) - 2)
    low, high, far = ordered[below], ordered[below + 1], at - below
    step = high - low
    return np.where(far < 0.5, low + step * far, high - step * (1 - far))


def _count_nodes(most: int) -> Floats:
    """Frequencies of the grid: all small ones, then each three tenths greater than the one before."""
    nodes = [0.0]
    while nodes[-1] < most:
        nodes.append(min(float(most), max(nodes[-1] + 1, np.ceil(nodes[-1] * 1.3))))
    return np.array(nodes)


def _parameters(model: Any, size: int, chance: np.random.Generator) -> Mapping[str, Floats]:
    """Draws of the parameters by name, (size,) each: normal in the logarithms; the estimates without `vcov_`."""
    values = np.array([getattr(model, f"{name}_") for name in model._parameters])
    spread = getattr(model, "vcov_", None)
    moves = np.zeros((size, len(values)))
    if spread is not None:
        variances, axes = np.linalg.eigh(np.asarray(spread) / np.outer(values, values))
        moves = chance.standard_normal(moves.shape) * np.sqrt(np.maximum(variances, 0.0)) @ axes.T
    return dict(zip(model._parameters, (values * np.exp(moves)).T, strict=True))


def _bought(
    model: Any, drawn: Mapping[str, Floats], history: tuple[float, float], horizon: float, chance: np.random.Generator
) -> Floats:
    """Purchases within the horizon of customers who are alive after so many repeat purchases in so long a tenure.

    Rate and dropout are drawn from what they are given that past, as the model says it: lambda ~ Gamma(r + x,
    alpha + T); mu ~ Gamma(s, beta + T), or p ~ Beta(a, b + x), of MBG/NBD Beta(a, b + x + 1).
    """
    shape, time, *dropout = model._posterior(*history, tuple(drawn[name] for name in model._parameters))
    rate = chance.standard_gamma(shape) / time
    if "s" in drawn:
        leaving = chance.standard_gamma(dropout[0]) / dropout[1]
        stays = np.minimum(chance.standard_exponential(len(rate)) / np.maximum(leaving, 1e-300), horizon)
        return chance.poisson(np.minimum(rate * stays, _MOST)).astype(np.float64)
    leaves = np.clip(chance.beta(*dropout), 1e-9, 1.0)
    return np.minimum(chance.poisson(np.minimum(rate * horizon, _MOST)), chance.geometric(leaves)).astype(np.float64)


def _between(nodes: Floats, values: Floats) -> Place:
    """The node below each value, and how far it is to the next one."""
    if len(nodes) == 1:
        return np.zeros(len(values), dtype=np.intp), np.zeros(len(values))
    below = np.clip(np.searchsorted(nodes, values, side="right") - 1, 0, len(nodes) - 2)
    return below, np.clip((values - nodes[below]) / (nodes[below + 1] - nodes[below]), 0.0, 1.0)


def _even(values: Floats, last: int) -> Place:
    """The same for nodes 0, 1/last, ..., 1."""
    below = np.minimum((values * last).astype(np.intp), last - 1)
    return below, values * last - below


def _interpolated(table: Floats, places: tuple[Place, ...]) -> Floats:
    """Multilinear interpolation: the sum over the corners of each value's cell."""
    flat, total = table.reshape(-1), np.zeros(len(places[0][0]))
    for index, weight in _corners(table, places):
        total += weight * flat[index]
    return total


def _corners(table: NDArray[Any], places: tuple[Place, ...]) -> Iterator[Place]:
    """Each corner of the values' cells: its index in the flat table, and its weight."""
    strides = [stride // table.itemsize for stride in table.strides]
    for corner in range(2 ** len(places)):
        index, weight = np.zeros(len(places[0][0]), dtype=np.intp), np.ones(len(places[0][0]))
        for axis, (below, far) in enumerate(places):
            upper = corner >> axis & 1 and table.shape[axis] > 1
            index += (below + upper) * strides[axis]
            weight *= far if corner >> axis & 1 else 1 - far
        yield index, weight
