"""The models of purchases on CDNOW, calibrated to 1997-09-30, held against the 39 weeks that follow.

Parameters and log-likelihoods are published (CLVTools' tests, lifetimes' tests, Fader, Hardie & Lee 2005); what the
holdout says was measured before this library was written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ddcrm.models import MBGNBD, BetaGeoNBD, ParetoNBD
from ddcrm.scoring.heuristics import rate_so_far
from ddcrm.training.metrics import compare

WEEKS = 39.0


@dataclass(frozen=True)
class Figures:
    """Parameters, log-likelihood; purchases expected in the holdout, errors of them, mean P(alive)."""

    parameters: tuple[float, ...]
    log_likelihood: float
    total: float
    mae: float
    rmse: float
    alive: float | None = None


SAMPLE = {
    BetaGeoNBD: Figures((0.2426, 4.4136, 0.7929, 2.4259), -9582.43, 1653, 0.7855, 1.608, 0.813),
    MBGNBD: Figures((0.525, 6.183, 0.891, 1.614), -9582.13, 1577, 0.7648, 1.607, 0.449),
    ParetoNBD: Figures((0.5532, 10.576, 0.6063, 11.67), -9594.98, 1666, 0.7545, 1.603, 0.446),
}
MASTER = {
    BetaGeoNBD: Figures((0.2516, 4.7889, 0.7234, 2.1611), -95368.44, 16874, 0.8187, 1.733),
    MBGNBD: Figures((0.6371, 7.3103, 0.8075, 1.2284), -95336.96, 15934, 0.7945, 1.740),
    ParetoNBD: Figures((0.5974, 11.5857, 0.5222, 8.8278), -95415.12, 17153, 0.7938, 1.726),
}


def assert_known(kind: Any, X: pd.DataFrame, known: Figures) -> None:
    """The fit is the published one, and the holdout comes out as it did before."""
    model = kind().fit(X)
    assert list(model.parameters_.values()) == pytest.approx(known.parameters, rel=0.005)
    assert model.log_likelihood_ == pytest.approx(known.log_likelihood, abs=0.01)
    assert_errors(model.expected_purchases(X, WEEKS), X, known.total, known.mae, known.rmse)
    if known.alive is not None:
        assert model.p_alive(X).mean() == pytest.approx(known.alive, abs=0.001)


def assert_errors(expected: Any, X: pd.DataFrame, total: float, mae: float, rmse: float) -> None:
    """Each to the digits that are known."""
    assert expected.sum() == pytest.approx(total, abs=1)
    found = compare(expected, X["later"].to_numpy(dtype=np.float64))
    assert found["mae"] == pytest.approx(mae, abs=1e-4 if mae < 1 else 1e-3)
    assert found["rmse"] == pytest.approx(rmse, abs=1e-3)


@pytest.mark.parametrize("kind", SAMPLE)
def test_the_sample(kind: Any, cdnow: pd.DataFrame) -> None:
    assert (len(cdnow), cdnow["later"].sum()) == (2357, 1882)
    assert_known(kind, cdnow, SAMPLE[kind])


@pytest.mark.parametrize("kind", MASTER)
def test_all_customers(kind: Any, cdnow_master: pd.DataFrame) -> None:
    assert (len(cdnow_master), cdnow_master["later"].sum()) == (23570, 19684)
    assert_known(kind, cdnow_master, MASTER[kind])


def test_the_rate_so_far(cdnow: pd.DataFrame) -> None:
    columns = {"frequency": cdnow["frequency"].to_numpy(), "tenure_days": 7 * cdnow["tenure"].to_numpy()}
    assert_errors(rate_so_far(columns, 7 * WEEKS), cdnow, 2930, 1.024, 2.212)
