"""What the champion expects of each customer: purchases, value and its interval, and P(alive)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddcrm.features.units import YEAR_DAYS, Discount, in_units, model_times
from ddcrm.models.champion import Champion
from ddcrm.scoring.heuristics import LAST, RATE, last_period, rate_so_far, spend_so_far
from ddcrm.scoring.intervals import DRAWS, SpendIntervals
from ddcrm.scoring.models import ScoringModels
from ddcrm.scoring.value import DAYS_AHEAD, Outlook, expected_spend, outlook
from ddcrm.settings import ValueSettings

Floats = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]

REGRESSION = "regression_365d"
"""The regression through which a champion speaks, if it is one."""


@dataclass(frozen=True)
class Forecast:
    """What is expected of each customer, (n,) each: P(alive), purchases by days ahead, discounted spend of the horizon.

    low, high: the interval of the spend. p_alive is None where no model tells it.
    """

    p_alive: Floats | None
    purchases: Mapping[int, Floats]
    value: Floats
    low: Floats
    high: Floats

    def part(self, rows: slice) -> Forecast:
        """That of some of the customers."""
        purchases = {days: expected[rows] for days, expected in self.purchases.items()}
        alive = None if self.p_alive is None else self.p_alive[rows]
        return Forecast(alive, purchases, self.value[rows], self.low[rows], self.high[rows])


def forecast(models: ScoringModels, columns: Columns, value: ValueSettings) -> Forecast | None:
    """What the champion expects; None where there is none.

    columns: frequency, recency_days, tenure_days, monetary_value and repeat_monetary_value, what `more_columns` names
    and, where `period_again` asks for it, the last period, (n,) each.
    """
    champion: Champion | None = models.value.estimator
    if champion is None:
        return None
    parts = {name: model.estimator for name, model in models.parts.items()}
    seen = {name: outlook(parts[name], columns, value) for name in {champion.orders, champion.method} & parts.keys()}
    orders = seen[champion.orders].purchases if champion.orders in seen else _plain(champion, columns)
    alive = _alive(champion.alive, parts, seen, columns, value)
    expected = _value(champion, parts, seen, columns, value)
    if champion.bands is not None:
        evenly = _evenly(value)
        low, high = champion.bands.of(expected / evenly, value.horizon_days)
        return Forecast(alive, orders, expected, low * evenly, high * evenly)
    ends = interval(parts[champion.method], parts["gamma_gamma"], seen[champion.method], columns, value,
                    str(models.value.version))  # fmt: skip
    return Forecast(alive, orders, expected, *ends)


def interval(
    purchases: Any, spend: Any, seen: Outlook, columns: Columns, value: ValueSettings, seed: str, draws: int = DRAWS
) -> tuple[Floats, Floats]:
    """Lower and upper end of the spend within the horizon by models, (n,) each, discounted as the expectation is."""
    times = model_times(columns, value.unit_days)
    horizon = in_units(float(value.horizon_days), value.unit_days)
    frequency, tenure = times["frequency"], times["tenure"]
    mean_spend = np.asarray(columns["repeat_monetary_value"], dtype=np.float64)
    found = SpendIntervals((purchases, spend), frequency, tenure, horizon, seed, draws)
    ends = found.of(frequency, tenure, mean_spend, seen.p_alive)
    return ends[0] * seen.discount, ends[1] * seen.discount


def more_columns(models: ScoringModels) -> tuple[str, ...]:
    """The features that this champion needs beyond those of the models."""
    champion = models.value.estimator
    if champion is None:
        return ()
    regression = models.parts.get(REGRESSION)
    return () if regression is None else regression.estimator.used_


def period_again(models: ScoringModels) -> int | None:
    """The days of the last period that comes again, which the features must say then (`with_last_period`), or None."""
    champion = models.value.estimator
    return champion.days if champion is not None and LAST in (champion.method, champion.orders) else None


def _plain(champion: Champion, columns: Columns) -> dict[int, Floats]:
    """Expected purchases by a heuristic."""
    if champion.orders == RATE:
        return {days: rate_so_far(columns, days) for days in DAYS_AHEAD}
    return {days: last_period(columns, champion.days, days)[0] for days in DAYS_AHEAD}


def _alive(
    name: str | None, parts: Mapping[str, Any], seen: Mapping[str, Outlook], columns: Columns, value: ValueSettings
) -> Floats | None:
    if name is None or name in seen:
        return seen[name].p_alive if name else None
    return np.asarray(parts[name].p_alive(model_times(columns, value.unit_days)))


def _value(
    champion: Champion, parts: Mapping[str, Any], seen: Mapping[str, Outlook], columns: Columns, value: ValueSettings
) -> Floats:
    """Expected spend within the horizon, discounted; that of other methods falls evenly into the horizon."""
    if (method := champion.method) in seen:
        return seen[method].discounted * expected_spend(parts["gamma_gamma"], columns)
    if REGRESSION in parts:
        years = in_units(value.horizon_days, YEAR_DAYS)  # 1, but for a leap year's "12 months"
        return np.asarray(parts[REGRESSION].predict(columns)) * (years * _evenly(value))
    if method == RATE:
        return rate_so_far(columns, value.horizon_days) * spend_so_far(columns) * _evenly(value)
    return last_period(columns, champion.days, value.horizon_days)[1] * _evenly(value)


def _evenly(value: ValueSettings) -> float:
    """What discounting leaves of spend that falls evenly into the horizon."""
    return Discount(value.discount_rate_annual).mean_factor(value.horizon_days)
