"""What conformal intervals are learned from: the horizon itself, as far as the history goes.

A heuristic learns nothing, so it can be held against a longer period than the back-test's: from an earlier cut on, what
it would have said against what came until as_of. Before that cut lie a third of the history and two holdouts at least:
while a shop is so young that everybody's first purchase is in the last period, it says more than it ever will again.

A regression of a year learned from customers whose year is over. What it would say of them had it not seen them comes
from cross-validation: each fifth is predicted by a fit on the others (cross-conformal prediction, Vovk 2015, Annals of
Mathematics and Artificial Intelligence 74). The fit of the back-test is another one, on a younger shop.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ddcrm.errors import InsufficientDataError
from ddcrm.models.champion import Bands
from ddcrm.models.regression import KINDS
from ddcrm.progress import point
from ddcrm.scoring.forecast import REGRESSION
from ddcrm.scoring.heuristics import HEURISTICS
from ddcrm.settings import ValueSettings
from ddcrm.training.backtest import Holdout, Measured
from ddcrm.training.fit import PURCHASE_MODELS, REGRESSIONS
from ddcrm.training.methods import Calibration, heuristic
from ddcrm.training.regressions import Learning, fit_kind

if TYPE_CHECKING:
    from ddcrm.lake.engine import Engine

Floats = NDArray[np.float64]

FOLDS = 5  # of the cross-validation of a regression that speaks


@dataclass(frozen=True)
class Longer:
    """What was known at the cut, its last period as long as the holdout; the spend of the `days` after it, (n,)."""

    known: Calibration
    spend: Floats
    days: int


@dataclass(frozen=True)
class Evidence:
    """What there is beside the holdout: for a heuristic `longer`, for a regression what the one that speaks knows."""

    longer: Longer | None = None
    year: Callable[[], Learning] | None = None


NOTHING = Evidence()


def interval_days(first: date, as_of: date, holdout_days: int, value: ValueSettings) -> int:
    """The horizon; of a history that begins with `first` two thirds, and all but two holdouts, at most."""
    history = (as_of - first).days + 1
    return min(value.horizon_days, history * 2 // 3, history - 2 * holdout_days)


def with_longer(engine: Engine, as_of: date, holdout: Holdout, days: int) -> tuple[Holdout, Longer | None]:
    """The holdout, its digest now of what is read here, too; None where its own days are these, or nobody was known."""
    from ddcrm.features.periods import period_table, totals
    from ddcrm.features.table import feature_table
    from ddcrm.training.fingerprint import digest_of
    from ddcrm.training.fit import TRAINING_COLUMNS, columns_of
    from ddcrm.warehouse.digest import digest_table

    cut, period = as_of - timedelta(days=days), holdout.split.holdout_days
    features = feature_table(engine, cut, TRAINING_COLUMNS) if days != period else None
    if features is None or not features.num_rows:
        return holdout, None
    last = period_table(engine, cut, cut - timedelta(days=period), cut)
    truth = period_table(engine, as_of, cut, as_of)
    ids = features["customer_id"]
    known = Calibration(columns_of(features), period, *totals(ids, last))
    tables = [digest_table(table, ["customer_id"]) for table in (features, last, truth)]
    _, spend = totals(ids, truth)
    return replace(holdout, digest=digest_of([holdout.digest, *tables])), Longer(known, np.maximum(spend, 0.0), days)


def out_of_fold(kind: str, learning: Learning) -> Floats:
    """What a regression of this kind expects of each customer that it did not learn from, (n,).

    Raises InsufficientDataError where four fifths of the customers are too few to learn from.
    """
    said, fold = np.empty(len(learning.spend)), np.arange(len(learning.spend)) % FOLDS
    for number in range(FOLDS):
        point("train.fold", kind=kind, fold=number)
        seen, left = ({name: column[rows] for name, column in learning.features.items()}
                      for rows in (fold != number, fold == number))  # fmt: skip
        said[fold == number] = fit_kind(kind, Learning(seen, learning.spend[fold != number], "")).predict(left)
    return said


def bands(method: str, holdout: Holdout, measured: Measured, evidence: Evidence) -> Bands | None:
    """The intervals of a method that is no model of chance; None for those that are."""
    if method in PURCHASE_MODELS or measured.predicted is None:
        return None
    if method in KINDS and evidence.year is not None:
        with suppress(InsufficientDataError):  # the holdout's own are left then
            learning = evidence.year()
            return Bands.learned(out_of_fold(method, learning), learning.spend, REGRESSIONS[REGRESSION])
    longer = evidence.longer
    if method in HEURISTICS and longer is not None:
        return Bands.learned(heuristic(method, longer.known, longer.days).spend, longer.spend, longer.days)
    return Bands.learned(measured.predicted, holdout.spend, holdout.split.holdout_days)
