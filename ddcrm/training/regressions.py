"""Regressions of spend: what they learn from, and the model of a period, its kind chosen by validation in time.

Features are as of a day, the target is the net spend of the days after it (not below zero). Validation is in time, too:
a fit on an earlier period is held against a later one. Nothing is split at random.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ddcrm.errors import InsufficientDataError
from ddcrm.features.purchases import FEATURE_TYPES
from ddcrm.models.regression import KINDS, LEAST_ROWS, SpendRegression
from ddcrm.progress import point
from ddcrm.training.fit import Fitted
from ddcrm.training.metrics import Measures, compare

if TYPE_CHECKING:
    import pyarrow as pa

    from ddcrm.lake.engine import Engine

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

TEXTS = tuple(name for name, kind in FEATURE_TYPES.items() if kind == "string" and name != "customer_id")
NUMBERS = tuple(name for name, kind in FEATURE_TYPES.items() if kind not in ("string", "date"))
FEATURES = ("customer_id", *NUMBERS, *TEXTS)


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


def read_learning(engine: Engine, cut: date, days: int) -> Learning:
    """Features as of `cut`, and the spend of the `days` after it as it was known at their end.

    Raises InsufficientDataError where nobody, or too few, had bought by then.
    """
    return engine.once(("learning", cut, days), lambda: _read_learning(engine, cut, days))


def _read_learning(engine: Engine, cut: date, days: int) -> Learning:
    from ddcrm.features.periods import period_table
    from ddcrm.features.table import feature_table
    from ddcrm.training.fingerprint import digest_of
    from ddcrm.warehouse.digest import digest_table

    features = feature_table(engine, cut, FEATURES)
    if features is None or features.num_rows < LEAST_ROWS:
        there = 0 if features is None else features.num_rows
        reason = f"{there} customers {days} days before the end of what may be learned from, fewer than {LEAST_ROWS}"
        raise InsufficientDataError(model="regression", reason=reason)
    last = cut + timedelta(days=days)
    truth = period_table(engine, last, cut, last)
    _, spend = totals(features["customer_id"], truth)
    digest = digest_of([digest_table(table, ["customer_id"]) for table in (features, truth)])
    return Learning(all_columns(features), np.maximum(spend, 0.0), digest)


def all_columns(features: pa.Table) -> Columns:
    """Numbers as floats, NaN where NULL; texts as objects; (n,) each."""
    import pyarrow as pa

    numbers = {name: features[name].cast(pa.float64()).to_numpy() for name in NUMBERS}
    return {**numbers, **{name: features[name].to_numpy() for name in TEXTS}}


def totals(ids: pa.ChunkedArray, found: pa.Table) -> tuple[Floats, Floats]:
    """Purchase days and spend of the customers, (n,) each, from a table of `period_table`; 0 for who is not in it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = pc.index_in(ids, found["customer_id"].combine_chunks())
    columns = (pc.fill_null(found[name].cast(pa.float64()).take(rows), 0.0) for name in ("purchase_days", "spend"))
    purchases, spend = (np.asarray(column.to_numpy(), dtype=np.float64) for column in columns)
    return purchases, spend


def fit_kind(kind: str, learning: Learning) -> SpendRegression:
    """One regression on all features; raises InsufficientDataError."""
    return SpendRegression(kind, NUMBERS, TEXTS).fit(learning.features, learning.spend)


def check_history(first: date, as_of: date, days: int) -> None:
    """Raise InsufficientDataError unless two periods, to learn from and to validate on, follow a first one."""
    history, needed = (as_of - first).days + 1, 2 * days + min(days, 90)
    if history < needed:
        reason = f"a history of {history} days; to learn the spend of {days} days and to validate it takes {needed}"
        raise InsufficientDataError(model="regression", reason=reason)


def fit_period(engine: Engine, as_of: date, days: int) -> tuple[str, Any]:
    """The digest of what the model of a period learns from, and the fit, to be called: see `_fit`."""
    newest = read_learning(engine, as_of - timedelta(days=days), days)
    earlier = read_learning(engine, as_of - timedelta(days=2 * days), days)
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
    return Fitted(newest.fit(best), len(newest.spend), parameters={"kind": best, "validation": measured},
                  metrics=metrics, notes=notes)  # fmt: skip
