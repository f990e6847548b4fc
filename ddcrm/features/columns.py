"""Columns of features as arrays, as models take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa


def texts_as_objects(column: pa.ChunkedArray) -> NDArray[np.object_]:
    """A column of few different texts as an array that holds each of them once, None where there is none."""
    encoded = column.combine_chunks().dictionary_encode()
    texts = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
    return texts[encoded.indices.fill_null(len(texts) - 1).to_numpy()]
