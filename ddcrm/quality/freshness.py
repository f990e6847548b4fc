"""Freshness: is the newest event of a batch as new as the contract promises? Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ddcrm.contracts.model import Contract, Freshness
from ddcrm.quality.result import CheckResult, Status

EXPECTATION = "newest_event_within_hours"


def freshness(contract: Contract, day: date, newest_event_utc: datetime | None) -> CheckResult | None:
    """Hold the newest event of the batch against `contract.freshness`; None where the contract promises nothing.

    The newest event may be at most so many hours older than the end of `day`, which is the next midnight in the
    contract's time zone. `newest_event_utc` is None for a batch without events: that fails, unless the contract allows
    empty batches (then nothing is judged: severity info). A moment without a zone is UTC.
    """
    promise = contract.freshness
    if promise is None:
        return None
    if newest_event_utc is None:
        if contract.allow_empty:
            said = f"the batch of {day} has no events, which its contract allows: not judged"
            return _result(replace(promise, severity="info"), "passed", {"judged": False}, said)
        return _result(promise, "failed", {"hours": None}, f"the batch of {day} has no events")
    newest = newest_event_utc.replace(tzinfo=newest_event_utc.tzinfo or UTC).astimezone(UTC)
    hours = (end_of_day(day, contract.timezone) - newest) / timedelta(hours=1)
    observed = {"newest_event": newest.isoformat(), "hours": round(hours, 4)}
    said = f"the newest event of {day} is {hours:.1f} h older than the end of the day, {promise.hours:g} h are allowed"
    return _result(promise, "passed" if hours <= promise.hours else "failed", observed, said)


def end_of_day(day: date, timezone: str) -> datetime:
    """The moment (UTC) at which the day ends in that time zone; days of 23 and 25 hours included."""
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(timezone)).astimezone(UTC)


def _result(promise: Freshness, status: Status, observed: Mapping[str, object], message: str) -> CheckResult:
    return CheckResult(
        suite="freshness",
        expectation=EXPECTATION,
        column=promise.column,
        severity=promise.severity,
        status=status,
        observed={**observed, "limit_hours": promise.hours},
        message=message,
        requirement=f"hours {promise.hours:g}",
    )
