"""Expected purchases and lifetime value against the model asked customer by customer, and against a daily sum."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ddcrm.models import BetaGeoNBD, GammaGamma, ParetoNBD
from ddcrm.scoring.value import expected_spend, outlook
from ddcrm.settings import ValueSettings


@pytest.fixture(scope="module")
def columns(features: pa.Table) -> dict[str, np.ndarray]:
    names = ("recency_days", "tenure_days", "frequency", "repeat_monetary_value")
    return {name: features[name].to_numpy() for name in names}


def asked(model: BetaGeoNBD | ParetoNBD, columns: dict[str, np.ndarray], days: float, unit: float = 7.0) -> np.ndarray:
    """The model's own expectation for each customer; X by position: frequency, recency, tenure in units."""
    age, since = columns["tenure_days"] / unit, columns["recency_days"] / unit
    return model.expected_purchases(np.column_stack([columns["frequency"], age - since, age]), days / unit)


@pytest.mark.parametrize("name", ["bgnbd", "pareto_nbd"])
def test_purchases_are_those_of_the_model(
    name: str, request: pytest.FixtureRequest, columns: dict[str, np.ndarray]
) -> None:
    model = request.getfixturevalue(name)
    found = outlook(model, columns, ValueSettings())
    assert found.purchases[90] == pytest.approx(asked(model, columns, 90), rel=1e-10)
    assert found.purchases[365] == pytest.approx(asked(model, columns, 365), rel=1e-10)
    assert found.purchases[365].max() > found.purchases[90].max() > 0
    in_days = outlook(model, columns, ValueSettings(unit_days=1.0))
    assert in_days.purchases[90] == pytest.approx(asked(model, columns, 90, unit=1.0), rel=1e-10)


@pytest.mark.parametrize("horizon", [30, 365, 1000])
def test_without_discount_it_is_the_purchases_of_the_horizon(
    bgnbd: BetaGeoNBD, columns: dict[str, np.ndarray], horizon: int
) -> None:
    value = ValueSettings(discount_rate_annual=0.0, horizon_days=horizon)
    assert outlook(bgnbd, columns, value).discounted == pytest.approx(asked(bgnbd, columns, horizon), rel=1e-12)


@pytest.mark.parametrize(("rate", "horizon"), [(0.1, 365), (0.5, 365), (0.1, 1500)])
def test_discounted_purchases_equal_a_sum_over_short_steps(
    bgnbd: BetaGeoNBD, columns: dict[str, np.ndarray], rate: float, horizon: int
) -> None:
    some = {name: column[:12] for name, column in columns.items()}
    edges = np.linspace(0, horizon, 201)
    expected = np.array([asked(bgnbd, some, edge) for edge in edges])
    middle = (edges[1:] + edges[:-1]) / 2
    wanted = (np.diff(expected, axis=0) * (1 + rate) ** (-middle / 365)[:, None]).sum(axis=0)
    value = ValueSettings(discount_rate_annual=rate, horizon_days=horizon)
    assert outlook(bgnbd, some, value).discounted == pytest.approx(wanted, rel=1e-5)


def test_expected_spend_lies_between_the_customer_s_and_the_population_s(
    gamma_gamma: GammaGamma, columns: dict[str, np.ndarray]
) -> None:
    found = expected_spend(gamma_gamma, columns)
    known = np.isfinite(columns["repeat_monetary_value"])
    mean = 6.25 * 15.44 / 2.74
    assert (columns["repeat_monetary_value"][known] == 0).any(), "who gave all back is known, too"
    assert found[~known] == pytest.approx(mean)
    low, high = np.sort([columns["repeat_monetary_value"][known], np.full(known.sum(), mean)], axis=0)
    assert ((found[known] >= low - 1e-9) & (found[known] <= high + 1e-9)).all()
