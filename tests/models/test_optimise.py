"""The search for a maximum, on functions whose maximum is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ddcrm.errors import ConvergenceError
from ddcrm.models.optimise import maximise

Floats = NDArray[np.float64]


class Hill:
    """-n/2 * z' A z with z = log(parameters / top): one maximum, and a Hessian that is known."""

    def __init__(self, top: Floats, curvature: Floats, total_weight: float = 100.0, part: Hill | None = None) -> None:
        self.top, self.curvature, self.total_weight, self.part = top, curvature, total_weight, part
        self.calls = 0

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        self.calls += 1
        z = np.log(parameters / self.top)
        value = -self.total_weight / 2 * z @ self.curvature @ z
        return float(value), -self.total_weight * (self.curvature @ z) / parameters

    def thinned(self) -> Hill | None:
        return self.part


class Slope(Hill):
    """Rises for ever in the first parameter."""

    def __call__(self, parameters: Floats) -> tuple[float, Floats]:
        value, gradient = super().__call__(parameters)
        return value + 50 * np.log(parameters[0]), gradient + np.array([50 / parameters[0], 0])


TOP = np.array([3.0, 0.02])
CURVATURE = np.array([[2.0, 0.9], [0.9, 0.5]])
START = np.array([1.0, 1.0])


def test_finds_the_top_and_its_curvature() -> None:
    found = maximise(Hill(TOP, CURVATURE), [START], "hill", ["a", "b"], 100, 1e-8)
    np.testing.assert_allclose(found.parameters, TOP, rtol=1e-5)
    np.testing.assert_allclose(found.hessian, -100 * CURVATURE, rtol=1e-6)
    assert found.value == pytest.approx(0, abs=1e-8)


def test_the_thinned_likelihood_leads_the_way_and_the_whole_one_decides() -> None:
    part = Hill(TOP * 1.1, CURVATURE * 1.05, total_weight=10)
    whole = Hill(TOP, CURVATURE, part=part)
    found = maximise(whole, [START], "hill", ["a", "b"], 100, 1e-8)
    np.testing.assert_allclose(found.parameters, TOP, rtol=1e-5)
    assert whole.calls < part.calls


def test_a_thinned_likelihood_without_a_maximum_does_no_harm() -> None:
    whole = Hill(TOP, CURVATURE, part=Hill(TOP, np.diag([1.0, 0.0])))
    found = maximise(whole, [START], "hill", ["a", "b"], 100, 1e-8)
    np.testing.assert_allclose(found.parameters, TOP, rtol=1e-5)


def test_a_misleading_curvature_is_taken_anew() -> None:
    whole = Hill(TOP, CURVATURE, part=Hill(TOP * 2, 30 * CURVATURE))
    found = maximise(whole, [START], "hill", ["a", "b"], 100, 1e-8)
    np.testing.assert_allclose(found.parameters, TOP, rtol=1e-5)
    assert whole.calls < 15  # a search from the start, or thirty steps too small, would need more


def test_the_next_start_is_tried() -> None:
    far = TOP * np.exp(20)
    found = maximise(Hill(TOP, CURVATURE), [far, START], "hill", ["a", "b"], 100, 1e-8)
    np.testing.assert_allclose(found.parameters, TOP, rtol=1e-5)


@pytest.mark.parametrize(
    ("likelihood", "why"),
    [
        (Slope(TOP, np.diag([0.0, 1.0])), "a runs away"),
        (Hill(TOP, np.diag([1.0, 1e-9])), "flat: the data do not determine b"),
        (Hill(TOP, np.array([[1.0, -1.0], [-1.0, 1.0]])), "do not determine a and b"),
    ],
)
def test_no_maximum_is_an_error_with_its_reason(likelihood: Hill, why: str) -> None:
    with pytest.raises(ConvergenceError, match=why) as caught:
        maximise(likelihood, [START], "hill", ["a", "b"], 100, 1e-8)
    assert caught.value.facts["model"] == "hill"
    assert "more customers" in str(caught.value)


@pytest.mark.parametrize(
    ("max_iter", "tol", "why"),
    [(1, 1e-8, r"within 1 iterations\W+Give a greater max_iter"), (100, -1.0, r"missing after .*Give a greater tol")],
)
def test_what_would_help_is_said_of_a_search_that_is_cut_short(max_iter: int, tol: float, why: str) -> None:
    with pytest.raises(ConvergenceError, match=why) as caught:
        maximise(Hill(TOP, CURVATURE), [START], "hill", ["a", "b"], max_iter, tol)
    assert "more customers" not in str(caught.value)
