"""Online Retail: every landed row accounted for, held against the published counts and a reading by pandas."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ddcrm.dates import DateRange
from ddcrm.lake.engine import Engine, read_parquet
from ddcrm.lake.layout import landing_table
from ddcrm.settings import Settings
from tests.examples.conftest import DATA, example
from tests.pipeline.reading import rows

pytestmark = pytest.mark.slow

COUNTS = "batch_date, landed, conformed, quarantined, excluded, duplicates"
LINE = "InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country"
YEAR = DateRange.parse("2010-12-01", "2011-12-09")


@pytest.fixture
def settings(tmp_path: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    return example("online_retail", "online_retail.csv.gz", tmp_path / "state", warehouse_url, monkeypatch)


@pytest.fixture(scope="module")
def raw() -> pd.DataFrame:
    file = DATA / "online_retail/online_retail.csv.gz"
    return pd.read_csv(file, dtype=str, keep_default_na=False, na_values=[""], engine="pyarrow")


def test_a_year(settings: Settings, raw: pd.DataFrame) -> None:
    from ddcrm.pipeline.ingest import ingest
    from ddcrm.pipeline.score import publish, score
    from ddcrm.pipeline.train import train
    from ddcrm.training.fit import MODELS, REGRESSIONS

    result = ingest(settings, "orders", YEAR)
    kept = raw[raw.CustomerID.notna()]
    lines = kept.drop_duplicates()
    assert result.landed == len(raw) == 541_909
    assert dict(result.excluded) == {"no_customer": 135_080}
    assert (result.conformed, result.duplicates) == (len(lines), len(kept) - len(lines))
    assert dict(result.quarantined) == {}
    check_ledger(settings, raw)
    check_landing(settings)
    assert rows(settings, "SELECT message FROM ops.validations WHERE suite = 'changes'") == []
    train(settings, YEAR.last, [name for name in MODELS if name not in REGRESSIONS])
    score(settings, YEAR.last)
    publish(settings, YEAR.last)
    check_scores(settings, lines)


def check_ledger(settings: Settings, raw: pd.DataFrame) -> None:
    """Each of the 374 days has its batch, also those without a sale, and its rows add up."""
    found = {
        day: counts
        for day, *counts in rows(
            settings, "SELECT batch_date, landed, conformed, quarantined, excluded, duplicates FROM ops.batches"
        )
    }
    by_day = raw.InvoiceDate.str[:10].value_counts()
    assert set(found) == set(YEAR)
    assert {str(day): counts[0] for day, counts in found.items() if counts[0]} == by_day.to_dict()
    assert all(landed == sum(parts) for landed, *parts in found.values())


def check_landing(settings: Settings) -> None:
    """The dirt that the data is known for has landed as it is."""
    files = landing_table(settings, "orders").files()
    with Engine(settings) as engine:
        counted = engine.con.execute(
            "SELECT count(*), count(DISTINCT InvoiceNo), count(DISTINCT CustomerID), "
            "count(*) FILTER (CustomerID IS NULL), count(*) FILTER (InvoiceNo LIKE 'C%'), "
            "count(*) FILTER (CAST(Quantity AS INT) < 0), "
            "count(*) FILTER (CAST(UnitPrice AS DECIMAL(18, 3)) <= 0), count(*) FILTER (Description IS NULL), "
            f"count(*) - count(DISTINCT ({LINE})) FROM {read_parquet(files)}"
        ).fetchone()
    assert counted == (541_909, 25_900, 4_372, 135_080, 9_288, 10_624, 2_517, 1_454, 5_268)


def check_scores(settings: Settings, lines: pd.DataFrame) -> None:
    """Recency, frequency and spend of every customer equal those of pandas; cancellations alone make no customer."""
    lines = lines.assign(day=pd.to_datetime(lines.InvoiceDate.str[:10]), cents=cents(lines))
    bought = lines[lines.cents > 0].groupby("CustomerID").day
    spend = lines.groupby("CustomerID").cents.sum()
    columns = "customer_id, recency_days, frequency, tenure_days, monetary_value, clv_365d, withheld"
    scores = rows(settings, f"SELECT {columns} FROM crm.current_customer_scores")
    days = bought.nunique()
    assert {row[0] for row in scores} == set(days.index)
    assert len(days) < lines.CustomerID.nunique()
    first, last = bought.min().dt.date, bought.max().dt.date
    for customer, recency, frequency, tenure, monetary, value, withheld in scores:
        assert recency == (YEAR.last - last[customer]).days
        assert tenure == (YEAR.last - first[customer]).days
        assert frequency == days[customer] - 1
        mean = max(Decimal(int(spend[customer])) / 100 / int(days[customer]), Decimal(0))
        assert abs(monetary - mean) <= Decimal("0.01")
        assert withheld == "p_alive: no model that tells who has left could be fitted"  # undetermined here
        assert value >= 0
    assert rows(settings, "SELECT DISTINCT as_of FROM crm.current_customer_segments") == [(date(2011, 12, 9),)]


def cents(lines: pd.DataFrame) -> pd.Series:
    """Quantity times price, rounded half up to cents (away from zero), in whole numbers throughout."""
    prices = {price: int(Decimal(price) * 1000) for price in lines.UnitPrice.unique()}
    tenths = lines.UnitPrice.map(prices).astype(int) * lines.Quantity.astype(int)
    return np.sign(tenths) * ((tenths.abs() + 5) // 10)
