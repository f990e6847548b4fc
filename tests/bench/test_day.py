"""A small shop's day through the pipeline, beside a reckoning by pandas; and the comparison of two sets of scores."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import psycopg
import pytest

from bench.agreement import agreement
from bench.data import Shop, write_days
from bench.project import SHOP, orders_folder
from bench.step import _run
from ddcrm.settings import load_settings
from ddcrm.warehouse.connect import Warehouse

ROOT = Path(__file__).parents[2]
SMALL = Shop(customers=2_000, days=40)


@pytest.fixture
def project(tmp_path: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = shutil.copytree(SHOP, tmp_path / "project")
    for suite in (ROOT / "expectations").glob("crm_*.json"):
        shutil.copy(suite, folder / "expectations")
    write_days(SMALL, orders_folder(folder))
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", warehouse_url)
    return folder


def reckoned(project: Path, as_of: date) -> pd.DataFrame:
    """Frequency and recency of each customer, as lifetimes and RFM have them."""
    files = [file for file in orders_folder(project).glob("*/orders.csv") if file.parent.name <= str(as_of)]
    orders = pd.concat([pd.read_csv(file, parse_dates=["ordered_at"]) for file in files])
    days = orders.ordered_at.dt.normalize().groupby(orders.customer_no)
    frame = pd.DataFrame({"frequency": days.nunique() - 1, "recency_days": (pd.Timestamp(as_of) - days.max()).dt.days})
    return frame.rename_axis("customer_id").reset_index()


@pytest.mark.slow
def test_a_day_of_the_small_shop(project: Path, warehouse_url: str) -> None:
    settings, before = load_settings(project), SMALL.last - timedelta(days=1)
    history = _run("ingest", settings, str(SMALL.first), str(before))
    assert history.conformed == history.landed > 2_000
    for step in ("train", "score", "publish"):
        _run(step, settings, str(before), str(before))
    for step in ("extract", "transform", "validate", "score", "publish"):
        _run(step, settings, str(SMALL.last), str(SMALL.last))
    mine = reckoned(project, SMALL.last)
    pretend_script(warehouse_url, mine)
    found = agreement(warehouse_url, str(SMALL.last))
    assert (found.customers, found.only_one) == (len(mine), 0)
    assert found.same_frequency == found.same_recency == 1


def pretend_script(url: str, frame: pd.DataFrame) -> None:
    with Warehouse(url) as warehouse, warehouse.engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA script")
        numbers = frame.assign(expected_orders_365d=1.0 + frame.frequency, clv_365d=2.0 + frame.frequency)
        numbers.to_sql("customer_scores", connection, schema="script", index=False)


def test_agreement_tells_what_differs(warehouse_url: str) -> None:
    with psycopg.connect(warehouse_url.replace("+psycopg", "")) as connection:
        connection.execute("CREATE SCHEMA script")
        columns = "as_of, customer_id, frequency, recency_days, expected_orders_365d, clv_365d"
        connection.execute("CREATE TABLE crm_days.d PARTITION OF crm.customer_scores FOR VALUES IN ('2024-01-02')")
        connection.execute(f"INSERT INTO crm.customer_scores ({columns}) VALUES ('2024-01-02', 'a', 0, 5, 1, 10), "
                           "('2024-01-02', 'b', 3, 0, 2, 20), ('2024-01-02', 'c', 1, 1, 3, 30)")  # fmt: skip
        connection.execute("CREATE TABLE script.customer_scores AS SELECT * FROM (VALUES ('a', 0, 5, 2.0, 20.0), "
                           "('b', 4, 0, 4.0, 40.0)) AS v (customer_id, frequency, recency_days, expected_orders_365d, "
                           "clv_365d)")  # fmt: skip
    found = agreement(warehouse_url, "2024-01-02")
    assert (found.customers, found.only_one) == (2, 1)
    assert found.same_frequency == 0.5
    assert found.same_recency == 1
    assert (found.orders_ratio, found.clv_ratio) == (0.5, 0.5)
    assert "50.00%" in found.sentence()
    assert "1 are with one of them only" in found.sentence()
