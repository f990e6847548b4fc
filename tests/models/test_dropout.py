"""The quadrature over the time of leaving, against adaptive quadrature and a much finer one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad

from ddcrm.models import dropout as module
from ddcrm.models.dropout import Histories, dropout, dropout_slopes

Floats = NDArray[np.float64]

GRID = [
    (power, s, A, B, D)
    for power in (0.3, 1.0, 7.5, 250.0)
    for s in (0.05, 1.0, 6.0)
    for A, B in ((10.0, 10.0), (0.02, 30.0), (500.0, 0.4), (3.0, 9.0))
    for D in (0.0, 0.3, 40.0, 2000.0)
]


def rows_of(points: list[tuple[float, ...]], s: float) -> Histories:
    power, A, B, D = np.array([(p, a, b, d) for p, _, a, b, d in points]).T
    return Histories(power, s, A, B, D)


def integrated(point: tuple[float, ...], of: str = "1") -> tuple[float, float]:
    """What comes from those who left, and from those who are there, of an expectation before it is divided."""
    power, s, A, B, D = point
    takes = {
        "1": lambda y: 1.0,
        "log_a": lambda y: np.log1p(y / A),
        "log_b": lambda y: np.log1p(y / B),
        "per_a": lambda y: 1 / (A + y),
        "per_b": lambda y: 1 / (B + y),
    }[of]

    def density(log_y: float) -> float:
        y = np.exp(log_y)
        return y * takes(y) * s / (B + y) * (1 + y / A) ** -power * (1 + y / B) ** -s

    steps = np.arange(-40.0, np.log(D) if D else -40.0, 4.0)
    ends = [*steps, np.log(D)] if D else []
    left = sum(quad(density, a, b, epsabs=0, epsrel=1e-12)[0] for a, b in pairwise(ends))
    return left, takes(D) * (1 + D / A) ** -power * (1 + D / B) ** -s


@pytest.mark.parametrize("s", sorted({point[1] for point in GRID}))
@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")
def test_equals_adaptive_quadrature(s: float) -> None:
    points = [point for point in GRID if point[1] == s]
    found, slopes = dropout_slopes(rows_of(points, s))
    for i, point in enumerate(points):
        left, there = integrated(point)
        assert found.log_total[i] == pytest.approx(np.log(left + there), rel=1e-9, abs=1e-10)
        assert found.gone[i] == pytest.approx(left / (left + there), rel=1e-9)
        for name in ("log_a", "log_b", "per_a", "per_b"):
            expected = sum(integrated(point, name)) / (left + there)
            assert getattr(slopes, name)[i] == pytest.approx(expected, rel=1e-9), name
        assert slopes.gone_per_b[i] == pytest.approx(integrated(point, "per_b")[0] / (left + there), rel=1e-9)


@pytest.mark.parametrize("spread", [1.0, 6.0, 12.0])
def test_the_nodes_that_it_takes_are_enough_wherever_the_optimiser_goes(
    spread: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(int(spread))
    n = 500
    frequency = np.floor(np.exp(random.uniform(0, np.log(1001), n)) - 1)
    tenure = np.exp(random.uniform(-3, 7, n))
    recency = np.where(frequency > 0, tenure * random.random(n) ** 0.3, 0.0)
    for _ in range(20):
        r, alpha, s, beta = np.exp(random.uniform(-spread, spread, 4)) * np.array([0.5, 10.0, 0.5, 10.0])
        rows = Histories(r + frequency, s, alpha + recency, beta + recency, tenure - recency)
        monkeypatch.undo()
        found, slopes = dropout_slopes(rows)
        plain = dropout(rows)
        monkeypatch.setattr(module, "_nodes_needed", lambda span, decay: np.full(len(span), 200, dtype=np.int16))
        fine, fine_slopes = dropout_slopes(rows)
        np.testing.assert_allclose(found.log_total, fine.log_total, rtol=1e-10, atol=1e-11)
        np.testing.assert_allclose(found.gone, fine.gone, rtol=1e-10)
        for name, values in vars(slopes).items():
            np.testing.assert_allclose(values, vars(fine_slopes)[name], rtol=1e-10, atol=1e-300, err_msg=name)
        np.testing.assert_allclose(plain.log_total, found.log_total, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("part", [2**18, 1500])
def test_no_history_is_lost_between_the_blocks(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PART", part)
    random = np.random.default_rng(4)
    D = random.uniform(0, 300, 5000)
    rows = Histories(random.integers(0, 40, 5000) + 0.5, 0.6, np.full(5000, 10.0), np.full(5000, 12.0), D)
    all_at_once = dropout(rows).log_total
    for i in (0, 1, 1023, 1024, 1499, 1500, 4999):
        alone = Histories(rows.power[[i]], 0.6, rows.A[[i]], rows.B[[i]], rows.D[[i]])
        assert dropout(alone).log_total[0] == pytest.approx(all_at_once[i], rel=1e-14)


def test_who_was_seen_until_the_end_is_there() -> None:
    found = dropout(Histories(np.array([3.5]), 0.6, np.array([10.0]), np.array([12.0]), np.array([0.0])))
    assert (found.log_total[0], found.gone[0]) == (0.0, 0.0)
