"""What was bought within a period, against plain Python; a sum that can't be published is a clear error."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from ddcrm.errors import ModelError
from ddcrm.features.periods import period_table
from ddcrm.features.table import feature_table
from ddcrm.lake.engine import Engine
from tests.scoring import lake

FIRST, CUT, LAST = date(2026, 1, 1), date(2026, 2, 9), date(2026, 3, 31)


def test_totals_are_those_of_the_days_after_the_cut_as_known_at_the_day_asked(tmp_path: Path) -> None:
    settings = lake.project(tmp_path / "project")
    history = lake.history(customers=60)
    refund = lake.orders([("C00001", CUT + timedelta(days=1), -5.0)], arrived=LAST + timedelta(days=1), prefix="L")
    lake.commit(settings, history)
    lake.commit(settings, refund)
    with Engine(settings) as engine:
        found = period_table(engine, LAST, CUT, LAST).to_pylist()
        later = period_table(engine, LAST + timedelta(days=1), CUT, LAST).to_pylist()
        before = period_table(engine, FIRST - timedelta(days=1), CUT, LAST)
    rows = [row for row in history.to_pylist() if CUT < row["event_date"] <= LAST]
    customers = sorted({row["customer_key"] for row in rows})
    assert [row["customer_id"] for row in found] == customers
    for row in found:
        mine = [line for line in rows if line["customer_key"] == row["customer_id"]]
        assert row["purchase_days"] == len({line["event_date"] for line in mine})
        assert row["spend"] == sum(line["amount"] for line in mine)
    assert 20 < len(found) < 60
    assert sum(row["spend"] for row in later) == sum(row["spend"] for row in found) - 5
    assert sum(row["purchase_days"] for row in later) == sum(row["purchase_days"] for row in found)
    assert (before.num_rows, before.column_names) == (0, ["customer_id", "purchase_days", "spend"])


def test_a_sum_that_can_t_be_published_says_so_without_the_sum(tmp_path: Path) -> None:
    settings = lake.project(tmp_path / "project")
    most = 9_999_999_999_999_000.0
    lake.commit(settings, lake.orders([("C1", FIRST, most), ("C1", FIRST + timedelta(days=1), most)]))
    with Engine(settings) as engine, pytest.raises(ModelError, match=r"decimal\(18,2\).*bound them") as caught:
        feature_table(engine, LAST, ["spend"])
    assert "9999" not in str(caught.value)
