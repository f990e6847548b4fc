"""A model of purchases beside what came: fitted on the calibration window, held against the days after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

    from ddcrm.lake.engine import Engine
    from ddcrm.training.backtest import Split

Floats = NDArray[np.float64]
AHEAD_DAYS = 90


@dataclass(frozen=True)
class Tracked:
    """The model; of each customer of the calibration: frequency, predicted and actual purchases in the holdout, (n,).

    alive: the model that speaks of P(alive), None where none does; it may be another one.
    Cumulative repeat purchases of all customers by day: actual (NaN after as_of) and expected, (n days,) each.
    """

    model: Any
    alive: Any
    holdout_days: int
    trained_to: date
    frequency: Floats
    predicted: Floats
    actual: Floats
    days: list[date]
    cumulative: Floats
    expected: Floats


def track(engine: Engine, as_of: date, split: Split, name: str, alive: str | None) -> Tracked:
    """Fit the model `name` (training.fit.PURCHASE_MODELS) on the calibration and hold it against the holdout.

    alive: the one that speaks of P(alive), if any, fitted on the same.

    Raises ModelError where the data do not carry the fit, MissingDataError where nobody had bought at the cut.
    """
    import pandas as pd

    from ddcrm.features.units import in_units, model_times
    from ddcrm.models.threads import one_thread
    from ddcrm.training.backtest import read_holdout
    from ddcrm.training.fit import fit_purchases

    unit = engine.settings.value.unit_days
    holdout = read_holdout(engine, as_of, split)
    columns = holdout.known.columns
    with one_thread():
        fits = {one: fit_purchases(one, columns, engine.settings.value).estimator for one in {name, alive or name}}
        model = fits[name]
        times = pd.DataFrame(model_times(columns, unit))
        predicted = model.expected_purchases(times, in_units(split.holdout_days, unit))
    days, born, repeats = _by_day(engine, as_of)
    actual = np.concatenate([np.cumsum(repeats), np.full(len(days) - len(repeats), np.nan)])
    frequency = np.asarray(columns["frequency"], dtype=np.float64)
    expected = _expected(model, born, len(days), unit)
    speaks = fits[alive] if alive else None
    return Tracked(model, speaks, split.holdout_days, split.cut, frequency, np.asarray(predicted), holdout.purchases,
                   days, actual, expected)  # fmt: skip


def _by_day(engine: Engine, as_of: date) -> tuple[list[date], Floats, Floats]:
    """The days up to AHEAD_DAYS after as_of; first purchases and repeat purchase days of those up to as_of."""
    table = _purchase_days(engine, as_of)
    first = table["day"][0].as_py()
    born, repeats = (np.zeros((as_of - first).days + 1) for _ in range(2))
    place = [(day - first).days for day in table["day"].to_pylist()]
    born[place], repeats[place] = table["born"].to_numpy(), table["repeats"].to_numpy()
    return [first + timedelta(days=n) for n in range(len(born) + AHEAD_DAYS)], born, repeats


def _purchase_days(engine: Engine, as_of: date) -> pa.Table:
    from ddcrm.errors import MissingDataError
    from ddcrm.features.purchases import purchase_lines
    from ddcrm.lake.asof import as_of_view

    orders = as_of_view(engine, engine.settings, "orders", as_of)
    if orders is None:
        raise MissingDataError("no orders have arrived on or before this day", as_of=str(as_of),
                               hint="Ingest the orders first (ddcrm ingest orders).")  # fmt: skip
    lines = purchase_lines(orders, as_of, engine.settings.purchase)
    bought = lines.filter(lines.bought).select("customer_id", "event_date").distinct()
    first = bought.group_by("customer_id").agg(first=bought.event_date.min())
    rows = bought.inner_join(first, "customer_id")
    is_first = rows.event_date == rows["first"]
    days = rows.group_by(day=rows.event_date).agg(born=is_first.sum(), repeats=(~is_first).sum())
    return engine.ibis.to_pyarrow(days.order_by("day").select("day", born=days.born.cast("float64"),
                                                              repeats=days.repeats.cast("float64")))  # fmt: skip


def _expected(model: Any, born: Floats, days: int, unit: float) -> Floats:
    """Cumulative repeat purchases that the model expects of those who came: nobody new comes after as_of."""
    from ddcrm.features.units import in_units

    one = np.asarray(model.expected_purchases_new(in_units(np.arange(days, dtype=float), unit)), dtype=float)
    return np.convolve(born, one)[:days]
