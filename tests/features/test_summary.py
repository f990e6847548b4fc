"""The summary of orders in memory against the feature query in the engine."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ddcrm.features import summary
from ddcrm.features.purchases import purchase_features
from ddcrm.features.summary import purchase_summary
from ddcrm.settings import PurchaseSettings
from tests.models.cohort import CDNOW, cdnow_summary

AS_OF = date(2026, 3, 31)
COLUMNS = ["recency_days", "tenure_days", "frequency", "repeat_monetary_value"]


def orders(n: int = 3000, seed: int = 1) -> pa.Table:
    """Lines with returns, zeros, unknown customers and amounts, and days after AS_OF."""
    random = np.random.default_rng(seed)
    cents = random.choice([0, -500, 100, 1999, 123456], n) + random.integers(0, 3, n)
    amounts = [None if random.random() < 0.02 else Decimal(int(value)) / 100 for value in cents]
    keys = [None if value == 0 else f"C{value}" for value in random.integers(0, 400, n)]
    days = [AS_OF + timedelta(days=int(value)) for value in random.integers(-300, 20, n)]
    return pa.table(
        {
            "customer_key": pa.array(keys),
            "order_id": pa.array([str(i) for i in range(n)]),
            "event_date": pa.array(days),
            "amount": pa.array(amounts, pa.decimal128(18, 2)),
            "status": pa.array(random.choice(["open", "cancelled", None], n).tolist(), pa.string()),
        }
    )


def by_engine(lines: pa.Table, purchase: PurchaseSettings) -> pd.DataFrame:
    engine = ibis.duckdb.connect()
    return frame(engine.to_pyarrow(purchase_features(engine.create_table("o", lines), AS_OF, purchase, COLUMNS)))


def frame(table: pa.Table) -> pd.DataFrame:
    return table.to_pandas().set_index("customer_id").sort_index()[COLUMNS]


@pytest.mark.parametrize("counts", ["positive", "non_negative", "any"])
@pytest.mark.parametrize("excluded", [(), ("cancelled",)])
def test_it_is_the_feature_query_to_the_bit(counts: Any, excluded: tuple[str, ...]) -> None:
    purchase = PurchaseSettings(counts=counts, exclude_status=excluded)
    lines = orders()
    found = frame(purchase_summary(lines, AS_OF, purchase))
    assert len(found) > 300
    assert found["repeat_monetary_value"].gt(0).any()
    pd.testing.assert_frame_equal(found, by_engine(lines, purchase), check_exact=True)


def test_chunks_and_slices_change_nothing() -> None:
    lines = orders()
    pieces = pa.concat_tables([lines.slice(0, 7), lines.slice(7, 1000), lines.slice(1007)])
    assert purchase_summary(pieces, AS_OF).equals(purchase_summary(lines, AS_OF))
    part = purchase_summary(lines.slice(500, 900), AS_OF)
    pd.testing.assert_frame_equal(frame(part), by_engine(lines.slice(500, 900), PurchaseSettings()), check_exact=True)


@pytest.mark.parametrize("counts", ["positive", "any"])
@pytest.mark.parametrize("small", [{"_ROWS": 16}, {"_BITS": 22}, {"_BITS": 22, "_ROWS": 16}, {"_CORES": 1}])
def test_blocks_and_numbers_without_room_for_the_row_change_nothing(
    counts: Any, small: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, purchase = orders(), PurchaseSettings(counts=counts)
    expected = purchase_summary(lines, AS_OF, purchase)
    for name, value in small.items():
        monkeypatch.setattr(summary, name, value)
    assert purchase_summary(lines, AS_OF, purchase).equals(expected)


@pytest.mark.parametrize("seed", range(20))
def test_customers_stand_in_the_order_of_their_first_rows(seed: int) -> None:
    """Whichever line is the first, one of a return or of no purchase, too; against a loop over the rows."""
    lines = orders(60, seed)
    found = purchase_summary(lines, AS_OF)["customer_id"].to_pylist()
    rows = zip(lines["customer_key"].to_pylist(), lines["event_date"].to_pylist(), strict=True)
    known = dict.fromkeys(key for key, day in rows if key and day <= AS_OF)
    assert found == [key for key in known if key in set(found)]
    assert len(found) > 20


def test_of_a_time_the_day_counts() -> None:
    lines = orders()
    hours = np.random.default_rng(2).integers(0, 86_400, len(lines)).astype("timedelta64[s]")
    times = pa.array(lines["event_date"].to_numpy().astype("datetime64[s]") + hours)
    for event_date in (times, times.cast(pa.timestamp("us"))):
        timed = lines.set_column(lines.schema.get_field_index("event_date"), "event_date", event_date)
        assert purchase_summary(timed, AS_OF).equals(purchase_summary(lines, AS_OF))


def test_keys_of_other_types_are_texts_too() -> None:
    """A dictionary may hold a value twice, and an unknown one; an array of it none."""
    lines, expected = orders(), purchase_summary(orders(), AS_OF)
    keys = lines["customer_key"].combine_chunks()
    places = keys.dictionary_encode()
    values = places.dictionary.to_pylist()
    twice = pa.DictionaryArray.from_arrays(
        [len(values) if place is None else place + (len(values) + 1) * (row % 2)
         for row, place in enumerate(places.indices.to_pylist())],
        [*values, None, *values, None],
    )  # fmt: skip
    for other in (keys.cast(pa.large_string()), keys.cast(pa.string_view()), twice):
        found = lines.set_column(0, "customer_key", other)
        assert purchase_summary(found, AS_OF).equals(expected)


@pytest.mark.parametrize("kind", [pa.int64(), pa.uint64(), pa.int16(), pa.float64()])
def test_amounts_of_other_types_are_money_too(kind: pa.DataType) -> None:
    whole = [int(value) for value in np.random.default_rng(3).integers(0, 200, 3000)]
    expected = orders().set_column(3, "amount", pa.array([Decimal(value) for value in whole], pa.decimal128(18, 2)))
    found = orders().set_column(3, "amount", pa.array(whole, kind))
    assert purchase_summary(found, AS_OF).equals(purchase_summary(expected, AS_OF))


def test_nobody_bought_anything() -> None:
    lines = orders().slice(0, 0)
    assert purchase_summary(lines, AS_OF).num_rows == 0
    returns = pa.table({"customer_key": ["a"], "event_date": [AS_OF], "amount": pa.array([Decimal(-1)])})
    assert purchase_summary(returns, AS_OF).num_rows == 0


@pytest.mark.skipif(not CDNOW.is_file(), reason=f"CDNOW is not at {CDNOW}: set DDCRM_TEST_DATA")
def test_the_literatures_summary_of_cdnow() -> None:
    cdnow = cdnow_summary()
    names = ["master_id", "customer", "date", "cds", "spent"]
    lines = pd.read_csv(CDNOW, sep=r"\s+", header=None, names=names, dtype={"date": str})
    table = pa.table(
        {
            "customer_key": lines["customer"],
            "event_date": pa.array(pd.to_datetime(lines["date"], format="%Y%m%d").dt.date),
            "amount": lines["spent"],
        }
    )
    found = purchase_summary(table, date(1997, 9, 30), PurchaseSettings(counts="non_negative")).to_pandas()
    found = found.set_index("customer_id").sort_index()
    assert found["frequency"].tolist() == cdnow["frequency"].tolist()
    np.testing.assert_allclose(found["tenure_days"] / 7, cdnow["tenure"], rtol=1e-12)
    np.testing.assert_allclose((found["tenure_days"] - found["recency_days"]) / 7, cdnow["recency"], atol=1e-12)
    again = found["frequency"] > 0
    np.testing.assert_allclose(found["repeat_monetary_value"][again], cdnow["monetary_value"][again], rtol=1e-12)
