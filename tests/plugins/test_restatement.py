"""What a person is shown before approving (who may answer, and what comes of it: tests/dags)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from ddcrm.dates import DateRange
from ddcrm.errors import SettingsError
from ddcrm.pipeline.plan import Plan, PlannedBatches, PlannedDay, PlannedTraining

pytestmark = pytest.mark.xdist_group("airflow")
FIRST = date(2026, 3, 1)


def _text(plan: Plan) -> str:
    from ddcrm_restatement import plan_text

    text: str = plan_text(plan.as_dict(), "shipping is no revenue")
    return text


def _plan(trainings: int = 1, **more: Any) -> Plan:
    batches = PlannedBatches("orders", "orders", DateRange(FIRST, FIRST + timedelta(days=9)), 12345, "1.0.0", "1.1.0",
                             ("amount read otherwise",), True)  # fmt: skip
    days = [PlannedDay(FIRST + timedelta(days=n), {"customer_scores": "d" * 64}, 100, ("batches",)) for n in range(10)]
    trained = [PlannedTraining(FIRST + timedelta(days=n), ("batches came",)) for n in range(trainings)]
    return Plan((batches,), tuple(trained), tuple(days), ("products: nothing changed",), **more)


def test_a_plan_says_what_why_and_how_much() -> None:
    plan = _plan(seconds=600.0)
    assert _text(plan).splitlines() == [
        "**shipping is no revenue**", "",
        f"Plan `{plan.id}`: 12,345 rows to read again from landing, 10 published days (1,000 rows) to compute again. "
        "About 10 min of work.", "",
        "- batches of orders, 2026-03-01 to 2026-03-10, contract 1.0.0 to 1.1.0: amount read otherwise",
        "- training as of 2026-03-01: batches came",
        "- published days 2026-03-01 to 2026-03-10",
        "- not touched: products: nothing changed",
    ]  # fmt: skip


def test_a_long_plan_is_cut_and_says_so() -> None:
    lines = _text(_plan(trainings=100)).splitlines()
    assert len(lines) == 41
    assert lines[-1] == "- and 67 more: `ddcrm plan`"
    assert "How long it takes is not known." in lines[2]


@pytest.mark.parametrize("ends", [("2026-03-01", None), (None, "2026-03-01")])
def test_half_a_range_is_refused(ends: tuple[str | None, str | None], monkeypatch: pytest.MonkeyPatch) -> None:
    import ddcrm_restatement

    params = {"from": ends[0], "to": ends[1], "why": ""}
    monkeypatch.setattr(ddcrm_restatement, "get_current_context", lambda: {"params": params})
    with pytest.raises(SettingsError, match="a range has two ends"):
        ddcrm_restatement.propose()


def test_a_swap_lets_go_what_is_kept_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    import ddcrm_restatement

    from ddcrm.pipeline import restate_swap
    from ddcrm.warehouse.restatements import Restatement

    did: list[str] = []

    def swap(settings: Any, restatement: str, *, who: str) -> Restatement:
        did.append(f"swap {restatement} by {who}")
        return Restatement(restatement, "p", {"days": {"2026-03-01": {}}}, "swapped", who, "", None, None, None)

    def expire(settings: Any, *, who: str) -> list[str]:
        did.append(f"expire by {who}")
        return ["r1"]

    monkeypatch.setattr(restate_swap, "swap", swap)
    monkeypatch.setattr(restate_swap, "expire", expire)
    monkeypatch.setattr(ddcrm_restatement, "project_settings", lambda: None)
    monkeypatch.setattr(ddcrm_restatement, "_starter", lambda: "una")
    told = ddcrm_restatement.swap_in("r2")
    assert did == ["swap r2 by una", "expire by una"]
    assert told == {"restatement": "r2", "state": "swapped", "days": 1, "expired": ["r1"]}


def test_what_goes_beyond_the_limits_names_the_page() -> None:
    from ddcrm_restatement import changes_text

    text = changes_text("r7", ["a: 12.0%", "b: 13.0%"])
    assert text.splitlines()[:2] == ["- a: 12.0%", "- b: 13.0%"]
    assert "`ddcrm restate show r7 --page ~/comparison.html`" in text
