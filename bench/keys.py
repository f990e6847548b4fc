"""What the keys of customers look like in the models' benchmark, by the customer's number."""

from __future__ import annotations

import uuid
from collections.abc import Callable

_SPREAD = 0x9E3779B97F4A7C15F39CC0605CEDC835  # odd: no two numbers have the same product modulo 2^128
KEYS: dict[str, Callable[[int], str]] = {
    "padded": lambda number: f"C{number:07}",
    "short": lambda number: f"C{number}",
    "uuid": lambda number: str(uuid.UUID(int=number * _SPREAD % 2**128)),
}
