"""Periods of the calendar against pandas, discount against its definition, and value without discount."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ddcrm.errors import SettingsError
from ddcrm.features.units import Discount, Period, Unit, in_units
from ddcrm.models import MBGNBD, BetaGeometricBetaBinomial, BetaGeoNBD, GammaGamma, ParetoNBD
from ddcrm.settings import ValueSettings, load_settings

HISTORIES = {"frequency": [0, 1, 5], "recency": [0.0, 3.0, 30.0], "tenure": [40.0, 40.0, 40.0]}
SHAPES = {"r": 0.3, "alpha": 4.0, "a": 0.8, "b": 2.5}
PURCHASES: dict[str, tuple[Any, Any]] = {
    "bgnbd": (BetaGeoNBD.with_parameters(**SHAPES), HISTORIES),
    "mbgnbd": (MBGNBD.with_parameters(**SHAPES), HISTORIES),
    "pareto_nbd": (ParetoNBD.with_parameters(r=0.5, alpha=10.0, s=0.6, beta=12.0), HISTORIES),
    "bgbb": (
        BetaGeometricBetaBinomial.with_parameters(alpha=1.2, beta=0.8, gamma=0.7, delta=2.8),
        {"frequency": [0, 1, 5], "recency": [0, 3, 30], "opportunities": [40, 40, 40]},
    ),
}


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2025-01-31", 1, "2025-02-28"),
        ("2024-01-31", 1, "2024-02-29"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2025-12-15", 1, "2026-01-15"),
        ("2025-03-31", 25, "2027-04-30"),
    ],
)
def test_a_month_ends_on_the_same_day_or_on_the_last_one(start: str, months: int, end: str) -> None:
    assert Period(months, Unit.MONTH).end(date.fromisoformat(start)) == date.fromisoformat(end)


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.integers(1, 60))
def test_periods_are_those_of_pandas(start: date, count: int) -> None:
    for unit, name in ((Unit.DAY, "days"), (Unit.WEEK, "weeks"), (Unit.MONTH, "months")):
        end = (pd.Timestamp(start) + pd.DateOffset(**{name: count})).date()
        assert Period(count, unit).end(start) == end
        assert Period(count, unit).days(start) == (end - start).days
        assert Period.parse(str(Period(count, unit))) == Period(count, unit)


@pytest.mark.parametrize("text", ["", "12", "0 days", "-3 weeks", "1.5 months", "2 years", "months", "12 monthsx"])
def test_what_is_no_period(text: str) -> None:
    with pytest.raises(SettingsError, match="period"):
        Period.parse(text)


@pytest.mark.parametrize(("as_of", "days"), [("2025-01-31", 28), ("2024-01-31", 29), ("2025-03-15", 31)])
def test_a_horizon_of_the_calendar_has_the_days_from_as_of(as_of: str, days: int) -> None:
    value = ValueSettings(horizon="1 month")
    assert value.at(date.fromisoformat(as_of)).horizon_days == days
    assert ValueSettings(horizon_days=90).at(date.fromisoformat(as_of)).horizon_days == 90


def test_a_horizon_that_is_no_period_is_a_wrong_setting() -> None:
    with pytest.raises(ValidationError, match="12 months"):
        ValueSettings(horizon="a year")


def test_two_horizons_contradict_each_other() -> None:
    with pytest.raises(ValidationError, match=r"horizon '12 months' stands in the place of horizon_days 30; give one"):
        ValueSettings(horizon="12 months", horizon_days=30)
    assert ValueSettings(horizon="", horizon_days=30).horizon_days == 30


@pytest.mark.parametrize("days", [float("inf"), float("nan"), 0.0])
def test_a_unit_has_an_end(days: float) -> None:
    with pytest.raises(ValidationError, match="unit_days"):
        ValueSettings(unit_days=days)


def test_the_second_horizon_is_named_with_the_file_that_it_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ddcrm.toml").write_text("[value]\nhorizon_days = 30\n", "utf-8")
    assert load_settings(tmp_path).value.horizon_days == 30
    monkeypatch.setenv("DDCRM_VALUE__HORIZON", "12 months")
    with pytest.raises(SettingsError, match=r"setting value is wrong: .*give one of the two.* See .*ddcrm\.toml"):
        load_settings(tmp_path)


def test_a_rate_a_year_is_the_same_rate_in_any_unit() -> None:
    discount = Discount(0.1)
    assert discount.factor(365) == pytest.approx(1 / 1.1)
    assert np.exp(-discount.rate(7) * 365 / 7) == pytest.approx(1 / 1.1)
    days = np.arange(0.5, 200)
    assert discount.mean_factor(200) == pytest.approx(np.mean(1.1 ** (-days / 365)), rel=1e-6)
    assert (Discount(0.0).rate(), Discount(0.0).factor(365), Discount(0.0).mean_factor(365)) == (0.0, 1.0, 1.0)


@pytest.mark.parametrize("name", PURCHASES)
def test_without_discount_value_is_expected_purchases_times_expected_spend(name: str) -> None:
    model, X = PURCHASES[name]
    spend = GammaGamma.with_parameters(p=6.25, q=3.74, v=15.44).expected_spend(
        {"frequency": [0, 1, 5], "monetary_value": [np.nan, 20.0, 50.0]}
    )
    horizon = Period(52, Unit.WEEK).days(date(2025, 6, 30))
    free, dear = (model.discounted_purchases(X, Discount(rate).rate(7), in_units(horizon, 7)) for rate in (0.0, 0.1))
    expected = model.expected_purchases(X, in_units(horizon, 7)) * spend
    np.testing.assert_allclose(free * spend, expected, rtol=1e-12)
    assert (dear * spend < expected).all()
    assert (dear * spend > expected / 1.1).all()


def test_the_unit_of_the_model_does_not_change_what_it_expects() -> None:
    in_days = BetaGeoNBD.with_parameters(**{**SHAPES, "alpha": 28.0})
    days = {"frequency": [0, 1, 5], "recency": [0.0, 21.0, 210.0], "tenure": [280.0] * 3}
    weeks = PURCHASES["bgnbd"][0].discounted_purchases(HISTORIES, Discount(0.1).rate(7), 52)
    np.testing.assert_allclose(in_days.discounted_purchases(days, Discount(0.1).rate(1), 364), weeks, rtol=1e-9)


def test_importing_it_imports_nothing_heavy() -> None:
    code = "import sys, ddcrm.features.units; print(sorted({'numpy', 'pandas', 'ibis'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
