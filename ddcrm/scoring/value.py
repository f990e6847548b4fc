"""Expected purchases and customer lifetime value by a model of purchases and Gamma-Gamma.

CLV here is what a customer is expected to spend within the horizon, each purchase discounted to as_of, continuously, at
the rate that makes `discount_rate_annual` in 365 days. At rate 0 it is expected purchases times expected spend.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ddcrm.features.units import YEAR_DAYS, Discount, in_units, model_times
from ddcrm.settings import ValueSettings

if TYPE_CHECKING:
    import pandas as pd

    from ddcrm.models.gamma_gamma import GammaGamma

Floats = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]

DAYS_AHEAD = (90, 365)
_NODES_A_YEAR = 6  # of the integral over the horizon: leaves a relative error below 1e-6


@dataclass(frozen=True)
class Outlook:
    """What a model of purchases expects of each customer, (n,) each: by days ahead, and of the horizon discounted.

    discount: what discounting leaves of the purchases of the horizon.
    """

    p_alive: Floats
    purchases: Mapping[int, Floats]
    discounted: Floats
    discount: Floats


def outlook(model: Any, columns: Columns, value: ValueSettings, days: tuple[int, ...] = DAYS_AHEAD) -> Outlook:
    """P(alive), expected purchases within each number of `days`, and discounted ones within value.horizon_days.

    columns: frequency, recency_days and tenure_days, (n,) each.
    """
    ahead = _PurchasesIfAlive(model, columns, value.unit_days)
    alive = model.p_alive(_frame(model_times(columns, value.unit_days)))
    purchases = {n: alive * ahead.within(n) for n in days}
    plain, discounted = ahead.of_pairs(value.horizon_days), _discounted(ahead, value)
    return Outlook(alive, purchases, alive * ahead.spread(discounted), ahead.spread(discounted / plain))


def expected_spend(model: GammaGamma, columns: Columns) -> Floats:
    """Expected spend of a purchase day, (n,), from frequency and repeat_monetary_value (NaN where frequency is 0)."""
    X = {"frequency": columns["frequency"], "monetary_value": columns["repeat_monetary_value"]}
    return model.expected_spend(_frame(X))


class _PurchasesIfAlive:
    """Expected purchases given that the customer is alive, which depend on frequency and tenure only.

    The costly part of the models' expectation is taken once for each distinct pair: the model is asked for a customer
    who bought just now, and its P(alive) divided out.
    """

    def __init__(self, model: Any, columns: Columns, unit_days: float) -> None:
        import pandas as pd

        self.model, self.unit_days = model, unit_days
        frequency, tenure = (np.asarray(columns[name], dtype=np.int64) for name in ("frequency", "tenure_days"))
        size = int(tenure.max(initial=0)) + 1
        self.pair, keys = pd.factorize(frequency * size + tenure, sort=True)
        bought, age = np.divmod(keys, size)
        since = np.where(bought > 0, 0, age)
        times = model_times({"frequency": bought, "tenure_days": age, "recency_days": since}, unit_days)
        self.customers = _frame(times)
        self.alive = model.p_alive(self.customers)

    def of_pairs(self, days: float) -> Floats:
        """Purchases within `days`, for each distinct pair."""
        return self.model.expected_purchases(self.customers, in_units(days, self.unit_days)) / self.alive

    def within(self, days: float) -> Floats:
        """Purchases within `days`, for each customer."""
        return self.spread(self.of_pairs(days))

    def spread(self, values: Floats) -> Floats:
        """A value a pair as a value a customer."""
        return values[self.pair]


def _discounted(ahead: _PurchasesIfAlive, value: ValueSettings) -> Floats:
    """Discounted purchases of each pair: the integral of exp(-rate t) dE(t) over the horizon H.

    By parts it is exp(-rate H) E(H) + rate * integral of exp(-rate t) E(t) dt, and E is smooth: Gauss-Legendre.
    """
    horizon, discount = float(value.horizon_days), Discount(value.discount_rate_annual)
    total = discount.factor(horizon) * ahead.of_pairs(horizon)
    if discount.annual > 0:
        nodes, weights = np.polynomial.legendre.leggauss(_NODES_A_YEAR * ceil(in_units(horizon, YEAR_DAYS)))
        for t, weight in zip(horizon * (nodes + 1) / 2, horizon * weights / 2, strict=True):
            total = total + discount.rate() * weight * discount.factor(t) * ahead.of_pairs(t)
    return total


def _frame(columns: Columns) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(dict(columns), copy=False)
