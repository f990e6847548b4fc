"""Value tiers: customers by the rank of their lifetime value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ddcrm.scoring.money import Cents

TIERS: tuple[tuple[str, int], ...] = (("platinum", 5), ("gold", 20), ("silver", 50), ("bronze", 100))
"""Each tier, best first, with the per cent of customers that it and the better ones hold together."""


def value_tiers(clv: Cents) -> NDArray[np.int8]:
    """The tier of each customer as a position in TIERS, shape (n,).

    A customer is in a tier if the share of customers with a greater value is below the tier's border; so equal values
    share the better tier, whatever the order of the rows. Who is worth nothing is in the last tier.
    """
    tiers = np.full(len(clv), len(TIERS) - 1, dtype=np.int8)
    for position, (_, percent) in reversed(list(enumerate(TIERS[:-1]))):
        tiers[clv >= max(_border(clv, percent), 1)] = position
    return tiers


def _border(clv: Cents, percent: int) -> int:
    """The least value that is exceeded by less than `percent` of all customers; 1 + the greatest if there are none."""
    rank = -(-percent * len(clv) // 100) - 1  # ceil(percent * n / 100) - 1, counted from 0 at the greatest
    return int(np.partition(clv, len(clv) - 1 - rank)[len(clv) - 1 - rank]) if len(clv) else 1


def rule_of(tier: str) -> str:
    """Who belongs to a tier, in words."""
    names = [name for name, _ in TIERS]
    position = names.index(tier)
    if position == len(TIERS) - 1:
        return f"the rest by clv_365d, and all whose clv_365d is 0 ({100 - TIERS[position - 1][1]} %)"
    before = TIERS[position - 1][1] if position else 0
    return f"{'next' if position else 'top'} {TIERS[position][1] - before} % by clv_365d"
