"""Money in whole cents: the way from and to decimal(18,2) columns, and divisions that round half to even."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ddcrm.errors import ModelError

if TYPE_CHECKING:
    import pyarrow as pa

Cents = NDArray[np.int64]

_LIMIT = 10**18  # decimal(18,2) holds less than this many cents


def cents_of(column: Any) -> Cents:
    """A decimal(18,2) column without NULLs as whole cents, shape (n,)."""
    import pyarrow as pa

    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    array = pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array
    if array.type != pa.decimal128(18, 2) or array.null_count:
        raise ValueError(f"a decimal(18,2) column without NULLs is needed, not {array.type}")
    words = np.frombuffer(array.buffers()[1] or b"", dtype="<i8")  # two words a value; the upper one is the sign's
    return words[2 * array.offset : 2 * (array.offset + len(array)) : 2]


def decimals_of(cents: Cents, missing: NDArray[np.bool_] | None = None) -> pa.Array:
    """Whole cents as a decimal(18,2) column, NULL where `missing`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    words = np.empty((len(cents), 2), dtype="<i8")
    words[:, 0], words[:, 1] = cents, np.where(cents < 0, -1, 0)
    column = pa.Array.from_buffers(pa.decimal128(18, 2), len(cents), [None, pa.py_buffer(words)])
    return column if missing is None else pc.if_else(pa.array(~missing), column, None)


def rounded_cents(amounts: NDArray[np.float64], what: str) -> Cents:
    """Amounts as whole cents, half to even; raises ModelError for one that decimal(18,2) can't hold."""
    cents = np.rint(amounts * 100)
    if not (np.abs(cents) < _LIMIT).all():  # NaN is not less either
        raise ModelError(f"{what} is not a number that can be published", hint="Look at the model's card.")
    return cents.astype(np.int64)


def divided(total: Any, n: Any) -> Cents:
    """total / n in whole cents, half to even; n > 0, both integers or arrays of them."""
    total, n = np.asarray(total, dtype=np.int64), np.asarray(n, dtype=np.int64)
    quotient, rest = np.divmod(total, n)
    up = (2 * rest > n) | ((2 * rest == n) & (quotient % 2 == 1))
    return quotient + up
