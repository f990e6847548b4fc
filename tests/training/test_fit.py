"""The fits: the published parameters of CDNOW from the transactions, sufficiency, and independence of row order."""

from __future__ import annotations

import os
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pytest

from ddcrm.errors import InsufficientDataError
from ddcrm.features.purchases import purchase_features
from ddcrm.settings import PurchaseSettings, ValueSettings
from ddcrm.training.fit import TRAINING_COLUMNS, columns_of, fit_gamma_gamma, fit_purchases

DATA = Path(os.environ.get("DDCRM_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.fixture(scope="module")
def customers() -> dict[str, np.ndarray]:
    """The story that BG/NBD tells, in days, and some who returned all that they bought again."""
    chance = np.random.default_rng(11)
    rows = []
    for _ in range(2000):
        rate, leaves, tenure = chance.gamma(0.5, 0.03), chance.beta(0.8, 2.4), int(chance.integers(30, 700))
        day, last, frequency = 0.0, 0, 0
        while (day := day + 1 + chance.exponential(1 / rate)) < tenure:
            last, frequency = int(day), frequency + 1
            if chance.random() < leaves:
                break
        spend = chance.gamma(6.0, 8.0) * chance.gamma(9.0, 1 / 9) if chance.random() > 0.03 else 0.0
        rows.append((tenure - last, tenure, frequency, spend, spend if frequency else np.nan))
    names = ("recency_days", "tenure_days", "frequency", "monetary_value", "repeat_monetary_value")
    return dict(zip(names, map(np.array, zip(*rows, strict=True)), strict=True))


@pytest.mark.skipif(not (DATA / "cdnow").is_dir(), reason="the CDNOW data are not there (DDCRM_TEST_DATA)")
def test_cdnow_sample_has_the_published_parameters() -> None:
    """references.md: CLVTools' tests; weeks, calibration to 1997-09-30; 2,357 and 946 customers."""
    lines = [line.split() for line in (DATA / "cdnow" / "CDNOW_sample.txt").read_text().splitlines()]
    orders = pa.table({
        "customer_key": [line[0] for line in lines], "order_id": [str(n) for n in range(len(lines))],
        "event_date": pa.array([date.fromisoformat(line[2]) for line in lines]),
        "amount": pa.array([Decimal(line[4]) for line in lines], pa.decimal128(18, 2)),
    })  # fmt: skip
    con = ibis.duckdb.connect()
    table = con.create_table("orders", orders)
    features = purchase_features(table, date(1997, 9, 30), PurchaseSettings(counts="non_negative"), TRAINING_COLUMNS)
    columns = columns_of(con.to_pyarrow(features))
    bgnbd = fit_purchases("bgnbd", columns, ValueSettings())
    assert bgnbd.parameters == pytest.approx({"r": 0.2426, "alpha": 4.4136, "a": 0.7929, "b": 2.4259}, rel=0.005)
    assert bgnbd.metrics["log_likelihood"] == pytest.approx(-9582.43, abs=0.01)
    assert bgnbd.rows == 2357
    spend = fit_gamma_gamma(columns, ValueSettings())
    assert spend.parameters == pytest.approx({"p": 6.25, "q": 3.74, "v": 15.44}, rel=0.005)
    assert spend.metrics["log_likelihood"] == pytest.approx(-4055.92, abs=0.01)
    assert (spend.rows, spend.excluded) == (946, 2357 - 946)


def test_the_unit_of_time_scales_alpha_and_nothing_else(customers: dict[str, np.ndarray]) -> None:
    weeks, days = (fit_purchases("bgnbd", customers, ValueSettings(unit_days=unit)).parameters for unit in (7.0, 1.0))
    assert days["alpha"] == pytest.approx(7 * weeks["alpha"], rel=1e-4)
    assert [days[name] for name in "rab"] == pytest.approx([weeks[name] for name in "rab"], rel=1e-4)


def test_value_fits_do_not_depend_on_the_order_of_rows(customers: dict[str, np.ndarray]) -> None:
    order = np.random.default_rng(1).permutation(len(customers["frequency"]))
    shuffled = {name: column[order] for name, column in customers.items()}
    for fit in (partial(fit_purchases, "bgnbd"), fit_gamma_gamma):
        assert fit(shuffled, ValueSettings()).parameters == fit(customers, ValueSettings()).parameters


def test_gamma_gamma_leaves_out_who_did_not_spend_again(customers: dict[str, np.ndarray]) -> None:
    fitted = fit_gamma_gamma(customers, ValueSettings())
    spent = np.nan_to_num(customers["repeat_monetary_value"]) > 0
    assert (fitted.rows, fitted.excluded) == (spent.sum(), (~spent).sum())
    wanted = np.corrcoef(customers["frequency"][spent], customers["repeat_monetary_value"][spent])[0, 1]
    assert fitted.metrics["correlation_frequency_spend"] == pytest.approx(wanted)


def test_too_few_customers_are_named_with_the_reason(customers: dict[str, np.ndarray]) -> None:
    few = {name: column[:40] for name, column in customers.items()}
    with pytest.raises(InsufficientDataError, match="40 customers, fewer than the 50") as caught:
        fit_purchases("bgnbd", few, ValueSettings())
    assert caught.value.model == "bgnbd"
    never = {**customers, "frequency": np.zeros(2000), "recency_days": customers["tenure_days"]}
    with pytest.raises(InsufficientDataError, match="0 customers who bought again, fewer than the 20"):
        fit_purchases("bgnbd", never, ValueSettings())
    with pytest.raises(InsufficientDataError, match="0 customers who bought again and spent") as caught:
        fit_gamma_gamma(never, ValueSettings())
    assert caught.value.model == "gamma_gamma"
