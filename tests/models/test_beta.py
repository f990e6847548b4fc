"""Quadrature over a beta distribution, against its moments in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from ddcrm.models.beta import beta_nodes


@pytest.mark.parametrize("a", [1e-3, 0.3, 1.0, 7.0, 1e4])
@pytest.mark.parametrize("b", [1e-3, 0.5, 1.0, 40.0, 1e4])
def test_moments_up_to_twice_the_nodes_are_exact(a: float, b: float) -> None:
    nodes, weights = beta_nodes(a, b, 6)
    for power in range(12):
        exact = np.exp(special.betaln(a + power, b) - special.betaln(a, b))
        assert (weights * nodes**power).sum() == pytest.approx(exact, rel=1e-8)


def test_weights_are_those_of_a_distribution() -> None:
    nodes, weights = beta_nodes(0.8, 1002.5, 64)
    assert weights.sum() == pytest.approx(1, abs=1e-14)
    assert ((nodes > 0) & (nodes < 1)).all()
    assert (np.diff(nodes) > 0).all()


def test_the_uniform_distribution_has_the_nodes_of_gauss_and_legendre() -> None:
    nodes, weights = beta_nodes(1.0, 1.0, 9)
    expected, expected_weights = np.polynomial.legendre.leggauss(9)
    np.testing.assert_allclose(nodes, (1 + expected) / 2, atol=1e-14)
    np.testing.assert_allclose(weights, expected_weights / 2, atol=1e-14)
