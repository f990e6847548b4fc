"""Freshness and volume, with values alone."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ddcrm.contracts.model import Contract, Freshness, Server, Volume
from ddcrm.quality.freshness import end_of_day, freshness
from ddcrm.quality.gate import decide
from ddcrm.quality.volume import volume

DAY = date(2026, 3, 18)  # a Wednesday


def contract(**facts: Any) -> Contract:
    return Contract("shop", "1.0.0", "orders", date(2020, 1, 1), (), Server("file"), **facts)


def promised(hours: float = 6, severity: Any = "warning", **facts: Any) -> Contract:
    return contract(freshness=Freshness(hours, "ordered_at", severity), **facts)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("zone", "day", "end"),
    [
        ("UTC", "2026-03-18", "2026-03-19T00:00:00+00:00"),
        ("Europe/Berlin", "2026-03-18", "2026-03-18T23:00:00+00:00"),
        ("Europe/Berlin", "2026-03-29", "2026-03-29T22:00:00+00:00"),  # 23 hours long
        ("Europe/Berlin", "2026-10-25", "2026-10-25T23:00:00+00:00"),  # 25 hours long
        ("Asia/Kolkata", "2026-03-18", "2026-03-18T18:30:00+00:00"),
        ("America/Los_Angeles", "2026-12-31", "2027-01-01T08:00:00+00:00"),
    ],
)
def test_a_day_ends_at_the_next_midnight_of_its_zone(zone: str, day: str, end: str) -> None:
    assert end_of_day(date.fromisoformat(day), zone) == at(end)


@pytest.mark.parametrize(
    ("newest", "status"),
    [
        ("2026-03-18T17:00:00+00:00", "passed"),  # six hours before midnight in Berlin
        ("2026-03-18T16:59:59+00:00", "failed"),
        ("2026-03-18T18:00:00+01:00", "passed"),
        ("2026-03-18T17:00:00", "passed"),  # without a zone: UTC
        ("2026-03-19T09:00:00+00:00", "passed"),  # newer than the day itself
        ("2026-03-11T17:00:00+00:00", "failed"),
    ],
)
def test_the_newest_event_may_be_so_many_hours_old(newest: str, status: str) -> None:
    result = freshness(promised(timezone="Europe/Berlin"), DAY, at(newest))
    assert result is not None
    assert (result.status, result.severity, result.column) == (status, "warning", "ordered_at")
    assert result.is_row_level is False
    json.dumps(result.as_dict())


def test_the_age_is_told_in_hours() -> None:
    result = freshness(promised(2), DAY, at("2026-03-18T20:30:00+00:00"))
    assert result is not None
    assert result.observed == {"newest_event": "2026-03-18T20:30:00+00:00", "hours": 3.5, "limit_hours": 2}
    assert "3.5 h older than the end of the day, 2 h are allowed" in result.message


@pytest.mark.parametrize(("allowed", "status", "severity"), [(False, "failed", "critical"), (True, "passed", "info")])
def test_no_events_fail_unless_batches_may_be_empty(allowed: bool, status: str, severity: str) -> None:
    result = freshness(promised(severity="critical", allow_empty=allowed), DAY, None)
    assert result is not None
    assert (result.status, result.severity) == (status, severity)
    assert decide([result], 0, 0.0).accepted is allowed


def test_without_a_promise_nothing_is_judged() -> None:
    assert freshness(contract(), DAY, datetime(2026, 3, 18, tzinfo=UTC)) is None
    assert volume(contract(), DAY, 5, {}) is None


def history(*rows: int | None) -> dict[date, int]:
    """Rows one week ago, two weeks ago, ...; and other days, which must not matter."""
    weeks = {DAY - timedelta(weeks=week): number for week, number in enumerate(rows, start=1) if number is not None}
    others = {DAY - timedelta(days=days): 9_999 for days in (1, 2, 6, 8, 13, 35)}
    return {**others, DAY: 1, **weeks}


@pytest.mark.parametrize(
    ("rows", "status"),
    [(100, "passed"), (50, "passed"), (49, "failed"), (150, "passed"), (151, "failed"), (0, "failed")],
)
def test_rows_are_held_against_the_weekdays_median(rows: int, status: str) -> None:
    result = volume(contract(volume=Volume(tolerance=0.5, weeks=4)), DAY, rows, history(90, 100, 100, 400))
    assert result is not None
    assert (result.status, result.severity, result.evaluated) == (status, "warning", rows)
    assert result.observed == {"rows": rows, "median": 100.0, "weeks": 4, "tolerance": 0.5}
    assert "Wednesdays" in result.message


def test_exactly_the_tolerance_passes() -> None:
    """29 from 100 are .29; floats say 28.999999999999996."""
    asked = contract(volume=Volume(tolerance=0.29, weeks=1))
    results = [volume(asked, DAY, rows, history(100)) for rows in (71, 129, 70, 130)]
    assert [result.status for result in results if result] == ["passed", "passed", "failed", "failed"]


@pytest.mark.parametrize(
    ("weeks", "known", "judged"),
    [
        (4, (100, None, None, None), False),
        (4, (100, None, 100, None), True),
        (3, (100, None, None), False),
        (3, (100, None, 100), True),
        (1, (100,), True),
        (1, (), False),
        (4, (None, None, None, None, 100, 100), False),  # too long ago
    ],
)
def test_half_of_the_weeks_must_be_known(weeks: int, known: tuple[int | None, ...], judged: bool) -> None:
    asked = contract(volume=Volume(weeks=weeks, severity="critical"))
    result = volume(asked, DAY, 1, history(*known))
    assert result is not None
    assert (result.status, result.severity) == (("failed", "critical") if judged else ("passed", "info"))
    assert ("not judged" in result.message) is not judged
    assert (result.observed or {}).get("judged", True) is judged


def test_a_day_on_which_nothing_ever_comes() -> None:
    asked = contract(volume=Volume(weeks=2))
    nothing, something = (volume(asked, DAY, rows, history(0, 0)) for rows in (0, 1))
    assert nothing is not None
    assert something is not None
    assert (nothing.status, something.status) == ("passed", "failed")


def test_a_critical_volume_stops_the_batch() -> None:
    result = volume(contract(volume=Volume(severity="critical")), DAY, 1, history(100, 100, 100, 100))
    assert result is not None
    assert not decide([result], 1, 1.0).accepted
