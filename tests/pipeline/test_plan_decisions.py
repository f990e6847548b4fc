"""What a plan decides, on values."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

from ddcrm.pipeline.estimate import seconds_of
from ddcrm.pipeline.plan import BatchChange, Plan, PlannedDay, PlannedTraining, batch_reasons, day_reasons, together

DAY = date(2026, 3, 1)
MADE = {
    "conform": "1", "landing": "l", "rules": "r", "suite": "s", "deciding": ["line_no"],
    "columns": {"amount": "a", "channel": "c", "line_no": "n", "city": "t"},
}  # fmt: skip
USED = {"amount", "channel"}


def columns(**changes: str | None) -> dict[str, str]:
    return {name: digest for name, digest in {**MADE["columns"], **changes}.items() if digest}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("now", "reasons", "scored"),
    [
        ({}, (), False),
        ({"landing": "m"}, ("it has landed again",), True),
        ({"conform": "2"}, ("the code that conforms has changed",), True),
        ({"columns": columns(amount="b", channel="d")}, ("amount, channel read otherwise",), True),
        ({"columns": columns(city="u")}, ("city read otherwise",), False),
        ({"columns": columns(line_no="o")}, ("line_no read otherwise",), True),
        ({"columns": columns(zip="z")}, (), False),
        ({"columns": columns(zip="z"), "deciding": ["line_no", "zip"]}, ("zip added",), True),
        ({"columns": columns(city=None)}, (), False),
        ({"columns": columns(channel=None)}, ("channel gone",), True),
        ({"columns": columns(line_no=None), "deciding": []}, ("line_no gone",), True),
    ],
)
def test_why_a_batch(now: dict[str, object], reasons: tuple[str, ...], scored: bool) -> None:
    assert batch_reasons(MADE, {**MADE, **now}, USED) == (reasons, scored)
    assert batch_reasons(MADE, {**MADE, **now}, set()) in ((reasons, False), ((), False))


def test_an_entity_that_no_score_reads_has_no_scores_that_follow() -> None:
    assert batch_reasons(MADE, {**MADE, "suite": "t"}, set()) == (
        ("critical expectations of its suite have changed",), False,
    )  # fmt: skip
    assert batch_reasons(None, MADE, set()) == (("it is not known what made it",), False)


def test_why_a_day() -> None:
    made = {"data": "d", "models": {}, "settings": "s", "actions": "a", "code": "c"}
    assert day_reasons(made, made) == ()
    assert day_reasons(None, made) == ("it is not known what made it",)
    assert day_reasons({**made, "data": "e"}, made, ["orders 2026-03-01"]) == (
        "batches came or changed after it: orders 2026-03-01",
    )


def change(offset: int, rows: int = 1, reason: str = "x") -> BatchChange:
    return BatchChange("orders", "orders", DAY + timedelta(days=offset), rows, "1", "2", (reason,), True)


def test_days_in_a_row_become_one_range() -> None:
    ranges = together([change(5, 7), change(0, 1), change(1, 2), change(2, 4, "y"), change(3, 8, "y")])
    told = [((each.dates.first - DAY).days, (each.dates.last - DAY).days, each.rows) for each in ranges]
    assert told == [(0, 1, 3), (2, 3, 12), (5, 5, 7)]


def test_the_id_is_about_the_work_alone() -> None:
    plan = Plan(together([change(0)]), kept=("a",), seconds=3.0)
    assert plan.id == Plan(together([change(0)]), kept=("b",), seconds=4.0).id
    assert plan.id != Plan(together([change(1)])).id


@pytest.mark.parametrize(
    ("change", "grew"),
    [
        ({}, True),
        ({"days": 1}, True),
        ({"trainings": 1, "days": 2}, True),
        ({"days": 1, "caused": True}, False),
        ({"days": -1}, False),
        ({"digest": "e"}, False),
        ({"reasons": ("the settings have changed",)}, False),
        ({"batches": ("it has landed again",)}, False),
        ({"inputs": {"code": "2"}}, False),
    ],
)
def test_a_plan_grows_by_what_follows_and_by_nothing_else(change: dict[str, Any], grew: bool) -> None:
    before = grown().document()
    assert grown(**change).grew_from(json.loads(json.dumps(before))) is grew


def grown(
    trainings: int = 0,
    days: int = 0,
    caused: bool = False,
    digest: str = "d",
    reasons: tuple[str, ...] = ("2 batches",),
    batches: tuple[str, ...] = ("amount read otherwise",),
    inputs: Any = None,
) -> Plan:
    """Three days and a training that follow from a batch, and some more."""
    changed = together([BatchChange("orders", "orders", DAY, 9, "1.0.0", "1.1.0", batches, True)])
    trained = tuple(PlannedTraining(DAY + timedelta(days=n), reasons, caused and n > 0) for n in range(1 + trainings))
    listed = [PlannedDay(DAY + timedelta(days=n), {"t": digest}, 7, reasons, caused and n > 2) for n in range(3 + days)]
    return Plan(changed, trained, tuple(listed), inputs=inputs or {"code": "1"})


def test_seconds() -> None:
    days = tuple(PlannedDay(DAY, {}, 5, ("x",)) for _ in range(3))
    plan = Plan(together([change(0, 1000)]), (PlannedTraining(DAY, ("x",)),), days)
    past = {"transform": [], "validate": [(5.0, 100), (6.0, 400)], "train": [(9.0, 0)], "score": [(1.0, 0), (3.0, 0)],
            "publish": [(4.0, 0)]}  # fmt: skip
    assert seconds_of(plan, past) == 5.0 + 1000 / 500 + 9.0 + 3 * 2.0 + 3 * 4.0
    assert seconds_of(plan, {**past, "train": []}) is None
    assert seconds_of(Plan(), {step: [] for step in past}) == 0.0
