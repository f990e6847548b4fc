"""The fits: from the features of an as_of to fitted estimators, and what is worth knowing of each fit.

Nothing is read or written here. A fit that the data do not carry raises InsufficientDataError (or another ModelError)
with the reason; it says nothing of the other models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ddcrm.errors import InsufficientDataError
from ddcrm.features.units import model_times
from ddcrm.settings import SegmentSettings, ValueSettings

if TYPE_CHECKING:
    import pyarrow as pa

    from ddcrm.models.base import LikelihoodModel

Columns = Mapping[str, NDArray[Any]]

PURCHASE_MODELS = {"mbgnbd": "MBGNBD", "bgnbd": "BetaGeoNBD", "pareto_nbd": "ParetoNBD"}
"""The models of purchases and dropout by name, with their classes in ddcrm.models; the simpler ones first.

MBG/NBD stands before BG/NBD, which has as many parameters, because it can tell who has left.
"""

LEARNED_SCHEMES = ("kmeans", "density")
"""The models that find segments."""

REGRESSIONS = {"regression_90d": 90, "regression_365d": 365}
"""The regressions by name, with the days whose spend they predict."""

MODELS = (*PURCHASE_MODELS, "gamma_gamma", *REGRESSIONS, "value", *LEARNED_SCHEMES)
"""All that can be trained, in this order: `value` is what speaks, and builds on those before it."""

TRAINING_COLUMNS = (
    "customer_id",
    "recency_days",
    "tenure_days",
    "frequency",
    "monetary_value",
    "repeat_monetary_value",
)


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator; parameters and metrics for its card, rows it learned from and rows it left out."""

    estimator: Any
    rows: int
    excluded: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def models_of(segments: SegmentSettings) -> tuple[str, ...]:
    """The models that are trained: of those that find segments, the ones whose scheme is published."""
    return tuple(name for name in MODELS if name not in LEARNED_SCHEMES or name in segments.schemes)


def columns_of(features: pa.Table) -> dict[str, NDArray[Any]]:
    """The numeric columns of the features as arrays, (n,) each; NaN where a value is NULL."""
    names = [name for name in TRAINING_COLUMNS if name != "customer_id"]
    return {name: features[name].to_numpy() for name in names}


def fit_purchases(name: str, columns: Columns, value: ValueSettings) -> Fitted:
    """A model of PURCHASE_MODELS on all customers, times in units of value.unit_days.

    columns: frequency, recency_days, tenure_days, (n,) each. Raises InsufficientDataError with fewer customers, or
    fewer who bought again, than the settings ask for; ConvergenceError.
    """
    import pandas as pd

    from ddcrm import models

    times = model_times(columns, value.unit_days)
    repeaters = int(np.count_nonzero(times["frequency"] > 0))
    _enough(name, len(times["frequency"]), value.min_customers, "customers")
    _enough(name, repeaters, value.min_repeat_customers, "customers who bought again")
    model = getattr(models, PURCHASE_MODELS[name])().fit(pd.DataFrame(times, copy=False))
    return Fitted(model, len(times["frequency"]), parameters=_parameters(model),
                  metrics=_likelihood(model, len(times["frequency"])) | {"repeat_customers": repeaters},
                  notes=(f"times in units of {value.unit_days:g} days",))  # fmt: skip


def fit_gamma_gamma(columns: Columns, value: ValueSettings) -> Fitted:
    """Gamma-Gamma on the customers who bought again and spent more than nothing by it.

    columns: frequency and repeat_monetary_value (NaN where nothing was bought again), (n,) each. Raises
    InsufficientDataError, ConvergenceError, ModelError where expected spend is not defined.
    """
    import pandas as pd

    from ddcrm.models.gamma_gamma import GammaGamma

    spend = np.asarray(columns["repeat_monetary_value"], dtype=np.float64)
    frequency = np.asarray(columns["frequency"], dtype=np.float64)
    spenders = (frequency > 0) & (spend > 0)
    _enough("gamma_gamma", int(np.count_nonzero(spenders)), value.min_repeat_customers,
            "customers who bought again and spent more than nothing by it")  # fmt: skip
    X = {"frequency": frequency[spenders], "monetary_value": spend[spenders]}
    model = GammaGamma().fit(pd.DataFrame(X, copy=False))
    metrics = {
        **_likelihood(model, len(X["frequency"])),
        "mean_spend": model.mean_spend_,
        "correlation_frequency_spend": _correlation(*X.values()),
    }
    note = "takes spend to be independent of frequency: look at correlation_frequency_spend"
    return Fitted(model, len(X["frequency"]), len(frequency) - len(X["frequency"]),
                  _parameters(model), metrics, (note,))  # fmt: skip


def _enough(model: str, there: int, needed: int, what: str) -> None:
    if there < needed:
        reason = f"{there} {what}, fewer than the {needed} that the settings ask for"
        raise InsufficientDataError(model=model, reason=reason)


def _parameters(model: LikelihoodModel) -> dict[str, float]:
    return {name: float(getattr(model, f"{name}_")) for name in model._parameters}


def _likelihood(model: LikelihoodModel, rows: int) -> dict[str, float]:
    return {"log_likelihood": float(model.log_likelihood_), "customers": rows, "iterations": int(model.n_iter_)}


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Pearson's, 0 where one of the two is constant; einsum's sums do not depend on the number of threads."""
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt(np.einsum("i,i", x, x) * np.einsum("i,i", y, y)))
    return float(np.einsum("i,i", x, y)) / scale if scale > 0 else 0.0
