"""The decision, on values alone: who wins, who may not, and that a heuristic is published where nothing beats it."""

from __future__ import annotations

from ddcrm.training.choose import choose
from ddcrm.training.metrics import Measures

ORDER = ("rate_so_far", "last_period", "bgnbd", "pareto_nbd", "forest")


def one(rmse: float, total: float = 1.0, top: float = 0.4) -> Measures:
    return {"rmse": rmse, "total_ratio": total, "top_decile": top}


PLAIN = {"rate_so_far": one(20, 1.4), "last_period": one(22, 0.9)}


def test_the_lowest_rmse_wins_and_beats_the_better_heuristic() -> None:
    found = choose({**PLAIN, "bgnbd": one(16), "pareto_nbd": one(15)}, ORDER, {})
    assert (found.method, found.beats_heuristic, dict(found.barred)) == ("pareto_nbd", True, {})
    assert found.reason == "RMSE of spend 15.00, rate_so_far 20.00"


def test_of_equally_good_ones_the_simplest_speaks() -> None:
    found = choose({**PLAIN, "bgnbd": one(15.1), "pareto_nbd": one(15), "forest": one(14.99)}, ORDER, {})
    assert found.method == "bgnbd"
    assert found.reason == (
        "RMSE of spend 15.10, rate_so_far 20.00 (forest 14.99: no more than 1% better, and less simple)"
    )
    plain = choose({**PLAIN, "bgnbd": one(19.9)}, ORDER, {})
    assert plain.method == "rate_so_far"
    assert plain.reason.endswith("20.00 with rate_so_far (bgnbd 19.90: no more than 1% better, and less simple)")


def test_where_no_model_beats_it_the_heuristic_speaks_and_it_is_said() -> None:
    found = choose({**PLAIN, "bgnbd": one(25), "pareto_nbd": one(21)}, ORDER, {})
    assert (found.method, found.beats_heuristic) == ("rate_so_far", False)
    assert found.reason.startswith("no model that may speak is more than 1% better than the plain heuristic: ")
    barred = choose({**PLAIN, "bgnbd": one(10, 0.3)}, ORDER, {})
    assert (barred.method, list(barred.barred)) == ("rate_so_far", ["bgnbd"])
    assert barred.reason == found.reason  # of who may not speak it says nothing


def test_a_constant_zero_can_t_win_however_small_its_error() -> None:
    found = choose({**PLAIN, "forest": one(5, total=0.0, top=0.1)}, ORDER, {})
    assert found.method == "rate_so_far"
    assert found.barred == {"forest": "its total is 0.00 of the truth"}


def test_who_does_not_find_the_best_customers_may_not_speak() -> None:
    found = choose({**PLAIN, "bgnbd": one(15, top=0.35), "pareto_nbd": one(16, top=0.37)}, ORDER, {})
    assert (found.method, list(found.barred)) == ("pareto_nbd", ["bgnbd"])
    assert found.barred["bgnbd"] == "it finds 35% of the true top tenth, rate_so_far 40%"


def test_a_total_that_is_far_off_is_allowed_where_the_heuristic_s_is_further_off() -> None:
    plain = {"rate_so_far": one(20, 3.0), "last_period": one(30, 1.0)}
    assert choose({**plain, "bgnbd": one(15, 2.0)}, ORDER, {}).method == "bgnbd"
    assert choose({**plain, "bgnbd": one(15, 3.1)}, ORDER, {}).method == "rate_so_far"


def test_who_is_barred_for_another_reason_stays_out() -> None:
    found = choose({**PLAIN, "bgnbd": one(15)}, ORDER, {"bgnbd": "not fitted"})
    assert (found.method, found.barred) == ("rate_so_far", {"bgnbd": "not fitted"})
