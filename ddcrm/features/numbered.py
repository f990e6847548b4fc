"""Customers by their keys in memory: a number for each row's customer.

A table of a million strings is looked up in memory row by row, which costs more than all that is done with the numbers
afterwards. Keys that are equally long, as ids mostly are, become integers first.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

Numbers = NDArray[np.int64]
_WORD = 8
_TEXT = 2**31 - 1  # bytes of text that one array of strings may hold
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Fibonacci hashing, Knuth, TAOCP 3, 6.4


def numbered(keys: pa.ChunkedArray) -> tuple[Numbers, pa.Array]:
    """For each row the number of its customer, and the customers by number: in the order of their first rows.

    keys: strings (n,) without nulls.
    """
    width = _width(keys)
    if not width or width * len(keys) > _TEXT:
        return _by_strings(keys)
    words = _words(keys, width)
    code, distinct = _encoded(words[:, 0] if words.shape[1] == 1 else _mixed(words))
    first = np.empty(distinct, np.int64)
    first[code[::-1]] = np.arange(len(code) - 1, -1, -1)
    found = words[first]
    if words.shape[1] > 1 and not all(
        np.array_equal(part, own[code]) for part, own in zip(words.T, found.T, strict=True)
    ):
        return _by_strings(keys)  # two keys with the same digest
    return code, _strings(found, width)


def _by_strings(keys: pa.ChunkedArray) -> tuple[Numbers, pa.Array]:
    found = keys.combine_chunks().dictionary_encode()
    return found.indices.to_numpy().astype(np.int64), found.dictionary


def _ends(keys: pa.Array) -> NDArray[np.int32]:
    """Where each key ends in the text, and first where it begins."""
    return np.frombuffer(keys.buffers()[1], np.int32)[keys.offset : keys.offset + len(keys) + 1]


def _width(keys: pa.ChunkedArray) -> int:
    """The bytes of each key; 0 where they are not equally many."""
    import pyarrow as pa

    if not pa.types.is_string(keys.type):
        return 0
    chunks = [_ends(chunk) for chunk in keys.chunks if len(chunk)]
    width = int(chunks[0][1] - chunks[0][0]) if chunks else 0
    return width if all((np.diff(ends) == width).all() for ends in chunks) else 0


def _words(keys: pa.ChunkedArray, width: int) -> NDArray[np.uint64]:
    """The bytes of each key as whole words, (n, words)."""
    found = np.zeros((len(keys), width + -width % _WORD), np.uint8)
    at = 0
    for chunk in keys.chunks:
        if len(chunk):
            ends = _ends(chunk)
            text = np.frombuffer(chunk.buffers()[2], np.uint8)[ends[0] : ends[-1]]
            found[at : at + len(chunk), :width] = text.reshape(len(chunk), width)
            at += len(chunk)
    return found.view(np.uint64)


def _strings(words: NDArray[np.uint64], width: int) -> pa.Array:
    import pyarrow as pa

    text = np.ascontiguousarray(words.view(np.uint8).reshape(len(words), -1)[:, :width])
    ends = np.arange(len(words) + 1, dtype=np.int32) * width
    return pa.StringArray.from_buffers(len(words), pa.py_buffer(ends), pa.py_buffer(text))


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A digest of each row."""
    found = np.zeros(len(words), np.uint64)
    for part in words.T:
        found = (found ^ part) * _MIX
        found ^= found >> np.uint64(29)
    return found


def _encoded(values: NDArray[np.uint64]) -> tuple[Numbers, int]:
    """Numbers by the order of first appearance, and how many there are: each half by a thread of its own."""
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = pa.array(values)
    half = len(whole) // 2
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda part: part.dictionary_encode(), (whole[:half], whole[half:]))
    known: Any = pc.index_in(other.dictionary, one.dictionary)
    new = known.is_null().to_numpy(zero_copy_only=False)
    place = known.fill_null(0).to_numpy().astype(np.int64)
    place[new] = len(one.dictionary) + np.arange(np.count_nonzero(new))
    code = np.empty(len(values), np.int64)
    code[:half] = one.indices.to_numpy()
    code[half:] = place[other.indices.to_numpy()]
    distinct = len(one.dictionary) + int(np.count_nonzero(new))
    del whole, one, other, known
    pa.default_memory_pool().release_unused()  # what the look-ups held is kept for others to come, and none do
    return code, distinct
