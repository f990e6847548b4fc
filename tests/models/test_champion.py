"""Conformal bands: their coverage on customers who took no part, on any scale, and for another period."""

from __future__ import annotations

import numpy as np
import pytest

from ddcrm.models.champion import Bands, Champion
from ddcrm.models.persist import dumps, loads


def world(n: int, seed: int, busy: float) -> tuple[np.ndarray, np.ndarray]:
    """Predictions, a third of them nothing, and what came: often nothing, or about what was predicted."""
    chance = np.random.default_rng(seed)
    predicted = chance.gamma(1.0, 30.0, n) * (chance.random(n) > 1 / 3)
    came = chance.gamma(2.0, (predicted + 2) / 2) * (chance.random(n) < busy)
    return predicted, came


@pytest.mark.parametrize("busy", [0.5, 1.0])
def test_nine_in_ten_who_took_no_part_are_inside(busy: float) -> None:
    bands = Bands.learned(*world(6000, 1, busy), 90)
    predicted, came = world(60_000, 2, busy)
    low, high = bands.of(predicted, 90)
    inside = (low <= came) & (came <= high)
    assert inside.mean() == pytest.approx(0.9, abs=0.02)
    for least, most in ((0, 0), (1e-9, 10), (10, 40), (40, 1e9)):
        group = (predicted >= least) & (predicted <= most)
        assert inside[group].mean() == pytest.approx(0.9, abs=0.03), (least, most)
    assert (low[predicted > 40].max() > 0) == (busy == 1.0)


def test_for_a_longer_period_they_grow_in_proportion() -> None:
    bands = Bands.learned(*world(2000, 3, 0.9), 90)
    predicted = np.array([0.0, 5.0, 50.0, 500.0])
    once, twice = bands.of(predicted, 90), bands.of(2 * predicted, 180)
    assert twice[0] == pytest.approx(2 * once[0])
    assert twice[1] == pytest.approx(2 * once[1])


def test_few_customers_make_one_band_and_its_ends_are_theirs() -> None:
    predicted = np.arange(1.0, 21.0)
    bands = Bands.learned(predicted, 2 * predicted, 30)
    low, high = bands.of(np.array([3.0]), 30)
    assert (len(bands.edges), low[0], high[0], bands.nothing) == (0, 6.0, 6.0, 0.0)
    nobody = Bands.learned(np.zeros(5), np.array([0.0, 0, 0, 0, 9]), 30)
    assert nobody.of(np.zeros(2), 30)[1].tolist() == [9.0, 9.0]


def test_a_champion_comes_back_from_its_file() -> None:
    champion = Champion("rate_so_far", "rate_so_far", None, {"a": "1"}, Bands.learned(*world(500, 4, 0.9), 90))
    again = loads(dumps(champion))
    assert (again.method, again.alive, again.versions) == ("rate_so_far", None, {"a": "1"})
    predicted = np.linspace(0, 90, 10)
    np.testing.assert_array_equal(again.bands.of(predicted, 90), champion.bands.of(predicted, 90))
