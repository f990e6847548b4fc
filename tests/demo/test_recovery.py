"""The demo company's true parameters, recovered from what its customers buy, within their standard errors."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pytest

from ddcrm.demo.parameters import Company
from ddcrm.demo.purchases import draw
from ddcrm.features.summary import purchase_summary
from ddcrm.features.units import model_times
from ddcrm.models import BetaGeoNBD, GammaGamma
from ddcrm.models.base import LikelihoodModel

COMPANY = Company()
TRUTH = asdict(COMPANY.process)


@pytest.fixture(scope="module")
def summary() -> pa.Table:
    truth = draw(COMPANY)
    past = truth.purchases[truth.purchases["at"] < COMPANY.days]
    orders = pa.table(
        {
            "customer_key": truth.customers["customer_key"].to_numpy()[past["customer"]],
            "event_date": pa.array(np.datetime64(COMPANY.dates.first) + np.floor(past["at"]).astype("timedelta64[D]")),
            "amount": past["cents"].to_numpy() / 100,
        }
    )
    return purchase_summary(orders, COMPANY.dates.last)


def distances(model: LikelihoodModel) -> dict[str, float]:
    """How many standard errors each parameter is from the truth, on the scale of the logarithm."""
    errors = model.standard_errors_
    return {
        name: abs(np.log(value / TRUTH[name])) / (errors[name] / value) for name, value in model.parameters_.items()
    }


def test_how_they_buy_and_leave(summary: pa.Table) -> None:
    columns = {name: summary[name].to_numpy() for name in ("frequency", "recency_days", "tenure_days")}
    model = BetaGeoNBD().fit(model_times(columns, 7.0))
    assert model.n_customers_ == COMPANY.customers
    assert max(distances(model).values()) < 3
    assert max(model.standard_errors_[name] / TRUTH[name] for name in ("r", "alpha")) < 0.1


def test_how_they_spend(summary: pa.Table) -> None:
    again = summary.filter(pa.array(summary["frequency"].to_numpy() > 0))
    X = {"frequency": again["frequency"].to_numpy(), "monetary_value": again["repeat_monetary_value"].to_numpy()}
    model = GammaGamma().fit(X)
    assert max(distances(model).values()) < 3
    assert max(model.standard_errors_[name] / TRUTH[name] for name in "pqv") < 0.25
