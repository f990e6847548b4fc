"""Figures show what they were given: heights, cells and names are read back; the same input, the same bytes."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from ddcrm.models import MBGNBD
from ddcrm.report import segment_figures, value_figures
from ddcrm.report.style import WIDTH, png, svg
from ddcrm.scoring.schemes.rfm import NAMES as RFM_NAMES
from tests.report.readable import unreadable

DAY = date(2026, 6, 30)


def heights(made: Figure, axes: int = 0) -> list[float]:
    return [patch.get_height() for patch in made.axes[axes].patches]  # type: ignore[attr-defined]


def texts(made: Figure, axes: int = 0) -> list[str]:
    return [text.get_text() for text in made.axes[axes].texts]


def named(made: Figure) -> None:
    for axes in made.axes:
        assert axes.get_title(loc="left") or axes.get_ylabel() or axes.get_xlabel()
    assert made.axes[0].get_xlabel()
    assert made.axes[0].get_ylabel()
    assert unreadable(made) == []


@pytest.fixture
def model() -> MBGNBD:
    found = MBGNBD()
    found.r_, found.alpha_, found.a_, found.b_ = 0.5, 6.0, 0.9, 1.6
    return found


@pytest.mark.parametrize("what", ["expected_purchases", "p_alive"])
def test_the_matrix_is_the_models(model: MBGNBD, what: Any) -> None:
    made = value_figures.frequency_recency(model, what, tenure=40, horizon=13, unit="week", most=5)
    named(made)
    grid = made.axes[0].images[0].get_array()
    X = {"frequency": [5.0], "recency": [40.0], "tenure": [40.0]}
    expected = model.p_alive(X)[0] if what == "p_alive" else model.expected_purchases(X, 13)[0]
    assert grid[-1, -1] == pytest.approx(expected)
    assert np.ma.getmaskarray(np.ma.masked_invalid(grid))[1:, 0].all()


def test_calibration_has_the_means_of_each_class() -> None:
    frequency, predicted = np.array([0, 0, 1, 8, 9.0]), np.array([0.2, 0.4, 1.0, 5.0, 7.0])
    made = value_figures.calibration(frequency, predicted, np.array([0, 1, 2, 6, 8.0]), holdout_days=90, model="BG")
    named(made)
    assert heights(made) == pytest.approx([0.5, 2.0, 7.0, 0.3, 1.0, 6.0])
    assert [label.get_text() for label in made.axes[0].get_xticklabels()] == ["0\n2", "1\n1", "7+\n2"]


def test_tracking_shows_both_lines() -> None:
    days = [DAY + timedelta(days=n) for n in range(4)]
    made = value_figures.tracking(days, np.array([1, 2, np.nan, np.nan]), np.arange(4.0), trained_to=DAY, model="BG")
    named(made)
    actual, expected = made.axes[0].lines[:2]
    assert list(expected.get_ydata()) == [0, 1, 2, 3]
    assert list(actual.get_ydata())[:2] == [1, 2]


@pytest.mark.parametrize("length", [4, 30, 60, 122, 200, 365, 640, 912, 2000])
def test_the_dates_of_tracking_can_be_read(length: int) -> None:
    days = [DAY + timedelta(days=n) for n in range(length)]
    made = value_figures.tracking(days, np.arange(0.0, length), np.arange(0.0, length), trained_to=DAY, model="BG")
    assert unreadable(made) == []


def test_deciles_and_their_share() -> None:
    made = value_figures.value_deciles([60, 30, 10])
    named(made)
    assert heights(made) == [60, 30, 10]
    assert list(made.axes[1].lines[0].get_ydata()) == pytest.approx([60, 90, 100])


def test_the_back_test_marks_the_champion() -> None:
    measures = {"bgnbd": {"mae": 9.0, "rmse": 2.0}, "rate": {"mae": 1.0, "rmse": 3.0}, "ridge": {"mae": 0, "rmse": 1.0}}
    made = value_figures.back_test(measures, "bgnbd", ["ridge"])
    named(made)
    shown = [label.get_text() for label in made.axes[0].get_yticklabels()]
    assert shown == ["rate", "bgnbd (speaks)", "ridge (may not)"]
    assert [patch.get_width() for patch in made.axes[0].patches] == [3.0, 2.0, 1.0]  # type: ignore[attr-defined]


def test_large_amounts_are_written_out() -> None:
    made = value_figures.back_test({"some_regression": {"rmse": 12_345_678.9}, "rate": {"rmse": 9.0}}, "rate")
    named(made)
    assert texts(made) == [" 12,345,678.90", " 9.00"]
    assert "10,000,000" in [label.get_text() for label in made.axes[0].get_xticklabels()]


def test_the_rfm_grid_counts() -> None:
    rows = [{"r": 5, "f": 1, "customers": 1200, "monetary_value": 3.0},
            {"r": 1, "f": 5, "customers": 7, "monetary_value": 9.0}]  # fmt: skip
    made = segment_figures.rfm_grid(rows)
    named(made)
    assert texts(made) == ["1,200", "7"]
    grid = made.axes[0].images[0].get_array()
    assert (grid[0, 0], grid[4, 4]) == (3.0, 9.0)


def test_sizes_of_a_segment_that_was_not_there_are_zero() -> None:
    rows = [
        {"as_of": DAY, "segment": "a", "customers": 3},
        {"as_of": DAY - timedelta(days=1), "segment": "b", "customers": 2},
    ]
    made = segment_figures.sizes_over_time(rows, "rfm")
    named(made)
    assert {line.get_label(): list(line.get_ydata()) for line in made.axes[0].lines} == {"a": [0, 3], "b": [2, 0]}


def test_days_close_together_share_a_tick() -> None:
    days = [DAY - timedelta(days=n) for n in (0, 1, 2, 14, 30, 31, 60, 85, 90)]
    rows = [{"as_of": day, "segment": name, "customers": 3} for day in days for name in RFM_NAMES]
    made = segment_figures.sizes_over_time(rows, "rfm")
    named(made)
    assert [label.get_text() for label in made.axes[0].get_xticklabels()][-1] == "06-30"


def test_the_sizes_of_one_day_are_bars() -> None:
    rows = [{"as_of": DAY, "segment": name, "customers": n} for name, n in (("a", 3), ("b", 1200))]
    made = segment_figures.sizes_over_time(rows, "rfm")
    named(made)
    assert [label.get_text() for label in made.axes[0].get_yticklabels()] == ["b", "a"]
    assert [patch.get_width() for patch in made.axes[0].patches] == [1200, 3]  # type: ignore[attr-defined]
    assert texts(made) == [" 1,200", " 3"]


def test_migration_is_a_share_of_those_who_were_there() -> None:
    moves = (("a", "a", 3), ("a", "b", 1), ("b", "b", 5))
    rows = [{"from_segment": start, "to_segment": end, "customers": n} for start, end, n in moves]
    made = segment_figures.migration(rows, "rfm")
    named(made)
    assert texts(made) == ["75.0", "25.0", "100.0"]
    everybody = [{"from_segment": one, "to_segment": one, "customers": 5} for one in RFM_NAMES]
    named(segment_figures.migration(everybody, "value_tier"))


def test_segments_stand_in_their_order_and_whole_shares_in_one_colour() -> None:
    """One segment alone, from which nobody went, is at the end of the colours, not in their middle."""
    rows = [{"from_segment": a, "to_segment": b, "customers": 5}
            for a, b in (("new", "gold"), ("gold", "gold"), ("platinum", "gold"), ("gold", "platinum"))]  # fmt: skip
    axes = segment_figures.migration(rows, "value_tier", ("platinum", "gold")).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["platinum", "gold", "new"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["platinum", "gold"]
    stayed = segment_figures.migration(rows[1:2], "value_tier").axes[0]
    assert stayed.images[0].get_clim() == (0, 100)
    assert [text.get_color() for text in stayed.texts] == ["black"]  # on the brightest colour


def test_cohorts_leave_the_first_month_away() -> None:
    rows = [
        {"cohort": date(2026, 5, 1), "months_since": n, "customers": 40, "retention": share}
        for n, share in ((0, 1.0), (1, 0.25))
    ]
    made = segment_figures.cohorts(rows)
    named(made)
    assert texts(made) == ["25"]
    assert [label.get_text() for label in made.axes[0].get_yticklabels()] == ["2026-05 (40)"]
    assert [label.get_text() for label in made.axes[0].get_xticklabels()] == ["1"]


@pytest.mark.filterwarnings("error")
def test_cohorts_without_a_later_month_are_words() -> None:
    row = {"cohort": date(2026, 5, 1), "months_since": 0, "customers": 40, "retention": 1.0}
    for rows in ([row], []):
        made = segment_figures.cohorts(rows)
        assert texts(made) == ["no month after a first purchase yet"]
        assert unreadable(made) == []
        assert b"PNG" in png(made)


def test_cohorts_of_two_years_stand_across_the_page() -> None:
    months = [date(2024 + n // 12, 1 + n % 12, 1) for n in range(24)]
    rows = [
        {"cohort": cohort, "months_since": n, "customers": 12_345, "retention": 0.5}
        for place, cohort in enumerate(months)
        for n in range(24 - place)
    ]
    made = segment_figures.cohorts(rows)
    named(made)
    assert made.get_figwidth() > WIDTH
    assert len(made.axes[0].get_yticklabels()) == 23  # the last month has nothing after it


def test_the_bridge_goes_from_before_to_after() -> None:
    rows = [
        {
            "split": "total",
            "node": "total",
            "revenue_before": Decimal(100),
            "revenue_after": Decimal(90),
            "change": Decimal(-10),
        },
        {"split": "class", "node": "new", "change": Decimal(30)},
        {"split": "class", "node": "lost", "change": Decimal(-40)},
        {"split": "factor", "node": "orders_per_customer", "change": Decimal(-5)},
        {"split": "factor", "node": "spend_per_order", "change": Decimal(-5)},
    ]
    made = segment_figures.revenue_bridge(rows, 30, "class")
    named(made)
    assert heights(made) == [100, 30, -40, 90]
    assert [patch.get_y() for patch in made.axes[0].patches] == [0, 100, 130, 0]  # type: ignore[attr-defined]
    named(segment_figures.revenue_bridge(rows, 90, "factor"))


def test_value_by_period_without_costs_has_no_profit() -> None:
    rows = [{"period": date(2026, 5, 1), "revenue": Decimal(5), "profit": None}]
    made = segment_figures.value_by_period(rows)
    named(made)
    assert [line.get_label() for line in made.axes[0].lines] == ["revenue"]
    assert made.axes[0].get_title(loc="left") == "Revenue by month"
    assert made.axes[0].get_ylabel() == "revenue"


@pytest.mark.parametrize("months", [1, 3, 9, 40])
def test_months_are_ticks_that_can_be_read(months: int) -> None:
    periods = [date(2023 + n // 12, 1 + n % 12, 1) for n in range(months)]
    rows = [{"period": period, "revenue": Decimal(5), "profit": Decimal(1)} for period in periods]
    made = segment_figures.value_by_period(rows)
    named(made)
    shown = [label.get_text() for label in made.axes[0].get_xticklabels()]
    assert shown[-1] == f"{periods[-1]:%Y-%m}"
    assert min(months, 4) <= len(shown) <= 9
    assert set(shown) <= {f"{period:%Y-%m}" for period in periods}
    legend, inside = made.axes[0].get_legend(), made.axes[0].get_window_extent()
    assert legend is not None
    assert legend.get_window_extent().y0 >= inside.y1 - 1  # off the lines


def test_the_same_figure_is_the_same_bytes() -> None:
    first, second = (value_figures.value_deciles([60, 30, 10], title="<b> & co") for _ in range(2))
    assert svg(first) == svg(second)
    assert png(first) == png(second)
    assert ElementTree.fromstring(svg(first)).tag.endswith("svg")
