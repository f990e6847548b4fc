"""loyalty: the parts, the score and the levels, against counting customer by customer."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from ddcrm.scoring.models import ScoringModels
from ddcrm.scoring.schemes import loyalty
from ddcrm.scoring.schemes.base import Day
from ddcrm.scoring.scores import customer_scores, scored
from ddcrm.settings import LoyaltySettings, SegmentSettings, ValueSettings


def day_of(features: pa.Table, **settings: LoyaltySettings) -> Day:
    return Day(scored(features, ScoringModels(), ValueSettings()), ScoringModels(), SegmentSettings(**settings))


def per_cent_below(values: list[float]) -> list[int]:
    """Of each value the whole per cent of all that are less."""
    return [int(100 * sum(other < value for other in values) / len(values) + 1e-9) for value in values]


def test_parts_score_and_level_equal_counting(features: pa.Table) -> None:
    found = loyalty.find(day_of(features))
    rows = features.to_pylist()
    regular = [-row["gap_std_days"] / row["gap_mean_days"] if row["gap_std_days"] is not None else -1e9 for row in rows]
    wanted = {
        "often": per_cent_below([row["purchase_days_365d"] for row in rows]),
        "much": per_cent_below([max(float(row["spend_365d"]), 0.0) for row in rows]),
        "kinds": per_cent_below([row["products"] for row in rows]),
        "regular": per_cent_below(regular),
    }
    assert {name: part.tolist() for name, part in found.detail.components.items()} == wanted
    score = [sum(parts) / 4 for parts in zip(*wanted.values(), strict=True)]
    assert found.detail.score.tolist() == score
    names = loyalty.NAMES
    levels = [names[0 if one >= 75 else 1 if one >= 50 else 2 if one >= 25 else 3] for one in score]
    assert [found.names[code] for code in found.codes] == levels
    assert set(levels) == set(loyalty.NAMES)
    assert min(wanted["often"]) == 0


def test_who_is_equal_to_all_exceeds_nobody() -> None:
    assert loyalty.exceeded(np.array([3, 3, 3])).tolist() == [0, 0, 0]
    assert loyalty.exceeded(np.array([5, 1, 1, 9])).tolist() == [50, 0, 0, 75]
    assert loyalty.exceeded(np.array([], dtype=np.int64)).tolist() == []


def test_without_products_the_score_is_of_the_other_parts(features: pa.Table) -> None:
    column = features.schema.get_field_index("products")
    bare = features.set_column(column, "products", pa.nulls(features.num_rows, pa.int32()))
    found = loyalty.find(day_of(bare))
    parts = found.detail.components
    assert parts["kinds"] is None
    assert found.detail.score.tolist() == pytest.approx((parts["often"] + parts["much"] + parts["regular"]) / 3)
    day = day_of(bare)
    table = customer_scores(day.scores, date(2026, 2, 3), day.models, found.detail)
    assert table["loyalty_kinds"].null_count == table.num_rows
    assert table["loyalty_score"].to_pylist() == found.detail.score.tolist()


def test_levels_are_the_settings(features: pa.Table) -> None:
    day = day_of(features, loyalty=LoyaltySettings(levels=(60, 30, 10)))
    found = loyalty.find(day)
    assert found.detail.score[found.codes == 0].min() >= 60 > found.detail.score[found.codes == 1].max()
    assert loyalty.rule(day, "loyal") == "loyalty_score at least 30 and less than 60 of 100"
    assert loyalty.rule(day, "not loyal") == "loyalty_score less than 10 of 100"
    with pytest.raises(ValueError, match="levels must descend"):
        LoyaltySettings(levels=(30, 60, 10))
