"""Customers by their keys in memory: an integer for each row's customer.

A table of a million strings is looked up in memory row by row, which costs more than all that is done with the numbers
afterwards. Keys that are equally long, as ids mostly are, differ in a few bits only, and these are an integer.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

Words = NDArray[np.uint64]
_WORD = 8
_ALL = 8 * _WORD
_ROWS = 2**14  # at once: some 100 KiB for each array, which stay near the processor
_PART_BITS = 16  # parts of some 2^16 rows; at most 2^4 of them, as each is a pass over all rows
_MOST_BITS = 4
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Fibonacci hashing, Knuth, TAOCP 3, 6.4


def numbered(keys: pa.ChunkedArray, room: int) -> tuple[Words, int]:
    """For each row a number, equal for equal keys and for no others, and how many bits the numbers have.

    keys: strings (n,) without nulls. Keys of equal length that differ in no more bits than there is room for keep those
    bits; else customers are counted, in whatever order, and their numbers may need more room than there is.
    """
    width = _width(keys)
    if not width:
        return _counted(*_by_strings(keys))
    runs = _varying(keys, width)
    if (bits := sum(count for _, _, count in runs)) <= room:
        return _packed(keys, width, runs), bits
    words = np.concatenate([part for _, part in _blocks(keys, width)])
    code, first = _encoded(words[:, 0] if words.shape[1] == 1 else _mixed(words))
    found = words[first]
    if words.shape[1] > 1 and not all(
        np.array_equal(one, own[code]) for one, own in zip(words.T, found.T, strict=True)
    ):
        return _counted(*_by_strings(keys))  # two keys with the same digest
    return _counted(code, len(first))


def _counted(code: NDArray[np.int32], customers: int) -> tuple[Words, int]:
    return code.astype(np.uint64), max(customers - 1, 0).bit_length()


def _by_strings(keys: pa.ChunkedArray) -> tuple[NDArray[np.int32], int]:
    found = keys.combine_chunks().dictionary_encode()
    return found.indices.to_numpy(), len(found.dictionary)


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


def _blocks(keys: pa.ChunkedArray, width: int) -> Iterator[tuple[int, Words]]:
    """The bytes of each key as whole words, (rows, words), some rows at a time, and which row is the first of them."""
    padded = width + -width % _WORD
    at = 0
    for chunk in keys.chunks:
        if not len(chunk):
            continue
        ends = _ends(chunk)
        text = np.frombuffer(chunk.buffers()[2], np.uint8)[ends[0] : ends[-1]].reshape(len(chunk), width)
        for begin in range(0, len(chunk), _ROWS):
            some = text[begin : begin + _ROWS]
            if padded > width:
                whole = np.zeros((len(some), padded), np.uint8)
                whole[:, :width] = some
                some = whole
            yield at + begin, some.view(np.uint64)
        at += len(chunk)


def _varying(keys: pa.ChunkedArray, width: int) -> list[tuple[int, int, int]]:
    """Word, first bit and number of bits of each run of bits that are not the same in all keys."""
    either, both = np.uint64(0), ~np.uint64(0)
    for _, words in _blocks(keys, width):
        either = np.bitwise_or.reduce(words, axis=0) | either
        both = np.bitwise_and.reduce(words, axis=0) & both
    runs = []
    for word, bits in enumerate(np.atleast_1d(either ^ both).tolist()):
        at = 0
        while bits >> at:
            at += (bits >> at & -(bits >> at)).bit_length() - 1  # the next one
            count = (~(bits >> at) & -~(bits >> at)).bit_length() - 1  # how many follow without a gap
            runs.append((word, at, count))
            at += count
    return runs


def _packed(keys: pa.ChunkedArray, width: int, runs: list[tuple[int, int, int]]) -> Words:
    """The bits that vary, side by side."""
    found = np.zeros(len(keys), np.uint64)
    for begin, words in _blocks(keys, width):
        into, place = found[begin : begin + len(words)], 0
        for word, at, count in runs:
            part = words[:, word] >> np.uint64(at)
            part &= np.uint64((1 << count) - 1)
            part <<= np.uint64(place)
            into |= part
            place += count
    return found


def _mixed(words: Words) -> Words:
    """A digest of each row."""
    found = np.zeros(len(words), np.uint64)
    for part in words.T:
        found = (found ^ part) * _MIX
        found ^= found >> np.uint64(29)
    return found


def _encoded(values: Words) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Numbers of equal values, and the first row of each: part by part, two of them at once.

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
    pa.default_memory_pool().release_unused()  # what the look-ups held is kept for others to come, and none do
    return code, np.concatenate(firsts)


def _part_of(values: Words, bits: int) -> NDArray[np.uint8]:
    if not bits:
        return np.zeros(len(values), np.uint8)
    mixed = values * _MIX
    mixed >>= np.uint64(_ALL - bits)
    return mixed.astype(np.uint8)


def _part_encoded(
    values: Words, inside: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """The rows of a part, their numbers in it, and the first row of each number."""
    import pyarrow as pa

    rows = np.flatnonzero(inside).astype(np.int32)
    found = pa.array(values[rows]).dictionary_encode()
    numbers = found.indices.to_numpy()
    first = np.empty(len(found.dictionary), np.int32)
    first[numbers[::-1]] = rows[::-1]
    return rows, numbers, first
