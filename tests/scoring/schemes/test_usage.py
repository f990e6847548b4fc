"""usage: spenders by share of revenue, against walking down the list of spenders one by one."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddcrm.scoring.schemes.usage import NAMES, usage_classes
from ddcrm.settings import UsageSettings


def walked(spend: list[int], heavy: Decimal, medium: Decimal) -> list[str]:
    """Spenders from the greatest down: each looks at what those made who stand above him and his equals."""
    total = sum(cents for cents in spend if cents > 0)
    classes = []
    for cents in spend:
        above = sum(other for other in spend if other > cents)
        upper = "heavy" if above < heavy * total else "medium" if above < medium * total else "light"
        classes.append(upper if cents > 0 else "zero")
    return classes


def names_of(spend: list[int], **settings: float) -> list[str]:
    return [NAMES[code] for code in usage_classes(np.array(spend, dtype=np.int64), UsageSettings(**settings))]


def test_half_of_the_revenue_then_nine_tenths_then_the_rest() -> None:
    assert names_of([500, 300, 100, 60, 40, 0, -50]) == ["heavy", "medium", "medium", "light", "light", "zero", "zero"]


def test_equal_spenders_are_in_one_class() -> None:
    assert set(names_of([100] * 7)) == {"heavy"}
    assert names_of([300, 100, 100, 100]) == ["heavy", "medium", "medium", "medium"]


@given(
    spend=st.lists(st.integers(-5, 30).map(lambda cents: cents * 7), max_size=40),
    shares=st.sampled_from([("0.5", "0.9"), ("0.3", "0.8"), ("0.1", "1.0")]),
)
def test_equals_walking_down_the_list(spend: list[int], shares: tuple[str, str]) -> None:
    heavy, medium = map(Decimal, shares)
    assert names_of(spend, heavy=float(heavy), medium=float(medium)) == walked(spend, heavy, medium)


def test_borders_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match=r"heavy 0\.9 must be less than medium 0\.8"):
        UsageSettings(heavy=0.9, medium=0.8)
