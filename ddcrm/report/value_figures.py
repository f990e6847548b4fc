"""Figures about the models of purchases and about value."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ddcrm.report.style import BLUE, GREY, ORANGE, figure, labelled, styled, thousands

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

_MOST = 7  # of the frequency classes of the calibration, "7+" is the last


@styled
def frequency_recency(
    model: Any, what: Literal["expected_purchases", "p_alive"], *, tenure: float, horizon: float, unit: str,
    most: int = 25,
) -> Figure:  # fmt: skip
    """The frequency-recency matrix: what a model of purchases says of a customer known for `tenure` units.

    Columns: purchases after the first, 0 to `most`. Rows: when the last one was, in units after the first. `horizon`:
    units ahead of the expected purchases.
    """
    frequency, recency = np.meshgrid(np.arange(most + 1), np.linspace(0, tenure, 41))
    X = {"frequency": frequency.ravel().astype(float), "tenure": np.full(frequency.size, tenure),
         "recency": np.where(frequency.ravel() == 0, 0.0, recency.ravel())}  # fmt: skip
    values = model.p_alive(X) if what == "p_alive" else model.expected_purchases(X, horizon)
    grid = np.asarray(values, dtype=float).reshape(frequency.shape)
    grid[1:, 0] = np.nan  # who bought once has one recency
    grid[0, 1:] = np.nan  # nobody buys again at once
    title = "P(alive)" if what == "p_alive" else f"Purchases expected within {horizon:.3g} {unit}s"
    made, axes = figure(f"{title}, by {type(model).__name__}:\ncustomers known for {tenure:.3g} {unit}s")
    image = axes.imshow(grid, origin="lower", aspect="auto", cmap="viridis", extent=(-0.5, most + 0.5, 0, tenure))
    axes.grid(visible=False)
    labelled(axes, "purchases after the first", f"last purchase, {unit}s after the first")
    made.colorbar(image, ax=axes, label="probability" if what == "p_alive" else "purchases")
    return made


@styled
def calibration(frequency: Floats, predicted: Floats, actual: Floats, *, holdout_days: int, model: str) -> Figure:
    """Mean purchases in the holdout by purchases in the calibration: what was predicted, and what came; (n,) each."""
    classes = np.minimum(frequency.astype(int), _MOST)
    sizes = np.bincount(classes, minlength=_MOST + 1)
    there = np.flatnonzero(sizes)
    made, axes = figure(f"Calibration against holdout ({holdout_days} days), {model}")
    for name, values, colour, offset in (("actual", actual, BLUE, -0.2), ("predicted", predicted, ORANGE, 0.2)):
        means = np.bincount(classes, values, minlength=_MOST + 1)[there] / sizes[there]
        axes.bar(there + offset, means, width=0.4, color=colour, label=name)
    names = [f"{n}+" if n == _MOST else str(n) for n in there]
    axes.set_xticks(there, [f"{name}\n{sizes[n]:,}" for n, name in zip(there, names, strict=True)])
    labelled(axes, "purchases after the first in the calibration; below: customers", "mean purchases in the holdout")
    axes.legend(loc="upper left", frameon=False)
    return made


@styled
def tracking(days: Sequence[date], actual: Floats, expected: Floats, *, trained_to: date, model: str) -> Figure:
    """Cumulative repeat purchases: what came (NaN for days to come) and what the model expects; (n days,) each."""
    from matplotlib.dates import AutoDateLocator

    made, axes = figure(f"Cumulative repeat purchases and forecast, {model}")
    axes.plot(np.array(days, dtype="datetime64[D]"), actual, color=BLUE, label="actual")
    axes.plot(np.array(days, dtype="datetime64[D]"), expected, color=ORANGE, linestyle="--", label="model")
    axes.axvline(trained_to, color=GREY, linewidth=1)  # type: ignore[arg-type]
    axes.annotate("the model knows\nnothing from here", (trained_to, axes.get_ylim()[1]), xytext=(4, -4),
                  textcoords="offset points", va="top", fontsize=8, color=GREY)  # fmt: skip
    labelled(axes, "day", "repeat purchase days since the beginning")
    thousands(axes)
    axes.legend(loc="upper left", frameon=False)
    axes.xaxis.set_major_locator(AutoDateLocator(minticks=3, maxticks=7))  # so many whole dates fit
    return made


@styled
def value_deciles(totals: Sequence[float], *, title: str = "Value by decile of customers") -> Figure:
    """The sum of value of each tenth of the customers, the most valuable tenth first, and their cumulative share."""
    values = np.asarray(totals, dtype=float)
    made, axes = figure(title)
    places = np.arange(1, len(values) + 1)
    axes.bar(places, values, color=BLUE)
    labelled(axes, "decile (1: the most valuable customers)", "sum of value")
    axes.set_xticks(places)
    thousands(axes)
    share = np.cumsum(values) / values.sum() if values.sum() else np.zeros(len(values))
    right = axes.twinx()
    right.grid(visible=False)
    right.plot(places, 100 * share, color=ORANGE, marker="o", markersize=3)
    right.set_ylim(0, 105)
    right.set_ylabel("cumulative share, %")
    right.spines["right"].set_visible(True)
    return made


@styled
def back_test(
    measures: Mapping[str, Mapping[str, float]], champion: str, barred: Collection[str] = (), measure: str = "rmse"
) -> Figure:
    """One measure of every method on the holdout (RMSE decides who speaks), the best on top.

    The champion is marked, and so are the `barred` ones, who may not speak.
    """
    names = sorted(measures, key=lambda name: (measures[name][measure], name), reverse=True)
    made, axes = figure(f"Back-test: {measure.upper()} of spend in the holdout", height=1.2 + 0.32 * len(names))
    values = [measures[name][measure] for name in names]
    colours = {champion: ORANGE} | dict.fromkeys(barred, GREY)
    axes.barh(range(len(names)), values, color=[colours.get(name, BLUE) for name in names])
    marks = {champion: " (speaks)"} | dict.fromkeys(barred, " (may not)")
    axes.set_yticks(range(len(names)), [name + marks.get(name, "") for name in names])
    for place, value in enumerate(values):
        axes.text(value, place, f" {value:,.2f}", va="center", fontsize=8)
    axes.margins(x=0.15)
    axes.locator_params(axis="x", nbins=6)
    thousands(axes, "x")
    axes.set_xlabel(f"{measure.upper()}, money a customer")
    axes.set_ylabel("method")
    return made
