"""Customers with their features, and models for them."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from ddcrm.models import BetaGeoNBD, DensitySegments, GammaGamma, KMeansSegments, ParetoNBD
from ddcrm.models.champion import Champion
from ddcrm.scoring.models import ScoringModel, ScoringModels


@pytest.fixture(scope="session")
def features() -> pa.Table:
    """500 customers in the order of their ids, ties and refunds among them."""
    chance = np.random.default_rng(3)
    n = 500
    tenure = chance.integers(0, 700, n)
    frequency = np.minimum(chance.geometric(0.45, n) - 1, tenure)
    recency = np.where(frequency > 0, (chance.random(n) * (tenure - frequency)).astype(int), tenure)
    cents = chance.integers(-200, 30_000, n)
    repeat = np.where(frequency > 0, np.maximum(chance.integers(-500, 20_000, n), 0) / 100, np.nan)
    return pa.table({
        "customer_id": sorted(f"C{number:04}" for number in chance.choice(9999, n, replace=False)),
        "recency_days": pa.array(recency, pa.int32()), "tenure_days": pa.array(tenure, pa.int32()),
        "frequency": pa.array(frequency, pa.int32()), "purchase_days": pa.array(frequency + 1, pa.int32()),
        "spend": pa.array([Decimal(int(value)).scaleb(-2) for value in cents], pa.decimal128(18, 2)),
        "monetary_value": np.maximum(cents, 0) / 100 / (frequency + 1),
        "repeat_monetary_value": pa.array(repeat, pa.float64(), from_pandas=True),
        **behaviour(chance, frequency, recency, tenure, cents),
    })  # fmt: skip


def behaviour(
    chance: np.random.Generator, frequency: np.ndarray, recency: np.ndarray, tenure: np.ndarray, cents: np.ndarray
) -> dict[str, pa.Array]:
    """What the schemes look at besides: windows that agree with recency and tenure, products, gaps."""
    days = frequency + 1
    bought = {n: np.where(recency < n, np.where(tenure < n, days, chance.integers(1, days + 1)), 0)
              for n in (90, 180, 365)}  # fmt: skip
    bought[180] = np.maximum.reduce([bought[90], bought[180], (recency < 180) & (tenure < 180) & (days > 1)])
    spend = np.where(recency < 365, cents - chance.integers(0, 2000, len(cents)), 0) // 500 * 500
    return {
        **{f"purchase_days_{n}d": pa.array(bought[n], pa.int32()) for n in bought},
        "spend_365d": pa.array([Decimal(int(value)).scaleb(-2) for value in spend], pa.decimal128(18, 2)),
        "products": pa.array(np.minimum(days * 2, chance.integers(1, 12, len(days))), pa.int32()),
        "gap_mean_days": pa.array(np.where(frequency > 0, (tenure - recency) / np.maximum(frequency, 1), np.nan),
                                  from_pandas=True),
        "gap_std_days": pa.array(np.where(frequency > 1, chance.random(len(days)) * 40, np.nan), from_pandas=True),
    }  # fmt: skip


@pytest.fixture(scope="session")
def bgnbd() -> BetaGeoNBD:
    model = BetaGeoNBD()
    model.r_, model.alpha_, model.a_, model.b_ = 0.243, 4.414, 0.793, 2.426
    return model


@pytest.fixture(scope="session")
def gamma_gamma() -> GammaGamma:
    model = GammaGamma()
    model.p_, model.q_, model.v_ = 6.25, 3.74, 15.44
    return model


@pytest.fixture(scope="session")
def pareto_nbd() -> ParetoNBD:
    model = ParetoNBD()
    model.r_, model.alpha_, model.s_, model.beta_ = 0.5532, 10.576, 0.6063, 11.67
    return model


@pytest.fixture(scope="session")
def models(features: pa.Table, pareto_nbd: ParetoNBD, gamma_gamma: GammaGamma) -> ScoringModels:
    kmeans = KMeansSegments(k_min=3, k_max=4)
    kmeans.fit(features.select(list(kmeans.columns)).to_pandas())
    density = DensitySegments().fit(features.select(list(kmeans.columns)).to_pandas())
    champion = Champion("pareto_nbd", "pareto_nbd", "pareto_nbd", {"pareto_nbd": "p1", "gamma_gamma": "g1"})
    parts = {
        "pareto_nbd": ScoringModel("pareto_nbd", pareto_nbd, "p1"),
        "gamma_gamma": ScoringModel("gamma_gamma", gamma_gamma, "g1"),
    }
    return ScoringModels(ScoringModel("value", champion, "v1"), ScoringModel("kmeans", kmeans, "k1"),
                         ScoringModel("density", density, "d1"), parts)  # fmt: skip
