"""Figures about segments, cohorts and what moved revenue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from ddcrm.report.style import BLUE, CYCLE, GREEN, GREY, RED, WIDE, WIDTH, figure, heat_map, labelled, styled, thousands

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rows = Sequence[Mapping[str, Any]]


@styled
def rfm_grid(rows: Rows) -> Figure:
    """Customers by recency and frequency score, coloured by their mean monetary value.

    rows: r, f, customers, monetary_value.
    """
    values, counts = np.full((5, 5), np.nan), np.zeros((5, 5), dtype=int)
    for row in rows:
        values[5 - row["r"], row["f"] - 1] = row["monetary_value"]
        counts[5 - row["r"], row["f"] - 1] = row["customers"]
    made, axes = figure("RFM: customers by recency and frequency", height=4.6)
    image = heat_map(axes, values, [str(n) for n in range(5, 0, -1)], [str(n) for n in range(1, 6)])
    middle = np.nanmean([np.nanmax(values), np.nanmin(values)]) if counts.any() else 0
    for (row_, column), count in np.ndenumerate(counts):
        if count:
            shade = "black" if values[row_, column] > middle else "white"
            axes.text(column, row_, f"{count:,}", ha="center", va="center", color=shade)
    labelled(axes, "frequency score (5: often)", "recency score (5: just now)")
    made.colorbar(image, ax=axes, label="mean monetary value")
    return made


@styled
def sizes_over_time(rows: Rows, scheme: str) -> Figure:
    """Customers of each segment of a scheme over the published days; rows: as_of, segment, customers.

    Of one day alone there is a bar for each segment.
    """
    days = sorted({row["as_of"] for row in rows})
    known = {(row["segment"], row["as_of"]): row["customers"] for row in rows}
    last = {name: known.get((name, days[-1]), 0) for name in {row["segment"] for row in rows}}
    names = sorted(last, key=lambda name: (-last[name], name))
    if len(days) == 1:
        return _sizes(names, [last[name] for name in names], f"Segments of {scheme} on {days[0]}")
    made, axes = figure(f"Segments of {scheme} over time")
    axes.set_prop_cycle(color=CYCLE)
    for number, name in enumerate(names):
        style = "-" if number < len(CYCLE) else "--"
        counts = [known.get((name, day), 0) for day in days]
        axes.plot(days, counts, style, marker="o", markersize=2.5, label=name)
    labelled(axes, f"day, up to {days[-1]}", "customers")
    axes.set_ylim(bottom=0)
    _sparse_days(axes, days, "%m-%d")
    thousands(axes)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8, frameon=False)
    return made


def _sizes(names: Sequence[str], counts: Sequence[int], title: str) -> Figure:
    made, axes = figure(title, height=1.2 + 0.32 * max(len(names), 4))
    places = range(len(names))
    axes.barh(places, counts, color=BLUE)
    axes.invert_yaxis()
    axes.set_yticks(places, names)
    for place, count in zip(places, counts, strict=True):
        axes.text(count, place, f" {count:,}", va="center", fontsize=8)
    axes.margins(x=0.12)
    labelled(axes, "customers", "segment")
    thousands(axes, "x")
    return made


@styled
def migration(rows: Rows, scheme: str, order: Sequence[str] = ()) -> Figure:
    """Customers who went from one segment to another since the day before; rows: from_segment, to_segment, customers.

    Shares are of the segment that they come from, so that small segments can be read beside large ones. The segments
    stand in `order`, those that are not in it behind, by name.
    """
    place = {name: number for number, name in enumerate(order)}
    sources, targets = (
        sorted({row[end] for row in rows}, key=lambda name: (place.get(name, len(place)), name))
        for end in ("from_segment", "to_segment")
    )
    counts = np.zeros((len(sources), len(targets)))
    for row in rows:
        counts[sources.index(row["from_segment"]), targets.index(row["to_segment"])] += row["customers"]
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(100 * counts, totals, out=np.full_like(counts, np.nan), where=counts > 0)
    size = 1.6 + 0.34 * len(sources)
    made, axes = figure(f"Migration in {scheme} since the day before", height=max(size, 3))
    image = heat_map(axes, shares, sources, targets, "{:.1f}", most=100)
    axes.tick_params(axis="x", rotation=40)
    for label in axes.get_xticklabels():
        label.set_horizontalalignment("right")
    labelled(axes, "to", "from")
    made.colorbar(image, ax=axes, label="% of those who were there")
    return made


@styled
def cohorts(rows: Rows) -> Figure:
    """Retention by cohort and month since; rows: cohort, months_since, customers, retention.

    Of the month of the first purchase, in which it is always everybody, nothing is shown. Where there is no other month
    there are words instead.
    """
    later = [row for row in rows if row["months_since"]]
    if not later:
        return _nothing("Retention by month of first purchase, %", "no month after a first purchase yet")
    names = sorted({row["cohort"] for row in later})[-24:]
    months = max(row["months_since"] for row in later if row["cohort"] in names)
    values, sizes = np.full((len(names), months), np.nan), dict.fromkeys(names, 0)
    for row in later:
        if row["cohort"] in sizes:
            values[names.index(row["cohort"]), row["months_since"] - 1] = 100 * row["retention"]
            sizes[row["cohort"]] = row["customers"]
    labels = [f"{name:%Y-%m} ({sizes[name]:,})" for name in names]
    made, axes = figure("Retention by month of first purchase, %", width=WIDE if months > 12 else WIDTH,
                        height=1.4 + 0.25 * len(names))  # fmt: skip
    image = heat_map(axes, values, labels, [str(n + 1) for n in range(months)], "{:.0f}",
                     most=max(np.nanmax(values, initial=0), 1))  # fmt: skip
    labelled(axes, "months since the first purchase", "cohort (customers)")
    made.colorbar(image, ax=axes, label="% who bought")
    return made


def _nothing(title: str, why: str) -> Figure:
    made, axes = figure(title, height=1.4)
    axes.set(xticks=[], yticks=[])
    axes.set_axis_off()
    axes.text(0, 0.5, why, va="center")
    return made


@styled
def revenue_bridge(rows: Rows, period_days: int, split: str) -> Figure:
    """From the revenue of the period before to that of the last one, step by step; rows of revenue_tree for it."""
    total = next(row for row in rows if row["split"] == "total")
    order = ("new", "returned", "kept", "lost", "passive") if split == "class" else (
        "customers", "orders_per_customer", "spend_per_order")  # fmt: skip
    parts = {row["node"]: float(row["change"]) for row in rows if row["split"] == split}
    steps = [(name, parts[name]) for name in order if name in parts]
    names = ["before", *(name.replace("_per_", "\nper ") for name, _ in steps), "after"]
    made, axes = figure(f"What moved revenue: the last {period_days} days against the {period_days} before")
    level = float(total["revenue_before"])
    axes.bar(0, level, color=GREY)
    for place, (_, change) in enumerate(steps, start=1):
        axes.bar(place, change, bottom=level, color=GREEN if change >= 0 else RED)
        axes.annotate(f"{change:+,.0f}", (place, max(level, level + change)), xytext=(0, 3), textcoords="offset points",
                      ha="center", fontsize=8)  # fmt: skip
        level += change
    axes.bar(len(names) - 1, float(total["revenue_after"]), color=BLUE)
    axes.set_xticks(range(len(names)), names)
    axes.use_sticky_edges = False  # a bar that hangs from the highest level would touch the title
    axes.margins(y=0.1)
    axes.set_ylim(bottom=min(0.0, axes.dataLim.y0 * 1.1))
    labelled(axes, "class of customer" if split == "class" else "factor", "revenue")
    thousands(axes)
    return made


@styled
def value_by_period(rows: Rows) -> Figure:
    """Revenue and profit by month; rows: period, revenue, profit (None where it is not known)."""
    profits = [np.nan if row["profit"] is None else float(row["profit"]) for row in rows]
    made, axes = figure("Revenue and profit by month" if np.isfinite(profits).any() else "Revenue by month")
    periods = np.array([row["period"] for row in rows], dtype="datetime64[D]")
    axes.plot(periods, [float(row["revenue"]) for row in rows], color=GREY, marker="o", markersize=3, label="revenue")
    if np.isfinite(profits).any():
        axes.plot(periods, profits, color=BLUE, marker="o", markersize=3, label="profit")
    labelled(axes, "month (the last one up to the day)", "money" if len(axes.lines) > 1 else "revenue")
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    thousands(axes)
    if len(axes.lines) > 1:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)  # beside the title, off the lines
    _sparse_days(axes, [row["period"] for row in rows], "%Y-%m")
    return made


def _sparse_days(axes: Any, days: Sequence[date], form: str) -> None:
    """At most nine of the days as ticks, the last one among them, none so near another that labels would touch."""
    apart = (days[-1] - days[0]) / 8
    shown = [days[-1]]
    for day in reversed(days[:-1]):
        if shown[0] - day >= apart:
            shown.insert(0, day)
    axes.set_xticks(shown, [f"{day:{form}}" for day in shown])
