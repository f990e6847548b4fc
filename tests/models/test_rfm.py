"""RFM scores against counting in plain Python, and the map of segments."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddcrm.errors import ModelError
from ddcrm.models.rfm import SEGMENT_CODES, rfm_code, rfm_scores, rfm_segment

ALL = list(product(range(1, 6), repeat=3))
amounts = st.one_of(st.integers(-3, 3).map(float), st.floats(allow_nan=False))


def fifth(value: float, values: list[float]) -> int:
    """1 + the fifth in which the mid-rank falls, counted one by one."""
    less, same = sum(other < value for other in values), sum(other == value for other in values)
    return 1 + int(5 * (less + Fraction(same, 2)) / len(values))


class TestScores:
    @given(st.lists(st.tuples(amounts, amounts, amounts), max_size=40))
    def test_are_the_fifth_of_the_mid_rank(self, rows: list[tuple[float, float, float]]) -> None:
        days, purchases, money = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
        scores = rfm_scores(days, purchases, money)
        assert scores.r.tolist() == [fifth(-day, [-other for other in days]) for day in days]
        assert scores.f.tolist() == [fifth(value, purchases) for value in purchases]
        assert scores.m.tolist() == [fifth(value, money) for value in money]

    def test_ten_different_customers_fill_each_fifth_with_two(self) -> None:
        scores = rfm_scores(range(10), range(10), range(10))
        assert scores.f.tolist() == scores.m.tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
        assert scores.r.tolist() == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]

    def test_equal_values_get_equal_scores_in_any_order(self) -> None:
        purchases = np.random.default_rng(1).poisson(0.7, 1000)
        order = np.random.default_rng(2).permutation(1000)
        scores = rfm_scores(purchases, purchases, purchases).f
        assert all(len(set(scores[purchases == value])) == 1 for value in set(purchases))
        assert (rfm_scores(purchases, purchases[order], purchases).f == scores[order]).all()

    def test_where_most_bought_once_they_share_the_fifth_of_their_middle(self) -> None:
        bought = np.repeat([0, 1, 2, 5], [70, 15, 10, 5])
        scores = rfm_scores(np.zeros(100), bought, np.zeros(100)).f
        middles = {0: 35.0, 1: 77.5, 2: 90.0, 5: 97.5}
        assert scores.tolist() == [1 + int(middles[value] // 20) for value in bought.tolist()]

    def test_infinite_values_are_equal_too(self) -> None:
        assert rfm_scores([1, 2, 3, 4], [1, 2, np.inf, np.inf], [1, 2, 3, 4]).f.tolist() == [1, 2, 4, 4]

    def test_all_equal_is_the_middle(self) -> None:
        scores = rfm_scores([7, 7, 7], [1, 1, 1], [0, 0, 0])
        assert {*scores.r, *scores.f, *scores.m} == {3}

    @pytest.mark.parametrize(
        ("money", "why"),
        [([1.0, np.nan], "NaN"), ([1.0], "length"), ([[1.0, 2.0]], "one column"), (["a", "b"], "numbers")],
    )
    def test_refuses_what_can_not_be_ranked(self, money: list[float], why: str) -> None:
        with pytest.raises(ModelError, match=why):
            rfm_scores([1, 2], [1, 2], money)


class TestSegments:
    def test_every_code_is_in_exactly_one_segment(self) -> None:
        codes = [code for segment in SEGMENT_CODES.values() for code in segment]
        assert sorted(codes) == [f"{r}{f}{m}" for r, f, m in ALL]
        assert len(SEGMENT_CODES) == 11

    def test_sizes_are_those_of_the_published_map(self) -> None:
        assert [len(codes) for codes in SEGMENT_CODES.values()] == [7, 8, 24, 7, 16, 8, 8, 22, 8, 11, 6]

    def test_each_customer_gets_the_segment_of_his_code(self) -> None:
        r, f, m = np.array(ALL).T
        codes, segments = rfm_code(r, f, m), rfm_segment(r, f, m)
        assert codes.tolist() == [f"{a}{b}{c}" for a, b, c in ALL]
        assert all(code in SEGMENT_CODES[name] for code, name in zip(codes, segments, strict=True))

    @pytest.mark.parametrize(
        ("name", "codes"),
        [
            ("Champions", "555 445"),
            ("Loyal", "543 335"),
            ("Potential Loyalist", "553 333 323"),
            ("New Customers", "512 311"),
            ("Promising", "525 313"),
            ("Need Attention", "535 324"),
            ("About To Sleep", "331 251"),
            ("At Risk", "255 124"),
            ("Cannot Lose Them", "155 113"),
            ("Hibernating", "332 211"),
            ("Lost", "111 151"),
        ],
    )
    def test_examples_from_the_published_map(self, name: str, codes: str) -> None:
        assert [rfm_segment(*map(int, code)) for code in codes.split()] == [name] * len(codes.split())

    def test_no_customers_have_no_segments(self) -> None:
        assert rfm_segment([], [], []).shape == rfm_code([], [], []).shape == (0,)

    @pytest.mark.parametrize("score", [0, 6, 2.5, -1])
    def test_refuses_what_is_no_score(self, score: float) -> None:
        with pytest.raises(ModelError, match="from 1 to 5"):
            rfm_segment([5, score], [5, 5], [5, 5])
        with pytest.raises(ModelError, match="from 1 to 5"):
            rfm_code([5, 5], [5, score], [5, 5])
