"""The same features on PySpark, where it is installed (pip install 'ddcrm[spark]', and a Java)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ddcrm.features.purchases import purchase_features
from ddcrm.settings import PurchaseSettings

pytest.importorskip("pyspark", reason="PySpark is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("java"), reason="there is no Java"),
    pytest.mark.xdist_group("spark"),
]


@pytest.fixture(scope="module")
def spark() -> Iterator[ibis.BaseBackend]:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    settings = {"spark.sql.session.timeZone": "UTC", "spark.sql.shuffle.partitions": "2"}
    session = builder.config(map=settings).getOrCreate()
    yield ibis.pyspark.connect(session)
    session.stop()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines with ties, refunds, NULLs and several orders a day."""
    chance, n = np.random.default_rng(0), 3000
    cents = chance.integers(-2000, 5000, n) * (chance.random(n) > 0.05)
    days = [date(2024, 1, 1) + timedelta(days=int(day)) for day in chance.integers(0, 400, n)]
    table = pa.table({
        "customer_key": chance.integers(0, 300, n).astype(str), "order_id": chance.integers(0, 1500, n).astype(str),
        "event_date": pa.array(days), "amount": pa.array(cents / 100).cast(pa.decimal128(18, 2)),
        "quantity": chance.integers(-2, 5, n), "product_id": chance.integers(0, 30, n).astype(str),
        "channel": pa.array(chance.choice(["a", "b", None], n)),
        "status": pa.array(chance.choice(["ok", "void", None], n)),
    })  # fmt: skip
    target = tmp_path_factory.mktemp("lines") / "lines.parquet"
    pq.write_table(table, target)
    return target


@pytest.mark.parametrize("counts", ["positive", "non_negative", "any"])
def test_both_engines_find_the_same(spark: ibis.BaseBackend, file: Path, counts: Any) -> None:
    purchase = PurchaseSettings(counts=counts, exclude_status=("void",))
    found = []
    for con in (ibis.duckdb.connect(), spark):
        features = purchase_features(con.read_parquet(file), date(2024, 12, 1), purchase)
        found.append(con.to_pyarrow(features.order_by("customer_id")))
    assert found[0].schema.types == found[1].schema.types
    assert found[0].num_rows > 250
    for one, two in zip(found[0].to_pylist(), found[1].to_pylist(), strict=True):
        floats = {name for name, value in one.items() if isinstance(value, float)}
        assert {name: value for name, value in two.items() if name not in floats} == {
            name: value for name, value in one.items() if name not in floats
        }
        assert [two[name] for name in floats] == pytest.approx([one[name] for name in floats], rel=1e-9)
