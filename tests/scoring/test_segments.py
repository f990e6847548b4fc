"""Segments, their profiles and their migration against pandas on the published tables."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ddcrm.models import rfm_segment
from ddcrm.scoring import migration, profiles, segments
from ddcrm.scoring.actions import Actions
from ddcrm.scoring.models import ScoringModels
from ddcrm.scoring.schemes.base import Day
from ddcrm.scoring.scores import scored
from ddcrm.scoring.tables import DaySegments, published_tables
from ddcrm.settings import SegmentSettings, ValueSettings

DAY = date(2026, 2, 3)
NO_ACTIONS = Actions({})
SCHEMES = ("density", "kmeans", "lifecycle", "loyalty", "rfm", "usage", "value_tier")


@pytest.fixture(scope="module")
def tables(features: pa.Table, models: ScoringModels) -> dict[str, pa.Table]:
    return published_tables(DAY, day_of(features, models), DaySegments.nobody(), NO_ACTIONS)


def day_of(features: pa.Table, models: ScoringModels) -> Day:
    return Day(scored(features, models, ValueSettings()), models, SegmentSettings())


def rows_of(tables: dict[str, pa.Table]) -> pd.DataFrame:
    """Segments beside scores, a row for each customer and scheme."""
    scores = tables["customer_scores"].to_pandas()
    money = scores[["monetary_value", "clv_365d"]].astype(float)
    scores = scores.assign(monetary_value=money["monetary_value"], clv_365d=money["clv_365d"])
    return tables["customer_segments"].to_pandas().merge(scores, on="customer_id")


def test_columns_and_types_are_those_of_the_warehouse(tables: dict[str, pa.Table]) -> None:
    from ddcrm.warehouse import tables as warehouse

    for name, table in tables.items():
        assert table.schema.equals(warehouse.arrow_schema(warehouse.metadata.tables[f"crm.{name}"])), name
        table.validate(full=True)
    for module in (segments, profiles, migration):
        assert module.schema().names[0] == "as_of"


def test_every_customer_has_one_segment_in_each_scheme(
    tables: dict[str, pa.Table], features: pa.Table, models: ScoringModels
) -> None:
    found = rows_of(tables)
    assert found.groupby("scheme").size().to_dict() == dict.fromkeys(SCHEMES, 500)
    keys = list(zip(found["scheme"], found["customer_id"], strict=True))
    assert keys == sorted(keys)
    rfm = found[found["scheme"] == "rfm"]
    assert (rfm["segment"] == rfm_segment(rfm["r"], rfm["f"], rfm["m"])).all()
    tier = found[found["scheme"] == "value_tier"]
    assert (tier["segment"] == tier["value_tier"]).all()
    kmeans = models.kmeans.estimator
    labels = kmeans.predict(features.select(list(kmeans.columns)).to_pandas())
    assert found[found["scheme"] == "kmeans"]["segment"].tolist() == [kmeans.names_[label] for label in labels]


def test_profiles_equal_a_grouping_of_the_published_rows(tables: dict[str, pa.Table], features: pa.Table) -> None:
    found = rows_of(tables)
    spend = dict(zip(features["customer_id"].to_pylist(), features["spend"].to_pylist(), strict=True))
    found["revenue"] = [max(spend[customer], Decimal(0)) for customer in found["customer_id"]]
    total = sum(max(value, Decimal(0)) for value in spend.values())
    rows = {(row["scheme"], row["segment"]): row for row in tables["segment_profiles"].to_pylist()}
    groups = found.groupby(["scheme", "segment"])
    assert rows.keys() == set(groups.groups)
    for key, group in groups:
        row = rows[key]
        assert row["customers"] == len(group)
        assert row["share"] == pytest.approx(len(group) / 500)
        assert row["revenue_share"] == pytest.approx(float(sum(group["revenue"]) / total))
        assert row["recency_days_median"] == group["recency_days"].median()
        assert row["frequency_mean"] == pytest.approx(group["frequency"].mean())
        assert float(row["monetary_value_mean"]) == pytest.approx(group["monetary_value"].mean(), abs=0.00501)
        assert float(row["clv_365d_mean"]) == pytest.approx(group["clv_365d"].mean(), abs=0.00501)
        assert f"{group['recency_days'].median():,.0f}"[:2] in row["typical"]
        assert row["rule"]
    for scheme in SCHEMES:
        mine = [row for key, row in rows.items() if key[0] == scheme]
        assert sum(row["share"] for row in mine) == pytest.approx(1)
        assert sum(row["revenue_share"] for row in mine) == pytest.approx(1)
    assert "555" in rows["rfm", "Champions"]["rule"]


def test_without_models_the_schemes_that_need_none_are_told(features: pa.Table) -> None:
    found = published_tables(DAY, day_of(features, ScoringModels()), DaySegments.nobody(), NO_ACTIONS)
    assert found["customer_segments"]["scheme"].unique().to_pylist() == ["lifecycle", "loyalty", "rfm", "usage"]
    assert found["segment_profiles"]["clv_365d_mean"].null_count == found["segment_profiles"].num_rows
    assert "expected" not in found["segment_profiles"]["typical"][0].as_py()


def test_on_the_first_day_everybody_is_new(tables: dict[str, pa.Table]) -> None:
    rows = tables["segment_migration"].to_pylist()
    assert {row["from_segment"] for row in rows} == {"(new)"}
    sizes = {(row["scheme"], row["segment"]): row["customers"] for row in tables["segment_profiles"].to_pylist()}
    assert {(row["scheme"], row["to_segment"]): row["customers"] for row in rows} == sizes


def test_migration_equals_counting_customer_by_customer(features: pa.Table, models: ScoringModels) -> None:
    chance = np.random.default_rng(2)
    today = day_of(features, models)
    earlier = features.take(pa.array(np.sort(chance.choice(500, 450, replace=False))))
    gone = earlier.slice(0, 3).set_column(0, "customer_id", pa.array(["A1", "M2", "Z3"]))
    older = pa.concat_tables([earlier, gone]).sort_by("customer_id")
    older = older.set_column(3, "frequency", pa.array(chance.permutation(older["frequency"].to_numpy()), pa.int32()))
    before = DaySegments.of(day_of(older, ScoringModels(kmeans=models.kmeans)))
    tables = published_tables(DAY, today, before, NO_ACTIONS)
    found = tables["segment_migration"].to_pylist()

    was = {}
    for segmentation in before.found:
        for customer, code in zip(before.customers.to_pylist(), segmentation.codes, strict=True):
            was[segmentation.scheme, customer] = segmentation.names[code]
    now = {(row["scheme"], row["customer_id"]): row["segment"] for row in tables["customer_segments"].to_pylist()}
    wanted = Counter((key[0], was.get(key, "(new)"), segment) for key, segment in now.items())
    counted = [(row["scheme"], row["from_segment"], row["to_segment"]) for row in found]
    assert {key: row["customers"] for key, row in zip(counted, found, strict=True)} == wanted
    assert counted == sorted(counted)
    assert len([key for key in was if key not in now]) == 3 * 5
    assert {key[1] for key in counted if key[0] == "value_tier"} == {"(new)"}
