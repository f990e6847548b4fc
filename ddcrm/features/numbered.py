"""Customers by their keys in memory: a number for each row's customer.

A table of a million strings is looked up in memory row by row, which costs more than all that is done with the numbers
afterwards. Keys that are equally long, as ids mostly are, become integers first.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

Numbers = NDArray[np.int32]
_WORD = 8
_TEXT = 2**31 - 1  # bytes of text that one array of strings may hold
_PART_BITS = 16  # parts of some 2^16 rows; at most 2^4 of them, as each is a pass over all rows
_MOST_BITS = 4
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Fibonacci hashing, Knuth, TAOCP 3, 6.4


def numbered(keys: pa.ChunkedArray) -> tuple[Numbers, pa.Array]:
    """For each row the number of its customer, and the customers by number: in the order of their first rows.

    keys: strings (n,) without nulls.
    """
    width = _width(keys)
    if not width or width * len(keys) > _TEXT:
        return _by_strings(keys)
    words = _words(keys, width)
    code, first = _encoded(words[:, 0] if words.shape[1] == 1 else _mixed(words))
    found = words[first]
    if words.shape[1] > 1 and not all(
        np.array_equal(part, own[code]) for part, own in zip(words.T, found.T, strict=True)
    ):
        return _by_strings(keys)  # two keys with the same digest
    return code, _strings(found, width)


def _by_strings(keys: pa.ChunkedArray) -> tuple[Numbers, pa.Array]:
    found = keys.combine_chunks().dictionary_encode()
    return found.indices.to_numpy(), found.dictionary


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


def _encoded(values: NDArray[np.uint64]) -> tuple[Numbers, Numbers]:
    """Numbers by the order of first appearance, and the first row of each: part by part, two of them at once.

    Equal values are in one part; the look-up of a part is small enough to stay near the processor.
    """
    import pyarrow as pa

    bits = min(max(len(values).bit_length() - _PART_BITS, 0), _MOST_BITS)
    part_of = _part_of(values, bits)
    code, firsts, known = np.empty(len(values), np.int32), [], 0
    with ThreadPoolExecutor(2) as pool:
        for part in range(0, 1 << bits, 2):  # by twos: what is ready early would stay in memory
            two = range(part, min(part + 2, 1 << bits))
            for rows, numbers, first in pool.map(lambda one: _part_encoded(values, part_of == one), two):
                code[rows] = numbers + np.int32(known)
                firsts.append(first)
                known += len(first)
    first = np.concatenate(firsts)
    order = np.argsort(first)
    place = np.empty(known, np.int32)
    place[order] = np.arange(known, dtype=np.int32)
    pa.default_memory_pool().release_unused()  # what the look-ups held is kept for others to come, and none do
    return place[code], first[order]


def _part_of(values: NDArray[np.uint64], bits: int) -> NDArray[np.uint8]:
    if not bits:
        return np.zeros(len(values), np.uint8)
    mixed = values * _MIX
    mixed >>= np.uint64(64 - bits)
    return mixed.astype(np.uint8)


def _part_encoded(values: NDArray[np.uint64], inside: NDArray[np.bool_]) -> tuple[Numbers, Numbers, Numbers]:
    """The rows of a part, their numbers in it, and the first row of each number."""
    import pyarrow as pa

    rows = np.flatnonzero(inside).astype(np.int32)
    found = pa.array(values[rows]).dictionary_encode()
    numbers = found.indices.to_numpy()
    first = np.empty(len(found.dictionary), np.int32)
    first[numbers[::-1]] = rows[::-1]
    return rows, numbers, first
