"""Customers by their keys in memory: an integer for each row's customer.

A table of a million strings is looked up in memory row by row, which costs more than all that is done with the numbers
afterwards. The ids of customers differ in a few bits only, and these are an integer; of others a digest is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

Words = NDArray[np.uint64]
Rows = NDArray[np.int64]
_WORD = 8
_LONGEST = 64  # bytes of a key; of longer ones Arrow knows best
_MOST_TEXT = 2**31 - 1  # bytes that Arrow's strings may have together
_ROWS = 2**14  # at once: some 100 KiB for each array, which stay near the processor
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Fibonacci hashing, Knuth, TAOCP 3, 6.4
_FIRST_BYTES = np.array([(1 << 8 * count) - 1 for count in range(_WORD + 1)], np.uint64)  # where a word begins low


def numbered(keys: pa.ChunkedArray, room: int) -> tuple[Words, int]:
    """For each row a number, equal for equal keys and for no others, and how many bits the numbers have.

    keys: (n,) without nulls, texts or what Arrow makes dictionaries of. Texts that differ in no more bits than there is
    room for keep those bits; else customers are counted, in whatever order, and their numbers may need more room than
    there is.
    """
    texts = _Texts.of(keys)
    if texts is None:
        return _by_values(keys)
    if (runs := _varying(texts, room)) is not None:
        return _packed(texts, runs), sum(count for _, _, count in runs)
    code, first = _grouped(_digests(texts))
    customers = max(len(first) - 1, 0).bit_length()
    if texts.words == 1 or _same(texts, code, first):
        return code, customers
    return _by_values(keys)  # two keys with the same digest


def _by_values(keys: pa.ChunkedArray) -> tuple[Words, int]:
    import pyarrow as pa

    if pa.types.is_string(keys.type):
        keys = keys.cast(pa.large_string())  # together they may be too long
    found = keys.combine_chunks().dictionary_encode()
    return found.indices.to_numpy().astype(np.uint64), max(len(found.dictionary) - 1, 0).bit_length()


@dataclass(frozen=True)
class _Texts:
    """Keys as the bytes of each chunk, and where each key ends in them (and first where it begins)."""

    chunks: list[tuple[NDArray[np.uint8], NDArray[np.int32]]]
    rows: int
    words: int  # of the longest key

    @classmethod
    def of(cls, keys: pa.ChunkedArray) -> _Texts | None:
        """None where words are not the way: no texts, too long ones, or such as can't be told from their padding."""
        import pyarrow as pa

        if not (pa.types.is_string(keys.type) or (pa.types.is_large_string(keys.type) and keys.nbytes <= _MOST_TEXT)):
            return None
        chunks = [_text(chunk) for chunk in keys.cast(pa.string()).chunks if len(chunk)]
        lengths = [(length.min(), length.max()) for _, ends in chunks for length in (np.diff(ends),)]
        least, most = min((one for one, _ in lengths), default=0), max((one for _, one in lengths), default=0)
        if not 0 < most <= _LONGEST or (least < most and any((text == 0).any() for text, _ in chunks)):
            return None
        return cls(chunks, len(keys), -(-int(most) // _WORD))

    def blocks(self) -> Iterator[tuple[int, Words]]:
        """The first row of a block, and the keys of the block as words, (rows, words), with zeros behind."""
        at = 0
        for text, ends in self.chunks:
            for begin in range(0, len(ends) - 1, _ROWS):
                some = ends[begin : begin + _ROWS + 1]
                yield at + begin, _as_words(text[some[0] : some[-1]], some - some[0], self.words)
            at += len(ends) - 1


def _text(keys: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    _, ends, text = keys.buffers()
    found = np.frombuffer(text, np.uint8) if text else np.empty(0, np.uint8)
    return found, np.frombuffer(ends, np.int32)[keys.offset : keys.offset + len(keys) + 1]


def _as_words(text: NDArray[np.uint8], ends: NDArray[np.int32], words: int) -> Words:
    length = np.diff(ends)
    rows, width = len(length), int(length[0])
    if (length == width).all():
        if width == words * _WORD:
            return text.reshape(rows, width).view(np.uint64)
        whole = np.zeros((rows, words * _WORD), np.uint8)
        whole[:, :width] = text.reshape(rows, width)
        return whole.view(np.uint64)
    padded = np.append(text, np.zeros(words * _WORD, np.uint8))
    from_each = np.ndarray(
        (len(text) + 1 + (words - 1) * _WORD,), "<u8", padded, strides=(1,)
    )  # 8 bytes, from each byte on
    found = np.empty((rows, words), np.uint64)
    for word in range(words):
        inside = np.clip(length - word * _WORD, 0, _WORD)
        np.bitwise_and(from_each[ends[:-1] + word * _WORD], _FIRST_BYTES[inside], out=found[:, word])
    return found


def _varying(texts: _Texts, room: int) -> list[tuple[int, int, int]] | None:
    """Word, first bit and number of bits of each run of bits that are not the same in all keys.

    None where they are more than there is room for, as is known after some keys.
    """
    either, both = np.zeros(texts.words, np.uint64), ~np.zeros(texts.words, np.uint64)
    for _, words in texts.blocks():
        either |= np.bitwise_or.reduce(words, axis=0)
        both &= np.bitwise_and.reduce(words, axis=0)
        if sum(bits.bit_count() for bits in (either ^ both).tolist()) > room:
            return None
    return [(word, *run) for word, bits in enumerate((either ^ both).tolist()) for run in _runs(bits)]


def _runs(bits: int) -> Iterator[tuple[int, int]]:
    """The first of each run of ones, and how many they are."""
    at = 0
    while bits >> at:
        at += (bits >> at & -(bits >> at)).bit_length() - 1
        count = (~(bits >> at) & -~(bits >> at)).bit_length() - 1
        yield at, count
        at += count


def _packed(texts: _Texts, runs: list[tuple[int, int, int]]) -> Words:
    """The bits that vary, side by side."""
    found = np.zeros(texts.rows, np.uint64)
    for begin, words in texts.blocks():
        into, place = found[begin : begin + len(words)], 0
        for word, at, count in runs:
            part = words[:, word] >> np.uint64(at)
            part &= low_bits(count)
            part <<= np.uint64(place)
            into |= part
            place += count
    return found


def _digests(texts: _Texts) -> Words:
    """A digest of each key; of keys of one word no two have the same."""
    found = np.zeros(texts.rows, np.uint64)
    for begin, words in texts.blocks():
        into = found[begin : begin + len(words)]
        for part in words.T:
            into ^= part
            into *= _MIX
            into ^= into >> np.uint64(29)
    return found


def _grouped(digests: Words) -> tuple[Words, Rows]:
    """Numbers of equal digests, and the first row of each."""
    row_bits = max(len(digests) - 1, 0).bit_length()
    key = digests & ~low_bits(row_bits)
    key |= np.arange(len(key), dtype=np.uint64)
    key.sort()  # by as much of the digest as there is room for beside the row
    rows = (key & low_bits(row_bits)).astype(np.int64)
    new = changes(digests[rows])
    key >>= np.uint64(row_bits)
    if (new & ~changes(key)).any():  # no more than a part of two digests is the same
        rows = np.argsort(digests, kind="stable")
        new = changes(digests[rows])
    key[rows] = np.cumsum(new, dtype=np.uint64) - np.uint64(1)
    return key, rows[new]


def low_bits(count: int) -> np.uint64:
    """A word whose last bits are ones."""
    return np.uint64((1 << count) - 1)


def changes(values: Words) -> NDArray[np.bool_]:
    """Where a value is not the one before."""
    found = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=found[1:])
    return found


def _same(texts: _Texts, code: Words, first: Rows) -> bool:
    """Whether each key is that of the first row with its number."""
    own = np.empty((len(first), texts.words), np.uint64)
    order = np.argsort(first)
    first = first[order]
    for begin, words in texts.blocks():
        inside = slice(*np.searchsorted(first, (begin, begin + len(words))))
        own[order[inside]] = words.take(first[inside] - begin, axis=0)
    numbers = code.view(np.int64)
    return all(
        (own.take(numbers[begin : begin + len(words)], axis=0) == words).all() for begin, words in texts.blocks()
    )
