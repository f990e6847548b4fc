"""Volume: did about as many rows come as on this weekday lately? Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from statistics import median

from ddcrm.contracts.model import Contract, Volume
from ddcrm.quality.result import CheckResult, Status

EXPECTATION = "rows_near_weekday_median"


def volume(contract: Contract, day: date, rows: int, history: Mapping[date, int]) -> CheckResult | None:
    """Hold the rows of the batch against `contract.volume`; None where the contract says nothing of it.

    `history` gives the rows of earlier batches; used are those of the same weekday in the last `weeks` weeks, and at
    least half of them (rounded up) must be known, or nothing is judged: severity info, `observed["judged"]` false. It
    fails where the rows are further from their median than `tolerance` times the median.
    """
    promise = contract.volume
    if promise is None:
        return None
    before = [day - timedelta(weeks=week) for week in range(1, promise.weeks + 1)]
    known = [history[one] for one in before if one in history]
    if 2 * len(known) < promise.weeks or not known:
        said = f"{rows:,} rows; only {len(known)} of the last {promise.weeks} {day:%A}s are known: not judged"
        return _result(replace(promise, severity="info"), "passed", rows, {"judged": False, "weeks": len(known)}, said)
    usual = Decimal(str(median(known)))
    near = abs(rows - usual) <= Decimal(str(promise.tolerance)) * usual
    said = (
        f"{rows:,} rows; the median of the last {len(known)} {day:%A}s is {usual:,}, +-{promise.tolerance:.0%} is usual"
    )
    return _result(promise, "passed" if near else "failed", rows, {"median": float(usual), "weeks": len(known)}, said)


def _result(promise: Volume, status: Status, rows: int, observed: Mapping[str, object], message: str) -> CheckResult:
    return CheckResult(
        suite="volume",
        expectation=EXPECTATION,
        column=None,
        severity=promise.severity,
        status=status,
        evaluated=rows,
        observed={"rows": rows, **observed, "tolerance": promise.tolerance},
        message=message,
        requirement=f"tolerance {promise.tolerance:g}, weeks {promise.weeks}",
    )
