"""customer_scores, each column computed another way; withheld models; any order of rows."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ddcrm.models import BetaGeoNBD
from ddcrm.models.champion import Bands, Champion
from ddcrm.scoring.models import ScoringModel, ScoringModels
from ddcrm.scoring.scores import customer_scores, schema, scored
from ddcrm.settings import ValueSettings

DAY = date(2026, 2, 3)
CENT = Decimal("0.01")


def table(features: pa.Table, models: ScoringModels, value: ValueSettings | None = None) -> pa.Table:
    return customer_scores(scored(features, models, value or ValueSettings()), DAY, models)


def test_columns_and_types_are_those_of_the_warehouse() -> None:
    from ddcrm.warehouse import tables

    assert schema().equals(tables.arrow_schema(tables.customer_scores))


def test_known_facts_come_through_and_money_rounds_half_to_even(features: pa.Table, models: ScoringModels) -> None:
    found, given = table(features, models).to_pylist(), features.to_pylist()
    assert len(found) == len(given) == 500
    for row, customer in zip(found, given, strict=True):
        assert row["as_of"] == DAY
        for name in ("customer_id", "recency_days", "tenure_days", "frequency"):
            assert row[name] == customer[name]
        mean = max(customer["spend"] / customer["purchase_days"], Decimal(0))
        assert row["monetary_value"] == mean.quantize(CENT, ROUND_HALF_EVEN)
        assert (row["withheld"], row["value_version"]) == (None, "v1")
        assert {row[name] for name in ("value_method", "orders_method", "alive_model")} == {"pareto_nbd"}
    assert sum(row["monetary_value"] == 0 for row in found) > 0


def test_rfm_scores_are_fifths_of_what_is_published(features: pa.Table, models: ScoringModels) -> None:
    frame = table(features, models).to_pandas()
    for score, column, sign in (("r", "recency_days", -1), ("f", "frequency", 1), ("m", "monetary_value", 1)):
        rank = (sign * frame[column].astype(float)).rank(method="average") - 0.5  # the mid-rank, counted from 0
        assert (frame[score] == 1 + np.floor(5 * rank / len(frame) + 1e-12)).all(), score
    assert (frame["rfm"] == frame["r"].astype(str) + frame["f"].astype(str) + frame["m"].astype(str)).all()


def test_value_is_expected_purchases_times_expected_spend(features: pa.Table, models: ScoringModels) -> None:
    """At rate 0, with both expectations asked of the models directly."""
    frame = table(features, models, ValueSettings(discount_rate_annual=0.0)).to_pandas()
    given = features.to_pandas()
    age, since = given["tenure_days"] / 7, given["recency_days"] / 7
    weeks = pd.DataFrame({"frequency": given["frequency"], "recency": age - since, "tenure": age})
    spend = given[["frequency"]].assign(monetary_value=given["repeat_monetary_value"])
    bought = models.parts["pareto_nbd"].estimator.expected_purchases(weeks, 365 / 7)
    wanted = bought * models.parts["gamma_gamma"].estimator.expected_spend(spend)
    assert frame["clv_365d"].astype(float).to_numpy() == pytest.approx(wanted, abs=0.0051)
    assert frame["expected_orders_365d"].to_numpy() == pytest.approx(bought, rel=1e-12)
    assert frame["p_alive"].to_numpy() == pytest.approx(models.parts["pareto_nbd"].estimator.p_alive(weeks), rel=1e-12)
    discounted = table(features, models).to_pandas()["clv_365d"].astype(float)
    assert (discounted <= frame["clv_365d"].astype(float)).all()
    assert 0.9 < discounted.sum() / frame["clv_365d"].astype(float).sum() < 0.98


def test_the_order_of_rows_changes_nothing(features: pa.Table, models: ScoringModels) -> None:
    shuffled = features.take(pa.array(np.random.default_rng(1).permutation(features.num_rows)))
    assert table(shuffled, models).equals(table(features, models))


def test_a_missing_model_withholds_the_scores_with_the_reason(features: pa.Table, models: ScoringModels) -> None:
    missing = ScoringModel("value", missing="no model was trained on or before 2026-02-03")
    found = table(features, ScoringModels(missing, models.kmeans))
    for name in (
        "clv_365d",
        "clv_365d_low",
        "clv_365d_high",
        "value_tier",
        "p_alive",
        "expected_orders_90d",
        "value_method",
        "value_version",
    ):
        assert found[name].null_count == 500, name
    assert found["withheld"].unique().to_pylist() == ["value: no model was trained on or before 2026-02-03"]
    assert found["rfm"].equals(table(features, models)["rfm"])
    assert found.schema == schema()


def test_p_alive_alone_is_withheld_where_no_model_tells_who_has_left(features: pa.Table, bgnbd: BetaGeoNBD,
                                                                     models: ScoringModels) -> None:  # fmt: skip
    champion = Champion("bgnbd", "bgnbd", None, {"bgnbd": "b1", "gamma_gamma": "g1"})
    parts = {**models.parts, "bgnbd": ScoringModel("bgnbd", bgnbd, "b1")}
    found = table(features, ScoringModels(ScoringModel("value", champion, "v2"), parts=parts))
    assert found["p_alive"].null_count == found["alive_model"].null_count == 500
    assert found["clv_365d"].null_count == found["expected_orders_365d"].null_count == 0
    assert found["withheld"][0].as_py() == "p_alive: no model that tells who has left could be fitted"


@pytest.mark.parametrize("method", ["rate_so_far", "last_period"])
def test_a_heuristic_speaks_with_a_model_s_p_alive(features: pa.Table, models: ScoringModels, method: str) -> None:
    bands = Bands(np.array([50.0]), np.array([0.0, 0.2]), np.array([3.0, 2.0]), 7.0, 365)
    champion = Champion(method, method, "pareto_nbd", {"pareto_nbd": "p1"}, bands, days=60)
    speaking = ScoringModels(ScoringModel("value", champion, "v3"), parts=models.parts)
    given = with_windows(features).to_pandas()
    found = table(with_windows(features), speaking, ValueSettings(discount_rate_annual=0.0)).to_pandas()
    assert (found["p_alive"] == table(features, models).to_pandas()["p_alive"]).all()
    if method == "rate_so_far":
        orders = given["frequency"] / given["tenure_days"].clip(lower=1) * 365
        wanted = orders * given["monetary_value"]
    else:
        orders, wanted = given["last_purchase_days"] * 365 / 60, given["last_spend"].clip(lower=0) * 365 / 60
        assert found["expected_orders_90d"].to_numpy() == pytest.approx(given["last_purchase_days"] * 1.5)
    assert found["expected_orders_365d"].to_numpy() == pytest.approx(orders.to_numpy())
    assert found["clv_365d"].astype(float).to_numpy() == pytest.approx(wanted.to_numpy(), abs=0.0051)
    assert wanted.max() > 100
    low = np.where(wanted > 50, 0.2 * wanted, 0.0)
    high = np.select([wanted == 0, wanted <= 50], [7.0, 3 * wanted], 2 * wanted)
    assert found["clv_365d_low"].astype(float).to_numpy() == pytest.approx(low, abs=0.0051)
    assert found["clv_365d_high"].astype(float).to_numpy() == pytest.approx(high, abs=0.0051)
    less = table(with_windows(features), speaking).to_pandas()["clv_365d"].astype(float).sum()
    even = np.mean(1.1 ** -((np.arange(1000) + 0.5) / 1000))
    assert less / found["clv_365d"].astype(float).sum() == pytest.approx(even, rel=1e-5)


def with_windows(features: pa.Table) -> pa.Table:
    """The features with what the last period brought."""
    last = features.append_column("last_purchase_days", pa.array(np.arange(500) % 4, pa.float64()))
    return last.append_column("last_spend", features["spend"].cast(pa.float64()))
