"""The back-test that decides: what each method would have said at an earlier day, against what then happened.

The calibration window ends `holdout_days` before as_of. The methods learn from what was known at the end of that day,
and predict purchases and spend of the holdout; the truth is the holdout as it is known at as_of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ddcrm.errors import InsufficientDataError, ModelError
from ddcrm.progress import point
from ddcrm.settings import ValueSettings
from ddcrm.training.methods import Calibration, Method, Predicted
from ddcrm.training.metrics import Measures, alive_calibration, compare

if TYPE_CHECKING:
    from ddcrm.lake.engine import Engine

Floats = NDArray[np.float64]

HOLDOUT_DAYS = 90
"""Of the back-test, where the settings don't say and the history is too short for the horizon itself."""


@dataclass(frozen=True)
class Split:
    """The last day of the calibration, and the number of days of the holdout, which ends at as_of."""

    cut: date
    holdout_days: int


@dataclass(frozen=True)
class Holdout:
    """What was known at the cut, and what the same customers then bought: purchase days and net spend, (n,) each.

    Spend is not below zero: a refund lowers a value, and makes none negative. digest: of all of it.
    """

    split: Split
    known: Calibration
    purchases: Floats
    spend: Floats
    digest: str


@dataclass(frozen=True)
class Measured:
    """What became of one method: measures of purchases, spend and P(alive), or why it could not predict.

    predicted: the spend that it predicted, (n,).
    """

    purchases: Measures | None = None
    spend: Measures | None = None
    alive: Measures | None = None
    alive_table: list[dict[str, Any]] = field(default_factory=list)
    failed: str | None = None
    predicted: Floats | None = None

    def as_dict(self) -> dict[str, Any]:
        """What there is of it, for the card."""
        return {name: value for name, value in vars(self).items() if name != "predicted" and value}


def split_of(first: date, as_of: date, value: ValueSettings) -> Split:
    """The windows for a history that begins with `first`.

    The holdout has the days of the settings, and a third of the history at most. Where the settings don't say, it is
    the horizon itself if the history holds two of it and up to 90 days more, so that what is published is what is
    judged; else 90 days. Raises InsufficientDataError for a history that is too short.
    """
    history = (as_of - first).days + 1
    if history < value.min_history_days:
        reason = f"a history of {history} days, fewer than the {value.min_history_days} that the settings ask for"
        raise InsufficientDataError(model="value", reason=reason)
    days = min(value.holdout_days or HOLDOUT_DAYS, history // 3)
    if value.holdout_days is None and history >= history_of_two(value.horizon_days):
        days = value.horizon_days
    return Split(as_of - timedelta(days=days), days)


def history_of_two(days: int) -> int:
    """Days of history that a period takes to be learned from, another one to be judged on, and some to begin with."""
    return 2 * days + min(days, 90)


def read_holdout(engine: Engine, as_of: date, split: Split) -> Holdout:
    """Read both windows, each as of its end; raises MissingDataError where nobody had bought at the cut."""
    from ddcrm.features.periods import period_table, totals
    from ddcrm.features.table import required_features
    from ddcrm.training.fingerprint import digest_of
    from ddcrm.training.fit import TRAINING_COLUMNS, columns_of
    from ddcrm.warehouse.digest import digest_table

    days = timedelta(days=split.holdout_days)
    features = required_features(engine, split.cut, TRAINING_COLUMNS)
    last = period_table(engine, split.cut, split.cut - days, split.cut)
    truth = period_table(engine, as_of, split.cut, as_of)
    ids = features["customer_id"]
    known = Calibration(columns_of(features), split.holdout_days, *totals(ids, last))
    known, learned = _with_learning(engine, as_of, split, known)
    purchases, spend = totals(ids, truth)
    tables = [digest_table(table, ["customer_id"]) for table in (features, last, truth)]
    digest = digest_of([str(split.cut), split.holdout_days, *tables, learned])
    return Holdout(split, known, purchases, np.maximum(spend, 0.0), digest)


def _with_learning(engine: Engine, as_of: date, split: Split, known: Calibration) -> tuple[Calibration, str]:
    """With what the regressions learn from, where there is enough of it; and the digest of that."""
    from ddcrm.features.table import required_features
    from ddcrm.models.regression import LEAST_ROWS
    from ddcrm.training.regressions import all_columns, check_customers, offered_features, read_learning
    from ddcrm.warehouse.digest import digest_table

    names = offered_features(engine, as_of)
    first, days = split.cut - timedelta(days=split.holdout_days), split.holdout_days
    try:
        if len(known.last_spend) < LEAST_ROWS:  # so few after it: there can hardly be enough
            check_customers(engine, first, days)
        learning = read_learning(engine, first, days, names)
    except InsufficientDataError as error:
        return replace(known, no_learning=str(error.reason)), ""
    features = required_features(engine, split.cut, names)
    learned = learning.digest + digest_table(features, ["customer_id"])
    return replace(known, features=all_columns(features), learning=learning), learned


def run(holdout: Holdout, methods: Mapping[str, Method]) -> dict[str, Measured]:
    """Every method on the holdout. Raises InsufficientDataError where nobody bought in it: nothing can be told then."""
    if not holdout.spend.any():
        reason = f"nobody who was known before spent anything in the last {holdout.split.holdout_days} days"
        raise InsufficientDataError(model="value", reason=reason)
    found = {}
    for name, method in methods.items():
        point("train.backtest", method=name)
        found[name] = _measured(holdout, method)
    return found


def _measured(holdout: Holdout, method: Method) -> Measured:
    try:
        predicted = method(holdout.known)
    except ModelError as error:
        return Measured(failed=str(error.reason or error.message))
    if not _finite(predicted):
        return Measured(failed="it predicts what is no finite number")
    purchases = None if predicted.purchases is None else compare(predicted.purchases, holdout.purchases)
    spend = compare(predicted.spend, holdout.spend)
    if predicted.low is not None and predicted.high is not None:
        inside = (predicted.low <= holdout.spend) & (holdout.spend <= predicted.high)
        spend["coverage"] = float(inside.mean())
    if predicted.p_alive is None:
        return Measured(purchases, spend, predicted=predicted.spend)
    alive = alive_calibration(predicted.p_alive, holdout.purchases > 0)
    return Measured(purchases, spend, *alive, predicted=predicted.spend)


def _finite(predicted: Predicted) -> bool:
    return all(np.isfinite(values).all() for values in vars(predicted).values() if values is not None)
