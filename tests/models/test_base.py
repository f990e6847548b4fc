"""Reading X and finding its distinct rows, against plain Python."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddcrm.errors import ModelError
from ddcrm.models import base
from ddcrm.models.base import Levels, columns_of, distinct_rows, levels_of

small = st.sampled_from([0.0, 0.5, 1.0, 2.0, 1e9])
rows_of_three = st.lists(st.tuples(small, small, small), min_size=1, max_size=40)


def check_distinct(rows: list[tuple[float, ...]]) -> None:
    columns = np.array(rows, dtype=float).T
    distinct = distinct_rows([levels_of(column) for column in columns])
    weights = distinct.weights(np.ones(len(rows)))
    found = list(zip(*(column.column.tolist() for column in distinct.columns), strict=True))
    assert found == sorted(set(rows))
    assert dict(zip(found, weights, strict=True)) == Counter(rows)
    assert [found[i] for i in distinct.inverse] == rows


@given(rows_of_three)
def test_each_distinct_row_stands_once_in_order_with_its_weight(rows: list[tuple[float, ...]]) -> None:
    check_distinct(rows)


@given(rows_of_three)
def test_also_where_the_key_is_numbered_anew(rows: list[tuple[float, ...]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "_KEY_LIMIT", 4)
        check_distinct(rows)


def test_rows_stay_apart_where_one_key_would_overflow() -> None:
    many = np.broadcast_to(np.float64(0), 2**22)  # so many distinct values in each of three columns: 2^66 keys
    first = Levels(many, np.array([0, 2**20, 2**20]))  # 2^20 * 2^44 is 0 in 64 bits
    rest = Levels(many, np.array([5, 5, 5]))
    assert distinct_rows([first, rest, rest]).inverse.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    "X",
    [
        pd.DataFrame({"b": [3, 4], "other": ["x", "y"], "a": [1, 2]}),
        pd.DataFrame({"b": [Decimal(3), Decimal(4)], "a": pd.array([1, 2], dtype="Int64")}),
        {"b": [3, 4], "a": np.array([1, 2], dtype=np.int32)},
        pa.table({"b": pa.array([Decimal("3.00"), Decimal("4.00")]), "a": [1, 2]}),
        np.array([[1, 3], [2, 4]]),
        [[1, 3], [2, 4]],
    ],
)
def test_columns_are_read_by_name_and_arrays_by_position(X: Any) -> None:
    a, b = columns_of(X, ["a", "b"], "test")
    assert a.tolist() == [1.0, 2.0]
    assert b.tolist() == [3.0, 4.0]
    assert a.dtype == b.dtype == np.float64


def test_an_unknown_number_is_no_number() -> None:
    with pytest.raises(ModelError, match="a is not a column of numbers"):
        columns_of(pd.DataFrame({"a": [Decimal(1), None, "x"]}, dtype=object), ["a"], "test")
