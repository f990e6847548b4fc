"""The purchases follow the models that truth.json names: their parameters come back from the delivered orders.

The likelihoods stand here on their own: BG/NBD as Fader, Hardie & Lee 2005 have it (equation 6), Gamma-Gamma as
Fader & Hardie 2013 (equation 1a). Twice the difference of the log-likelihoods at the maximum and at the truth is
chi-squared, with as many degrees of freedom as there are parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, gammaln
from scipy.stats import chi2

from tests.demo.reading import connect

pytestmark = pytest.mark.xdist_group("demo")

Floats = NDArray[np.float64]
LogLikelihood = Callable[[Floats], float]

_CLEAN = """
    SELECT DISTINCT ON (OrderNo, Line) OrderNo, CustNo, CAST(try_strptime(OrderTS, '%Y-%m-%d %H:%M:%S') AS DATE) AS day,
           TRY_CAST(Amount AS DOUBLE) AS amount
    FROM orders
    WHERE Status = 'completed' AND OrderNo LIKE 'A-%' AND CustNo LIKE 'C%' AND Channel <> 'fax'
      AND UnitPrice NOT LIKE '-%'
      AND TRY_CAST(Amount AS DOUBLE) IS NOT NULL AND try_strptime(OrderTS, '%Y-%m-%d %H:%M:%S') IS NOT NULL
    ORDER BY OrderNo, Line, _batch_date DESC
"""


@pytest.fixture(scope="module")
def cohort(company: Path) -> dict[str, Floats]:
    """One entry a customer: repeat purchase days x, weeks to the last one, weeks observed; orders n and their mean."""
    query = f"""
        SELECT count(DISTINCT day) - 1 AS x, (max(day) - min(day)) / 7.0 AS last,
               (DATE '2026-06-30' - min(day)) / 7.0 AS age,
               count(DISTINCT OrderNo) AS n, sum(amount) / count(DISTINCT OrderNo) AS mean
        FROM ({_CLEAN}) GROUP BY CustNo"""
    with connect(company / "sources") as connection:
        columns = connection.execute(query).fetchnumpy()
    return {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}


def bgnbd(cohort: dict[str, Floats]) -> LogLikelihood:
    x, last, age = cohort["x"], cohort["last"], cohort["age"]

    def value(log_parameters: Floats) -> float:
        r, alpha, a, b = np.exp(log_parameters)
        common = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        alive = betaln(a, b + x) - betaln(a, b) - (r + x) * np.log(alpha + age)
        repeated = np.maximum(x, 1)
        gone = betaln(a + 1, b + repeated - 1) - betaln(a, b) - (r + x) * np.log(alpha + last)
        return float(np.sum(common + np.logaddexp(alive, np.where(x > 0, gone, -np.inf))))

    return value


def gamma_gamma(cohort: dict[str, Floats]) -> LogLikelihood:
    n, mean = cohort["n"], cohort["mean"]

    def value(log_parameters: Floats) -> float:
        p, q, v = np.exp(log_parameters)
        terms = gammaln(p * n + q) - gammaln(p * n) - gammaln(q) + q * np.log(v)
        terms += (p * n - 1) * np.log(mean) + p * n * np.log(n) - (p * n + q) * np.log(n * mean + v)
        return float(np.sum(terms))

    return value


@pytest.mark.parametrize(
    ("model", "family", "names"),
    [(bgnbd, "bgnbd", ("r", "alpha", "a", "b")), (gamma_gamma, "gamma_gamma", ("p", "q", "v"))],
    ids=["bgnbd", "gamma_gamma"],
)
def test_the_parameters_come_back(
    model: Callable[[dict[str, Floats]], LogLikelihood], family: str, names: tuple[str, ...],
    cohort: dict[str, Floats], truth: dict[str, Any],
) -> None:  # fmt: skip
    assert len(cohort["x"]) == 2_500
    likelihood, true = model(cohort), np.array([truth["company"][family][name] for name in names])
    found = minimize(lambda logs: -likelihood(logs), np.zeros(len(names)), method="L-BFGS-B")
    assert found.success
    assert 0 <= 2 * (-found.fun - likelihood(np.log(true))) < chi2.ppf(0.999, len(names))
    assert np.exp(found.x) == pytest.approx(true, rel=0.25)


def test_the_library_agrees(cohort: dict[str, Floats]) -> None:
    """The project's own estimator finds the maximum that the likelihood above has."""
    models = pytest.importorskip("ddcrm.models")
    table = np.column_stack([cohort["x"], cohort["last"], cohort["age"]])
    fitted = models.BetaGeoNBD().fit(table)
    found = np.log([fitted.r_, fitted.alpha_, fitted.a_, fitted.b_])
    best = minimize(lambda logs: -bgnbd(cohort)(logs), np.zeros(4), method="L-BFGS-B")
    assert bgnbd(cohort)(found) == pytest.approx(-best.fun, abs=0.01)


def test_what_comes_next_is_in_the_truth(company: Path) -> None:
    """Purchases after the last day happen to those who are still there, at about their own rate."""
    import pandas as pd

    known = pd.read_parquet(company / "truth" / "customers.parquet")
    alive = known[known["alive"]]
    assert known.loc[~known["alive"], "purchases_next_365d"].sum() == 0
    assert 0.3 < len(alive) / len(known) < 0.9
    upper = (alive["rate_per_week"] * 365 / 7).sum()
    assert 0.3 * upper < alive["purchases_next_365d"].sum() < upper
    assert (known["purchases_next_90d"] <= known["purchases_next_365d"]).all()
