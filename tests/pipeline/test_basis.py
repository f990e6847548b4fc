"""What trainings and days were made by, on values: which batches they follow, and which they don't."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ddcrm.contracts import load_contracts
from ddcrm.features.reads import SCORED_ON
from ddcrm.pipeline.basis import Basis, data_of_day, seen_by_day, training_now, training_of
from ddcrm.warehouse.records import Batch

DAY = date(2026, 6, 7)
CUT = date(2026, 3, 9)
BASE = {"data": "d", "settings": "s", "code": "c"}
CONTRACTS = load_contracts(Path(__file__).parents[2] / "contracts")


def batch(source: str, day: str, digest: str = "1") -> Batch:
    return Batch(source, date.fromisoformat(day), source, "1.0.0", landed=1, conformed=1, used_digest=digest)


DELIVERED = {"orders": ("2026-03-01",), "tickets": ("2026-02-01", "2026-06-01"),
             "products": ("2025-11-01", "2026-02-02", "2026-06-05")}  # fmt: skip
BATCHES = [batch(source, day) for source, days in DELIVERED.items() for day in days]


def basis(*changed: Batch) -> Basis:
    keys = {(each.source, each.batch_date) for each in changed}
    return Basis(CONTRACTS, [each for each in BATCHES if (each.source, each.batch_date) not in keys] + list(changed))


def card(*models: str) -> dict[str, Any]:
    return {"parameters": {"backtest": {"cut": str(CUT), "holdout_days": 90}, "versions": dict.fromkeys(models, "v")}}


LATE = batch("tickets", "2026-06-01", "2")  # after all days of which the training reads what regressions learn from
READ = batch("tickets", "2026-02-01", "2")
OLD_CATALOGUE = batch("products", "2025-11-01", "2")  # the newest one as of the earlier day of the back-test


@pytest.mark.parametrize(("changed", "same"), [(LATE, True), (READ, False), (OLD_CATALOGUE, False)])
def test_a_training_follows_what_a_regression_that_speaks_learned_from(changed: Batch, same: bool) -> None:
    made_by = training_of(BASE, basis(), DAY, card("regression_365d", "mbgnbd"))
    assert training_now(BASE, basis(), DAY, made_by) == made_by
    assert (training_now(BASE, basis(changed), DAY, made_by) == made_by) is same


@pytest.mark.parametrize("changed", [LATE, READ, OLD_CATALOGUE])
def test_it_does_not_follow_regressions_that_were_only_compared(changed: Batch) -> None:
    made_by = training_of(BASE, basis(), DAY, card("mbgnbd", "gamma_gamma"))
    assert made_by["learned"]["speaks"] is False
    assert training_now(BASE, basis(changed), DAY, made_by) == made_by
    assert training_now({**BASE, "data": "e"}, basis(changed), DAY, made_by) != made_by


def test_other_models_and_those_withheld_have_nothing_of_it() -> None:
    assert training_of(BASE, basis(), DAY, {"parameters": {"r": 0.2}}) == BASE
    assert training_of(BASE, basis(), DAY, None) == BASE
    assert training_now(BASE, basis(READ), DAY, BASE) == training_now(BASE, basis(READ), DAY, None) == BASE


def test_a_day_follows_what_its_models_read() -> None:
    plain: dict[str, list[str]] = {"today": [], "before": []}
    more = {"today": ["tickets", "products"], "before": ["products"]}
    moved = basis(LATE)
    assert data_of_day(moved, DAY, plain) == data_of_day(basis(), DAY, plain)
    assert data_of_day(moved, DAY, more) != data_of_day(basis(), DAY, more)
    assert data_of_day(moved, DAY, {**more, "today": ["products"]}) == data_of_day(
        basis(), DAY, {**more, "today": ["products"]}
    )
    seen = {(each.source, str(each.batch_date)) for each in seen_by_day(basis(), date(2026, 6, 5), more)}
    assert seen == {("orders", "2026-03-01"), ("tickets", "2026-02-01"), ("tickets", "2026-06-01"),
                    ("products", "2026-06-05"), ("products", "2026-02-02")}  # fmt: skip
    assert {each.source for each in seen_by_day(basis(), DAY, plain)} <= set(SCORED_ON)


def test_another_source_that_could_be_learned_from_counts() -> None:
    made_by = training_of(BASE, basis(), DAY, card("regression_365d"))
    fewer = [each for each in CONTRACTS if each.source != "feedback"]
    assert training_now(BASE, Basis(type(CONTRACTS)(fewer), BATCHES), DAY, made_by) != made_by
    later = [
        replace(each, effective_from=date(2027, 1, 1)) if each.source == "feedback" else each for each in CONTRACTS
    ]
    assert training_now(BASE, Basis(type(CONTRACTS)(later), BATCHES), DAY, made_by) != made_by
