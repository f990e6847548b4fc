"""lifecycle: the stages, against reading each customer's purchase days."""

from __future__ import annotations

from datetime import date, timedelta

import ibis
import numpy as np
import pytest

from ddcrm.features.purchases import purchase_features
from ddcrm.scoring.models import ScoringModels
from ddcrm.scoring.schemes import lifecycle, scoring_features
from ddcrm.scoring.schemes.base import Day
from ddcrm.scoring.scores import scored
from ddcrm.settings import LifecycleSettings, PurchaseSettings, SegmentSettings, ValueSettings
from tests.scoring import lake

AS_OF = date(2026, 4, 8)


def stage(days_ago: list[int], length: int) -> str:
    """By hand, from the days ago of all purchases."""
    later = [ago for ago in days_ago if ago < length]
    earlier = [ago for ago in days_ago if length <= ago < 2 * length]
    if later and earlier:
        return "repeating"
    if later:
        return "new" if max(days_ago) < length else "reactivated"
    return "lapsed" if earlier else "inactive"


@pytest.mark.parametrize("length", [30, 90, 365])
def test_stages_equal_reading_each_customers_days(length: int) -> None:
    chance = np.random.default_rng(4)
    ago = {f"C{number:03}": sorted({int(day) for day in chance.integers(0, 800, chance.integers(1, 5))})
           for number in range(200)}  # fmt: skip
    borders = [0, length - 1, length, 2 * length - 1, 2 * length]
    ago |= {f"D{first}-{second}": sorted({first, second}) for first in borders for second in borders}
    rows = [(customer, AS_OF - timedelta(days=day), 5.0) for customer, days in ago.items() for day in days]
    settings = SegmentSettings(schemes=("rfm", "lifecycle"), lifecycle=LifecycleSettings(days=length))
    orders = ibis.memtable(lake.orders(rows))
    table = purchase_features(orders, AS_OF, PurchaseSettings(), scoring_features(settings)).to_pyarrow()
    day = Day(scored(table, ScoringModels(), ValueSettings()), ScoringModels(), settings)
    found = lifecycle.find(day)
    stages = dict(zip(day.scores.customer_id.to_pylist(), (found.names[code] for code in found.codes), strict=True))
    assert stages == {customer: stage(days, length) for customer, days in ago.items()}
    assert set(stages.values()) == set(lifecycle.NAMES)
    assert all(str(length) in lifecycle.rule(day, name) for name in lifecycle.NAMES)
