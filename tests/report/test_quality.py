"""What is said of how good something is: the figures of the card, and nothing where there are none."""

from __future__ import annotations

from typing import Any

from ddcrm.report import quality


def back_test(alive: str | None, **measured: Any) -> dict[str, Any]:
    return {"alive": alive, "holdout_days": 90, "methods": {"ridge": {"failed": "it is flat"}, **measured}}


def test_who_speaks_of_p_alive_comes_first() -> None:
    bgnbd, pareto = ({"alive": {"brier": b, "calibration_error": c}} for b, c in ((0.4926, 0.487), (0.2, 0.25)))
    [said] = quality.p_alive(back_test("pareto_nbd", bgnbd=bgnbd, pareto_nbd=pareto))
    assert "holdout of 90 days" in said
    assert "pareto_nbd 0.200 and 0.250, bgnbd 0.493 and 0.487;" in said
    assert quality.p_alive(back_test(None, bgnbd=bgnbd)) == []
    assert quality.p_alive(back_test("mbgnbd", mbgnbd={"spend": {}})) == []


def test_learned_segments_have_their_quality() -> None:
    stable = {"stability_rand": 0.936, "stability_rand_std": 0.047}
    [kmeans] = quality.segments({"trained_as_of": "2026-03-01", "metrics": {"silhouette": 0.284, "k": 3, **stable}})
    assert kmeans.startswith("Learned as of 2026-03-01: silhouette 0.28 (")
    assert "adjusted Rand index 0.94 +- 0.05 (" in kmeans
    assert "unusual" not in kmeans
    [density] = quality.segments({"trained_as_of": "2026-03-01", "metrics": {"noise_share": 0.125, **stable}})
    assert "12.5 % of the customers unusual" in density
    assert "silhouette" not in density
    assert quality.segments(None) == []


def test_nothing_is_said_of_intervals_that_are_not_there() -> None:
    [said] = quality.intervals({"with_interval": 5000, "interval_of_nothing": 1234})
    assert "1,234 of 5,000 customers have 0 to 0" in said
    assert quality.intervals({"with_interval": 0, "interval_of_nothing": 0}) == []
