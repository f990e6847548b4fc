"""Regressions of spend: what they learn from, and the model of a period, its kind chosen by validation in time.

Features are as of a day, the target is the net spend of the days after it (not below zero). Validation is in time, too:
a fit on an earlier period is held against a later one. Nothing is split at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ddcrm.errors import InsufficientDataError
from ddcrm.features.columns import texts_as_objects
from ddcrm.features.families import FEATURE_TYPES
from ddcrm.models.regression import KINDS, LEAST_ROWS, SpendRegression
from ddcrm.progress import point
from ddcrm.training.fit import Fitted
from ddcrm.training.metrics import Measures, compare

if TYPE_CHECKING:
    import pyarrow as pa

    from ddcrm.lake.engine import Engine

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]


def offered_features(engine: Engine, as_of: date) -> tuple[str, ...]:
    """What a training as of a day learns from: customer_id and every feature that the project has then, but dates."""
    from ddcrm.contracts import load_contracts
    from ddcrm.features.families import offered

    names = offered(load_contracts(engine.settings.contracts_dir), as_of)
    return tuple(name for name in names if FEATURE_TYPES[name] != "date")


@dataclass(frozen=True)
class Learning:
    """Features of the customers as they were known at a day, (n,) each, and their spend in the days after it, (n,)."""

    features: Columns
    spend: Floats
    digest: str
    fitted: dict[str, SpendRegression] = field(default_factory=dict, repr=False, compare=False)

    def fit(self, kind: str) -> SpendRegression:
        """`fit_kind`, once."""
        if kind not in self.fitted:
            self.fitted[kind] = fit_kind(kind, self)
        return self.fitted[kind]


def learning_days(as_of: date, cut: date, holdout_days: int) -> list[date]:
    """The days as of which a training reads what regressions learn from: for its back-test and for its models."""
    from ddcrm.training.fit import REGRESSIONS

    periods = [as_of - timedelta(days=times * days) for days in REGRESSIONS.values() for times in (1, 2)]
    return sorted({cut, cut - timedelta(days=holdout_days), *periods})


def read_learning(engine: Engine, cut: date, days: int, names: Sequence[str]) -> Learning:
    """Features as of `cut`, and the spend of the `days` after it as it was known at their end.

    names: the features, customer_id among them. Raises InsufficientDataError where nobody, or too few, had bought by
    then.
    """
    return engine.once(("learning", cut, days, *names), lambda: _read_learning(engine, cut, days, names))


def _read_learning(engine: Engine, cut: date, days: int, names: Sequence[str]) -> Learning:
    from ddcrm.features.periods import period_table, totals
    from ddcrm.features.table import feature_table
    from ddcrm.training.fingerprint import digest_of
    from ddcrm.warehouse.digest import digest_table

    features = feature_table(engine, cut, names)
    if features is None or features.num_rows < LEAST_ROWS:
        raise _too_few(0 if features is None else features.num_rows, days)
    last = cut + timedelta(days=days)
    truth = period_table(engine, last, cut, last)
    _, spend = totals(features["customer_id"], truth)
    digest = digest_of([digest_table(table, ["customer_id"]) for table in (features, truth)])
    return Learning(all_columns(features), np.maximum(spend, 0.0), digest)


def check_customers(engine: Engine, cut: date, days: int) -> None:
    """Raise what `read_learning` would where too few had bought by `cut`: without all their features."""
    from ddcrm.features.periods import period_table

    bought = period_table(engine, cut, date.min, cut)["purchase_days"].to_numpy()
    if (there := int(np.count_nonzero(bought))) < LEAST_ROWS:
        raise _too_few(there, days)


def _too_few(there: int, days: int) -> InsufficientDataError:
    reason = f"{there} customers {days} days before the end of what may be learned from, fewer than {LEAST_ROWS}"
    return InsufficientDataError(model="regression", reason=reason)


def all_columns(features: pa.Table) -> Columns:
    """Numbers as floats, NaN where NULL; then texts as objects; (n,) each."""
    import pyarrow as pa

    names = [name for name in features.column_names if name != "customer_id"]
    texts = [name for name in names if pa.types.is_string(features.schema.field(name).type)]
    numbers = {name: features[name].cast(pa.float64()).to_numpy() for name in names if name not in texts}
    return {**numbers, **{name: texts_as_objects(features[name]) for name in texts}}


def fit_kind(kind: str, learning: Learning) -> SpendRegression:
    """One regression on all features; raises InsufficientDataError."""
    texts = tuple(name for name, column in learning.features.items() if column.dtype == object)
    numbers = tuple(name for name in learning.features if name not in texts)
    return SpendRegression(kind, numbers, texts).fit(learning.features, learning.spend)


def check_history(first: date, as_of: date, days: int) -> None:
    """Raise InsufficientDataError unless two periods, to learn from and to validate on, follow a first one."""
    from ddcrm.training.backtest import history_of_two

    history, needed = (as_of - first).days + 1, history_of_two(days)
    if history < needed:
        reason = f"a history of {history} days; to learn the spend of {days} days and to validate it takes {needed}"
        raise InsufficientDataError(model="regression", reason=reason)


def read_newest(engine: Engine, as_of: date, days: int) -> Learning:
    """The newest customers whose period is over: what the model of it is fitted on; raises as `read_learning` does."""
    return read_learning(engine, as_of - timedelta(days=days), days, offered_features(engine, as_of))


def fit_period(engine: Engine, as_of: date, days: int) -> tuple[str, Any]:
    """The digest of what the model of a period learns from, and the fit, to be called: see `_fit`."""
    names = offered_features(engine, as_of)
    newest = read_newest(engine, as_of, days)
    earlier = read_learning(engine, as_of - timedelta(days=2 * days), days, names)
    return newest.digest + earlier.digest, lambda: _fit(newest, earlier, days)


def _fit(newest: Learning, earlier: Learning, days: int) -> Fitted:
    """The kind with the lowest RMSE on the newest period, learned from the one before it, is fitted on the newest."""
    measured: dict[str, Measures] = {}
    for kind in KINDS:
        point("train.regression", kind=kind, days=days)
        measured[kind] = compare(earlier.fit(kind).predict(newest.features), newest.spend)
    best = min(KINDS, key=lambda kind: measured[kind]["rmse"] or 0.0)
    metrics = {f"{kind}.{name}": value for kind, found in measured.items() for name, value in found.items()
               if value is not None}  # fmt: skip
    notes = (f"spend of the next {days} days; the kind was chosen by its RMSE on the newest {days} days, after it had "
             "learned from those before them; then it was fitted on the newest",)  # fmt: skip
    model = newest.fit(best)
    parameters = {"kind": best, "validation": measured, "offered": sorted(newest.features),
                  "features": model.importance()}  # fmt: skip
    return Fitted(model, len(newest.spend), parameters=parameters, metrics=metrics, notes=notes)
