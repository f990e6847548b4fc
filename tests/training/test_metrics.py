"""Each measure against its definition: pandas for ranks, plain counting for the rest."""

from __future__ import annotations

from math import ceil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddcrm.training.metrics import alive_calibration, compare, spearman, top_decile_share

SOME = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), min_size=1, max_size=60)


def columns(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    one, two = zip(*pairs, strict=True)
    return np.array(one, dtype=float), np.array(two, dtype=float)


def test_errors_of_three_customers_by_hand() -> None:
    found = compare(np.array([1.0, 5.0, 0.0]), np.array([0.0, 2.0, 4.0]))
    assert (found["mae"], found["bias"], found["total_ratio"]) == (pytest.approx(8 / 3), 0.0, 1.0)
    assert found["rmse"] == pytest.approx((26 / 3) ** 0.5)
    assert compare(np.zeros(3), np.zeros(3))["total_ratio"] is None


@given(SOME)
def test_rank_correlation_is_pandas_s_with_ties(pairs: list[tuple[int, int]]) -> None:
    predicted, actual = columns(pairs)
    found = spearman(predicted, actual)
    if len(set(predicted)) < 2 or len(set(actual)) < 2:
        assert found is None
    else:
        assert found == pytest.approx(pd.Series(predicted).rank().corr(pd.Series(actual).rank()), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(SOME)
def test_the_share_of_the_top_tenth_is_the_mean_over_all_ways_to_break_ties(pairs: list[tuple[int, int]]) -> None:
    predicted, actual = columns(pairs)
    size = min(ceil(len(actual) / 10), int((actual > 0).sum()))
    found = top_decile_share(predicted, actual)
    if size == 0:
        assert found is None
        return
    chance = np.random.default_rng(len(pairs))
    shares = [len(top(predicted, size, chance) & top(actual, size, chance)) / size for _ in range(200)]
    assert found == pytest.approx(np.mean(shares), abs=0.2)
    if len(set(predicted)) == len(set(actual)) == len(pairs):
        assert found == shares[0]


def top(values: np.ndarray, size: int, chance: np.random.Generator) -> set[int]:
    """The greatest ones, ties broken by lot."""
    order = chance.permutation(len(values))
    return set(order[np.argsort(-values[order], kind="stable")[:size]].tolist())


def test_a_constant_finds_a_tenth_and_the_truth_itself_all() -> None:
    actual = np.random.default_rng(0).gamma(1.0, 5.0, 1000)
    assert top_decile_share(np.full(1000, 3.0), actual) == pytest.approx(0.1)
    assert top_decile_share(actual, actual) == 1.0
    few = np.where(np.arange(1000) < 7, 5.0, 0.0)
    assert top_decile_share(few, few) == 1.0
    assert top_decile_share(np.zeros(1000), few) == pytest.approx(0.007)


def test_p_alive_is_held_against_who_bought() -> None:
    chance = np.random.default_rng(1)
    p = np.round(chance.random(5000), 3)
    bought = chance.random(5000) < 0.6 * p
    measures, table = alive_calibration(p, bought)
    frame = pd.DataFrame({"p": p, "bought": bought})
    tenth = frame.groupby(pd.qcut(frame["p"], 10))
    assert [row["customers"] for row in table] == tenth.size().tolist()
    assert [row["p_alive_mean"] for row in table] == pytest.approx(tenth["p"].mean().tolist())
    assert [row["bought_share"] for row in table] == pytest.approx(tenth["bought"].mean().tolist())
    assert measures["brier"] == pytest.approx(((p - bought) ** 2).mean())
    wanted = (tenth.size() * (tenth["p"].mean() - tenth["bought"].mean()).abs()).sum() / 5000
    assert measures["calibration_error"] == pytest.approx(wanted)


def test_one_value_of_p_alive_is_one_row() -> None:
    _, table = alive_calibration(np.ones(40), np.arange(40) < 10)
    assert table == [{"customers": 40, "p_alive_mean": 1.0, "bought_share": 0.25}]
