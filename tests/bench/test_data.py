"""The benchmark's orders: the same bytes each time, and customers who buy as they were told to."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data import Shop, simulate, write_days

SMALL = Shop(customers=2_000, days=60, first=date(2024, 1, 31))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    write_days(SMALL, folder)
    return folder


def read(folder: Path) -> pd.DataFrame:
    return pd.concat([pd.read_csv(file, dtype=str).assign(day=file.parent.name) for file in folder.glob("*/*.csv")])


def test_every_day_has_its_file_and_its_orders(written: Path) -> None:
    orders = read(written)
    assert sorted(file.name for file in written.iterdir() if file.is_dir()) == [
        str(SMALL.first + timedelta(days=n)) for n in range(60)
    ]
    assert (orders.ordered_at.str[:10] == orders.day).all()
    assert orders.order_no.is_unique
    assert orders.customer_no.nunique() == 2_000
    assert len(orders) > 2_000
    assert orders.amount.str.fullmatch(r"\d+\.\d\d").all()
    assert orders.order_no.str.fullmatch(r"A-\d{8}").all()
    assert orders.customer_no.str.fullmatch(r"C\d{7}").all()


def test_the_same_shop_gives_the_same_bytes(written: Path, tmp_path: Path) -> None:
    orders = write_days(SMALL, tmp_path / "again")
    files = sorted(written.glob("*/orders.csv"))
    assert len(read(written)) == orders
    assert [file.read_bytes() for file in files] == [
        (tmp_path / "again" / file.parent.name / "orders.csv").read_bytes() for file in files
    ]


def test_orders_that_are_there_are_not_made_again(written: Path) -> None:
    file = next(written.glob("*/orders.csv"))
    before = file.stat().st_mtime_ns
    assert write_days(SMALL, written) == len(read(written))
    assert file.stat().st_mtime_ns == before


def test_another_shop_replaces_the_orders(tmp_path: Path) -> None:
    write_days(Shop(customers=50, days=3), tmp_path / "orders")
    write_days(Shop(customers=50, days=2), tmp_path / "orders")
    assert sorted(file.name for file in (tmp_path / "orders").iterdir()) == ["2024-01-01", "2024-01-02", "shop.json"]


def test_customers_buy_as_the_models_have_it() -> None:
    """By closed forms: one pace for all, nobody leaves, then everybody does; the mean of gamma-gamma's spend."""
    steady = Shop(customers=2_000, days=400, r=1e6, alpha=1e7, a=1e-9, b=1.0)  # every 10 days, for good
    orders = simulate(steady)
    assert len(orders.time) == pytest.approx(2_000 * (1 + 200 / 10), rel=0.02)  # observed 200 days on average
    leaving = simulate(Shop(customers=2_000, days=400, a=1.0, b=1e-9))  # gone after the first repeat purchase
    assert np.bincount(leaving.customer).max() == 2
    mean = steady.p * steady.v / (steady.q - 1)
    assert orders.cents.mean() / 100 == pytest.approx(mean, rel=0.1)
