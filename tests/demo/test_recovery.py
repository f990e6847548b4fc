"""The demo company's true parameters, recovered from the orders that were ingested; docs/demo.md has the distances.

Standard errors belong to parameters that depend on each other much, so the four, or three, are judged together as
well: their distance in the metric of the covariance is chi-squared where a model is true.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest
from scipy.stats import chi2

from ddcrm.demo.parameters import Company
from ddcrm.demo.purchases import draw
from ddcrm.features.purchases import purchase_lines
from ddcrm.features.summary import purchase_summary
from ddcrm.features.table import feature_table
from ddcrm.lake.asof import as_of_view
from ddcrm.lake.engine import Engine
from ddcrm.models import BetaGeoNBD, GammaGamma
from ddcrm.models.base import Floats, LikelihoodModel
from ddcrm.training.fit import TRAINING_COLUMNS, columns_of, fit_gamma_gamma, fit_purchases
from tests.demo.reading import connect
from tests.features.arrivals import deliver_table, project

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]

COMPANY = Company()
TRUTH = asdict(COMPANY.process)


@pytest.fixture(scope="module")
def engine(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A lake with all orders that the company delivered: late, corrected, twice, broken and returned ones as well."""
    with Engine(project(tmp_path_factory.mktemp("recovery") / "project")) as engine:
        with connect(company / "sources") as connection:
            text = "SELECT COLUMNS(* EXCLUDE _line)::VARCHAR FROM orders ORDER BY _batch_date, _source, _line"
            deliver_table(engine, "orders", connection.execute(text).to_arrow_table())
        yield engine


def distances(model: LikelihoodModel) -> tuple[dict[str, float], float]:
    """How many standard errors each logarithm is from the truth, and the probability of more, taken together."""
    names, found = list(model.parameters_), np.array(list(model.parameters_.values()))
    off = np.log(found) - np.log([TRUTH[name] for name in names])
    covariance = model.vcov_ / np.outer(found, found)
    apart = off / np.sqrt(np.diag(covariance))
    chance = chi2.sf(off @ np.linalg.solve(covariance, off), len(off))
    return dict(zip(names, apart.tolist(), strict=True)), float(chance)


def test_how_they_buy_and_leave(engine: Engine) -> None:
    features = feature_table(engine, COMPANY.dates.last, TRAINING_COLUMNS[1:])
    assert features is not None
    model = fit_purchases("bgnbd", columns_of(features), engine.settings.value).estimator
    apart, chance = distances(model)
    assert model.n_customers_ == COMPANY.customers
    assert max(map(abs, apart.values())) < 2
    assert chance > 0.05
    assert max(model.standard_errors_[name] / TRUTH[name] for name in ("r", "alpha")) < 0.1


def test_how_they_spend(engine: Engine) -> None:
    orders = as_of_view(engine, engine.settings, "orders", COMPANY.dates.last)
    lines = engine.ibis.to_pyarrow(purchase_lines(orders, COMPANY.dates.last, engine.settings.purchase))
    sold = lines.filter(pc.greater(lines["amount"], 0)).rename_columns({"customer_id": "customer_key"})
    assert 0.01 < 1 - sold.num_rows / lines.num_rows < 0.1  # returns are no part of the process
    summary = purchase_summary(sold, COMPANY.dates.last)
    again = summary.filter(pc.greater(summary["frequency"], 0))
    model = GammaGamma().fit({"frequency": again["frequency"], "monetary_value": again["repeat_monetary_value"]})
    apart, chance = distances(model)
    assert max(map(abs, apart.values())) < 3
    assert chance > 0.05
    assert max(model.standard_errors_[name] / TRUTH[name] for name in "pqv") < 0.25


def test_returns_make_spend_look_more_various(engine: Engine) -> None:
    features = feature_table(engine, COMPANY.dates.last, TRAINING_COLUMNS[1:])
    assert features is not None
    apart, _ = distances(fit_gamma_gamma(columns_of(features), engine.settings.value).estimator)
    assert apart["p"] < -3


def times(company: Company) -> pd.DataFrame:
    """The purchases' true times in weeks, of which orders tell the days only."""
    purchases = draw(company).purchases
    at = purchases[purchases["at"] < company.days].groupby("customer")["at"].agg(["min", "max", "count"])
    recency, tenure = (at["max"] - at["min"]) / 7, (company.days - at["min"]) / 7
    return pd.DataFrame({"frequency": at["count"] - 1, "recency": recency, "tenure": tenure})


def test_standard_errors_are_as_wide_as_they_say_over_companies() -> None:
    fits = [BetaGeoNBD().fit(times(Company(seed=seed))) for seed in range(1, 9)]
    found: list[tuple[dict[str, float], float]] = [distances(model) for model in fits]
    apart: Floats = np.abs([list(of.values()) for of, _ in found])
    assert 0.4 < np.mean(apart < 1) < 0.9
    assert np.mean(apart < 2) > 0.85
    assert min(chance for _, chance in found) > 0.01
