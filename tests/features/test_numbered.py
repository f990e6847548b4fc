"""Customers become numbers, whatever their keys look like: as a dictionary in plain Python says."""

from __future__ import annotations

import uuid

import numpy as np
import pyarrow as pa
import pytest

from ddcrm.features import numbered as module
from ddcrm.features.numbered import numbered

CHANCE = np.random.default_rng(5)
ROOM = 50
PICKED = CHANCE.integers(0, 400, 3_000)
KEYS = {
    "of eight bytes": [f"C{number:07}" for number in PICKED],
    "of five bytes": [f"{number:05}" for number in PICKED],
    "of nine bytes": [f"CU{number:07}" for number in PICKED],
    "UUIDs": [str(uuid.UUID(int=int(number) << 90)) for number in PICKED],
    "of many lengths": [f"C{number}" for number in PICKED],
    "beyond ASCII": [f"\u00fc{number:04}" for number in PICKED],
    "two halves with nobody in common": ["A1"] * 4 + ["B2"] * 4,
    "one": ["A1"],
    "none": [],
    "empty ones": ["", ""],
    "empty and not": ["", "A", "", "AA"],
    "with zeros behind": ["A", "A\0", "A", "A\0\0", ""],
    "of eight bytes and more": [f"{number:08}"[: 8 + number % 9] + "x" * (number % 9) for number in PICKED],
    "longer than is read as words": [f"{number:090}" for number in PICKED],
}


def same(numbers: np.ndarray, keys: list[str]) -> bool:
    """Equal where the keys are, and nowhere else."""
    known: dict[str, int] = {}
    pairs = {(known.setdefault(key, len(known)), number) for key, number in zip(keys, numbers.tolist(), strict=True)}
    return len(pairs) == len(known) == len({number for _, number in pairs})


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("room", [0, 5, ROOM])
def test_each_customer_has_a_number(keys: list[str], room: int) -> None:
    numbers, bits = numbered(pa.chunked_array([keys], pa.string()), room)
    assert same(numbers, keys)
    assert max(numbers.tolist(), default=0) < 2**bits


@pytest.mark.parametrize("keys", [KEYS["UUIDs"], KEYS["of many lengths"]], ids=["UUIDs", "of many lengths"])
def test_digests_that_are_alike_in_part_are_told_apart(keys: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorted by its first bits, with the row behind them, a digest stands among others."""
    whole = module._digests
    monkeypatch.setattr(module, "_digests", lambda texts: whole(texts) >> np.uint64(54))  # where the row stands
    monkeypatch.setattr(module, "_same", lambda *_: True)
    numbers, _ = numbered(pa.chunked_array([keys], pa.string()), 0)
    digests = whole(module._Texts.of(pa.chunked_array([keys], pa.string()))) >> np.uint64(54)
    assert same(numbers, [str(digest) for digest in digests.tolist()])


@pytest.mark.parametrize("kind", ["of eight bytes", "of many lengths", "UUIDs"])
@pytest.mark.parametrize("room", [0, ROOM])
def test_keys_of_other_types(kind: str, room: int) -> None:
    plain = pa.chunked_array([KEYS[kind]], pa.string())
    integers = pa.chunked_array([PICKED])
    for keys in (plain.cast(pa.large_string()), integers):
        numbers, _ = numbered(keys, room)
        assert same(numbers, KEYS[kind])


@pytest.mark.parametrize("kind", ["of five bytes", "UUIDs", "beyond ASCII"])
@pytest.mark.parametrize("room", [0, ROOM])
def test_slices_and_blocks_are_read_from_where_they_begin(
    kind: str, room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ROWS", 70)
    parts = pa.chunked_array([KEYS[kind][:500], [], KEYS[kind][500:]], pa.string())
    numbers, _ = numbered(parts[7:-3], room)
    assert same(numbers, KEYS[kind][7:-3])


def test_only_the_bits_that_differ_are_kept() -> None:
    """Of C0000000 to C0000009 the last four bits of the last letter: 0 to 9."""
    numbers, bits = numbered(pa.chunked_array([[f"C000000{digit}" for digit in range(10)]], pa.string()), 4)
    assert (numbers.tolist(), bits) == (list(range(10)), 4)


def test_long_keys_with_the_same_digest_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    whole = module._digests
    monkeypatch.setattr(module, "_digests", lambda texts: asked.append(texts.rows) or whole(texts) & np.uint64(7))
    numbers, _ = numbered(pa.chunked_array([KEYS["UUIDs"]], pa.string()), 0)
    assert same(numbers, KEYS["UUIDs"])
    assert asked == [3_000]
