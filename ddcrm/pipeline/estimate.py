"""How long the work of a plan takes, by what past runs took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from ddcrm.pipeline.plan import Plan

if TYPE_CHECKING:
    from ddcrm.warehouse.ledger import Ledger

Past = Sequence[tuple[float, int]]  # seconds and rows of runs


def estimate(ledger: Ledger, plan: Plan) -> Plan:
    """The plan with the seconds of work that it means."""
    past = {step: ledger.past_runs(step) for step in ("transform", "validate", "train", "score", "publish")}
    return replace(plan, seconds=seconds_of(plan, past))


def seconds_of(plan: Plan, past: Mapping[str, Past]) -> float | None:
    """Seconds of work; None where a step has never run. Pure.

    Conforming: what the quickest run took for each range, and the rest of all runs by rows; else the median of runs.
    """
    ranges, rows = len(plan.batches), plan.rows()["landed"]
    numbers = {"train": len(plan.trainings), "score": len(plan.days), "publish": len(plan.days)}
    if any(number and not past[step] for step, number in (*numbers.items(), ("validate", ranges))):
        return None
    conforming = sum(_conforming(past[step], ranges, rows) for step in ("transform", "validate"))
    each = sum(median(seconds for seconds, _ in past[step]) * number for step, number in numbers.items() if number)
    return round(conforming + each, 1)


def _conforming(past: Past, ranges: int, rows: int) -> float:
    if not past or not ranges:
        return 0.0
    fixed = min(seconds for seconds, _ in past)
    total = sum(number for _, number in past)
    return fixed * ranges + (sum(seconds - fixed for seconds, _ in past) / total * rows if total else 0.0)
