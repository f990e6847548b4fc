"""Value tiers against their definition, customer by customer."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ddcrm.scoring.tiers import TIERS, rule_of, value_tiers


def by_definition(clv: list[int]) -> list[str]:
    """Top 5 %, next 15 %, next 30 %, the rest; a tie goes to the better tier; nothing is the last."""
    tiers = []
    for value in clv:
        better = sum(other > value for other in clv)
        found = [name for name, percent in (("platinum", 5), ("gold", 20), ("silver", 50))
                 if value > 0 and 100 * better < percent * len(clv)]  # fmt: skip
        tiers.append(found[0] if found else "bronze")
    return tiers


@given(st.lists(st.integers(0, 30) | st.integers(0, 10**9), max_size=60))
def test_every_customer_is_in_the_tier_of_the_rank(clv: list[int]) -> None:
    names = [name for name, _ in TIERS]
    assert [names[tier] for tier in value_tiers(np.array(clv, dtype=np.int64))] == by_definition(clv)


def test_a_hundred_different_values_are_5_15_30_and_50() -> None:
    clv = np.random.default_rng(0).permutation(100) + 1
    assert np.bincount(value_tiers(clv)).tolist() == [5, 15, 30, 50]
    assert clv[value_tiers(clv) == 0].min() == 96


def test_equal_values_share_the_better_tier_and_nothing_is_bronze() -> None:
    assert value_tiers(np.full(10, 7)).tolist() == [0] * 10
    assert value_tiers(np.zeros(10, dtype=np.int64)).tolist() == [3] * 10


def test_the_rules_in_words_add_up() -> None:
    assert [rule_of(name) for name, _ in TIERS[:3]] == [
        "top 5 % by clv_365d", "next 15 % by clv_365d", "next 30 % by clv_365d",
    ]  # fmt: skip
    assert "50 %" in rule_of("bronze")
