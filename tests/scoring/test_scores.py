"""customer_scores, each column computed another way; withheld models; any order of rows."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

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
        assert (row["withheld"], row["bgnbd_version"], row["gamma_gamma_version"]) == (None, "b1", "g1")
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
    bought = models.bgnbd.estimator.expected_purchases(weeks, 365 / 7)
    wanted = bought * models.gamma_gamma.estimator.expected_spend(spend)
    assert frame["clv_365d"].astype(float).to_numpy() == pytest.approx(wanted, abs=0.0051)
    assert frame["expected_orders_365d"].to_numpy() == pytest.approx(bought, rel=1e-12)
    assert frame["p_alive"].to_numpy() == pytest.approx(models.bgnbd.estimator.p_alive(weeks), rel=1e-12)
    discounted = table(features, models).to_pandas()["clv_365d"].astype(float)
    assert (discounted <= frame["clv_365d"].astype(float)).all()
    assert 0.9 < discounted.sum() / frame["clv_365d"].astype(float).sum() < 0.98


def test_the_order_of_rows_changes_nothing(features: pa.Table, models: ScoringModels) -> None:
    shuffled = features.take(pa.array(np.random.default_rng(1).permutation(features.num_rows)))
    assert table(shuffled, models).equals(table(features, models))


def test_a_missing_model_withholds_the_value_with_the_reason(features: pa.Table, models: ScoringModels) -> None:
    missing = ScoringModel("gamma_gamma", missing="no model was trained on or before 2026-02-03")
    found = table(features, ScoringModels(models.bgnbd, missing, models.kmeans))
    assert found["clv_365d"].null_count == found["value_tier"].null_count == 500
    assert found["p_alive"].null_count == 0
    assert found["withheld"].unique().to_pylist() == ["gamma_gamma: no model was trained on or before 2026-02-03"]
    nothing = table(features, ScoringModels())
    assert nothing["p_alive"].null_count == nothing["expected_orders_90d"].null_count == 500
    assert nothing["withheld"][0].as_py() == "bgnbd: not trained; gamma_gamma: not trained"
    assert nothing["rfm"].equals(found["rfm"])
    assert nothing.schema == found.schema == schema()
