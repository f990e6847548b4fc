"""Customers become numbers, whatever their keys look like: as a dictionary in plain Python says."""

from __future__ import annotations

import uuid

import numpy as np
import pyarrow as pa
import pytest

from ddcrm.features import numbered as module
from ddcrm.features.numbered import numbered

CHANCE = np.random.default_rng(5)
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
}


def expected(keys: list[str]) -> tuple[list[int], list[str]]:
    known: dict[str, int] = {}
    return [known.setdefault(key, len(known)) for key in keys], list(known)


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
def test_each_customer_has_a_number_in_the_order_of_the_first_rows(keys: list[str]) -> None:
    codes, customers = numbered(pa.chunked_array([keys], pa.string()))
    assert (codes.tolist(), customers.to_pylist()) == expected(keys)


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("most_bits", [1, 2, 5])
def test_many_rows_are_numbered_part_by_part(keys: list[str], most_bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PART_BITS", 0)
    monkeypatch.setattr(module, "_MOST_BITS", most_bits)
    codes, customers = numbered(pa.chunked_array([keys], pa.string()))
    assert (codes.tolist(), customers.to_pylist()) == expected(keys)


@pytest.mark.parametrize("keys", [KEYS["of five bytes"], KEYS["UUIDs"]], ids=["integers", "digests"])
def test_slices_are_read_from_where_they_begin(keys: list[str]) -> None:
    parts = pa.chunked_array([keys[:500], [], keys[500:]], pa.string())
    codes, customers = numbered(parts[7:-3])
    assert (codes.tolist(), customers.to_pylist()) == expected(keys[7:-3])


def test_long_keys_with_the_same_digest_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(module, "_mixed", lambda words: asked.append(len(words)) or words[:, 0])  # the first 8 bytes
    codes, customers = numbered(pa.chunked_array([KEYS["UUIDs"]], pa.string()))
    assert (codes.tolist(), customers.to_pylist()) == expected(KEYS["UUIDs"])
    assert asked == [3_000]
