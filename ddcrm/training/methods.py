"""The methods that the back-test compares: each learns from the calibration and predicts the holdout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddcrm.errors import InsufficientDataError, ModelError
from ddcrm.features.periods import LAST_PERIOD
from ddcrm.models.gamma_gamma import GammaGamma
from ddcrm.models.regression import KINDS
from ddcrm.scoring.forecast import interval
from ddcrm.scoring.heuristics import HEURISTICS, RATE, last_period, rate_so_far, spend_so_far
from ddcrm.scoring.value import expected_spend, outlook
from ddcrm.settings import ValueSettings
from ddcrm.training.fit import PURCHASE_MODELS, fit_gamma_gamma, fit_purchases
from ddcrm.training.regressions import Learning

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """What the methods may know: features at the cut, and totals of the last `days` days before it; (n,) each.

    For the regressions all features, and what they learn from: features as of `days` before the cut and the spend up to
    it. None where there is too little, then no_learning says what.
    """

    columns: Mapping[str, NDArray[Any]]
    days: int
    last_purchases: Floats
    last_spend: Floats
    features: Mapping[str, NDArray[Any]] | None = None
    learning: Learning | None = None
    no_learning: str = "nothing was read for it to learn from"


@dataclass(frozen=True)
class Predicted:
    """Expected purchase days and spend of the holdout, and P(alive) at the cut, (n,) each; None: it does not say.

    low, high: the interval of the spend.
    """

    purchases: Floats | None
    spend: Floats
    p_alive: Floats | None = None
    low: Floats | None = None
    high: Floats | None = None


_DRAWS = 2048  # for intervals whose coverage is measured: fewer than for those that are published

Method = Callable[[Calibration], Predicted]

SIMPLE_FIRST = (*HEURISTICS, *PURCHASE_MODELS, *KINDS)
"""All methods; of two that are equally good the one that stands first here speaks."""


def methods(value: ValueSettings) -> dict[str, Method]:
    """The methods by name, in the order of SIMPLE_FIRST; each raises ModelError where the data do not carry it."""
    spend = _Once(value)
    models = {name: partial(_purchase_model, name, value, spend) for name in PURCHASE_MODELS}
    regressions = {kind: partial(_regression, kind) for kind in KINDS}
    plain = {name: partial(_heuristic, name) for name in HEURISTICS}
    found: dict[str, Method] = {**plain, **models, **regressions}
    return {name: found[name] for name in SIMPLE_FIRST}


class _Once:
    """Gamma-Gamma, fitted once for all models of purchases; an error is raised each time."""

    def __init__(self, value: ValueSettings) -> None:
        self.value = value
        self.found: GammaGamma | ModelError | None = None

    def __call__(self, known: Calibration) -> GammaGamma:
        if self.found is None:
            try:
                self.found = fit_gamma_gamma(known.columns, self.value).estimator
            except ModelError as error:
                self.found = error
        if isinstance(self.found, ModelError):
            raise self.found
        return self.found


def heuristic(name: str, known: Calibration, days: int) -> Predicted:
    """What a heuristic expects of the next `days`."""
    if name == RATE:
        purchases = rate_so_far(known.columns, days)
        return Predicted(purchases, purchases * spend_so_far(known.columns))
    last = dict(zip(LAST_PERIOD, (known.last_purchases, known.last_spend), strict=True))
    return Predicted(*last_period(last, known.days, days))


def _heuristic(name: str, known: Calibration) -> Predicted:
    return heuristic(name, known, known.days)


def _regression(kind: str, known: Calibration) -> Predicted:
    if known.learning is None or known.features is None:
        raise InsufficientDataError(model=kind, reason=known.no_learning)
    return Predicted(None, known.learning.fit(kind).predict(known.features))


def _purchase_model(name: str, value: ValueSettings, spend: _Once, known: Calibration) -> Predicted:
    """A model of purchases with Gamma-Gamma's spend; not discounted, as the truth is not."""
    model = fit_purchases(name, known.columns, value).estimator
    plain = value.model_copy(update={"discount_rate_annual": 0.0, "horizon_days": known.days})
    seen = outlook(model, known.columns, plain, (known.days,))
    worth = spend(known)
    ends = interval(model, worth, seen, known.columns, plain, name, _DRAWS)
    return Predicted(seen.discounted, seen.discounted * expected_spend(worth, known.columns), seen.p_alive, *ends)
