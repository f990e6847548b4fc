"""Cents against Python's decimals."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddcrm.errors import ModelError
from ddcrm.scoring.money import cents_of, decimals_of, divided, rounded_cents

CENTS = st.integers(-(10**18) + 1, 10**18 - 1)


@given(st.lists(CENTS, max_size=20), st.integers(0, 5))
def test_cents_and_decimals_are_the_same_amounts(cents: list[int], skip: int) -> None:
    column = pa.array([Decimal(value).scaleb(-2) for value in cents], pa.decimal128(18, 2))
    assert cents_of(column).tolist() == cents
    assert cents_of(pa.chunked_array([column[:skip], column[skip:]], column.type)[skip:]).tolist() == cents[skip:]
    assert decimals_of(np.array(cents, dtype=np.int64)).equals(column)


def test_missing_amounts_are_null() -> None:
    assert decimals_of(np.array([1, 2]), np.array([True, False])).to_pylist() == [None, Decimal("0.02")]


@given(st.integers(-(10**17), 10**17), st.integers(1, 10**6))
def test_division_rounds_half_to_even(total: int, n: int) -> None:
    wanted = (Decimal(total) / Decimal(n)).quantize(Decimal(1), ROUND_HALF_EVEN)
    assert int(divided(total, n)) == int(wanted)


def test_halves_go_to_the_even_neighbour() -> None:
    assert divided(np.array([5, 15, -5, -15, 7]), 10).tolist() == [0, 2, 0, -2, 1]
    assert rounded_cents(np.array([0.125, 0.375, 2.0, -0.125]), "clv").tolist() == [12, 38, 200, -12]


@pytest.mark.parametrize("amount", [np.nan, np.inf, -np.inf, 1e17])
def test_what_can_t_be_published_is_an_error(amount: float) -> None:
    with pytest.raises(ModelError, match="clv_365d"):
        rounded_cents(np.array([1.0, amount]), "clv_365d")


def test_columns_of_another_kind_are_refused() -> None:
    with pytest.raises(ValueError, match=r"decimal\(18,2\)"):
        cents_of(pa.array([1.5]))
    with pytest.raises(ValueError, match="without NULLs"):
        cents_of(pa.array([None, Decimal("1.00")], pa.decimal128(18, 2)))
