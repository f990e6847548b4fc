"""The gate, with values alone."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from ddcrm.errors import BatchRejectedError, SuiteError
from ddcrm.quality.gate import decide
from ddcrm.quality.result import CheckResult


def rows_fail(ids: list[int], severity: str = "critical", column: str = "amount", **facts: Any) -> CheckResult:
    return CheckResult(
        suite="orders", expectation="expect_column_values_to_be_between", column=column, severity=severity,  # type: ignore[arg-type]
        status="failed", evaluated=1000, failing=len(ids), is_row_level=True, requirement="min_value 0",
        message=f"{column} fails", row_ids=np.array(ids, dtype=np.int64), **facts,
    )  # fmt: skip


def whole_fails(severity: str = "critical", status: str = "failed") -> CheckResult:
    return CheckResult(
        suite="orders", expectation="expect_column_mean_to_be_between", column="amount", severity=severity,  # type: ignore[arg-type]
        status=status, message="the mean fails",  # type: ignore[arg-type]
    )  # fmt: skip


def passes(severity: str = "critical") -> CheckResult:
    return whole_fails(severity, "passed")


@pytest.mark.parametrize(
    ("result", "share", "accepted", "quarantined", "warnings"),
    [
        (passes(), 0.0, True, 0, 0),
        (rows_fail([1, 2]), 0.02, True, 2, 0),
        (rows_fail([1, 2]), 0.01, False, 0, 0),
        (rows_fail([1, 2]), 0.0, False, 0, 0),
        (rows_fail([1, 2], "warning"), 0.0, True, 0, 1),
        (rows_fail([1, 2], "info"), 0.0, True, 0, 1),
        (whole_fails(), 1.0, False, 0, 0),
        (whole_fails("warning"), 0.0, True, 0, 1),
        (whole_fails("info"), 0.0, True, 0, 1),
        (whole_fails("critical", "error"), 1.0, False, 0, 0),
        (whole_fails("warning", "error"), 1.0, False, 0, 0),
        (whole_fails("info", "error"), 1.0, False, 0, 0),
    ],
)
def test_what_each_severity_means(
    result: CheckResult, share: float, accepted: bool, quarantined: int, warnings: int
) -> None:
    verdict = decide([passes(), result, passes("warning")], 100, share)
    assert verdict.accepted is accepted
    assert len(verdict.quarantined) == quarantined
    assert len(verdict.warnings) == warnings
    assert (verdict.error() is None) is accepted


@pytest.mark.parametrize(
    ("failing", "rows", "share", "accepted"),
    [
        (2, 100, 0.02, True),
        (3, 100, 0.02, False),
        (29, 100, 0.29, True),  # .29 * 100 is 28.999999999999996 in floats
        (30, 100, 0.29, False),
        (7, 100, 0.07, True),
        (1, 3, 0.3333, False),
        (100, 100, 1.0, True),
        (1, 1000, 0.001, True),
        (1, 999, 0.001, False),
    ],
)
def test_exactly_the_tolerated_share_is_accepted(failing: int, rows: int, share: float, accepted: bool) -> None:
    assert decide([rows_fail(list(range(failing)))], rows, share).accepted is accepted


def test_a_row_that_fails_two_checks_counts_once() -> None:
    results = [rows_fail([1, 2]), rows_fail([2, 1], column="cost")]
    assert decide(results, 100, 0.02).accepted
    assert not decide([*results, rows_fail([3], column="day")], 100, 0.02).accepted


def test_rows_of_warnings_do_not_count() -> None:
    verdict = decide([rows_fail([1]), rows_fail([2, 3, 4], "warning")], 100, 0.01)
    assert verdict.accepted
    assert verdict.quarantined.row_ids.tolist() == [1]


@pytest.mark.parametrize(("already", "accepted"), [(0, True), (8, True), (9, False)])
def test_rows_that_were_set_aside_before_count(already: int, accepted: bool) -> None:
    rows = 100 - already  # 10 of 100 are tolerated, 2 fail
    assert decide([rows_fail([1, 2])], rows, 0.1, already_quarantined=already).accepted is accepted


def test_rows_set_aside_before_alone_reject_nothing() -> None:
    assert decide([passes()], 10, 0.0, already_quarantined=90).accepted


def test_each_row_has_all_its_reasons() -> None:
    verdict = decide([rows_fail([7, 3]), rows_fail([7, 9], column="cost; net")], 100, 0.5)
    amount = "amount: expect_column_values_to_be_between (min_value 0)"
    cost = "cost, net: expect_column_values_to_be_between (min_value 0)"
    assert verdict.quarantined.as_dict() == {3: amount, 7: f"{amount}; {cost}", 9: cost}


def test_reasons_are_those_of_a_plain_loop() -> None:
    rng = random.Random(5)
    for _ in range(50):
        checks = {f"c{n}": rng.sample(range(40), rng.randint(1, 12)) for n in range(rng.randint(1, 9))}
        results = [rows_fail(ids, column=column) for column, ids in checks.items()]
        naive = {row: "; ".join(one.reason for one in results if row in one.row_ids.tolist()) for row in range(40)}
        expected = {row: text for row, text in naive.items() if text}
        assert decide(results, 40, 1.0).quarantined.as_dict() == expected


def test_without_failures_nothing_is_set_aside() -> None:
    verdict = decide([passes(), passes()], 0, 0.0)
    assert (verdict.accepted, verdict.quarantined.as_dict(), verdict.message) == (True, {}, "")
    assert verdict.as_dict() == {"accepted": True, "rows": 0, "quarantined": 0, "passed": 2}
    assert decide([], 0, 0.0).accepted


def test_rows_that_are_not_known_can_not_be_set_aside() -> None:
    """As of a table in the database, where only the count is known."""
    unknown = CheckResult("t", "expect_x", "amount", "critical", "failed", 100, 2, None, "", is_row_level=True)
    assert not decide([unknown], 100, 1.0).accepted


def test_a_rejection_names_the_first_check_and_counts_the_rest() -> None:
    verdict = decide([whole_fails(), rows_fail([1]), passes()], 100, 0.5)
    error = verdict.error(source="orders", partition="2025-01-01")
    assert isinstance(error, BatchRejectedError)
    assert (error.source, error.partition, error.suite) == ("orders", "2025-01-01", "orders")
    assert (error.expectation, error.column) == ("expect_column_mean_to_be_between", "amount")
    assert verdict.message == "1 critical check failed: the mean fails"
    assert [result.expectation for result in verdict.rejected_by] == ["expect_column_mean_to_be_between"]
    assert len(verdict.quarantined) == 0


def test_too_many_rows_are_counted_in_the_message() -> None:
    verdict = decide([rows_fail([1, 2, 3])], 100, 0.02)
    assert verdict.message == "3 of 100 rows would be quarantined, 2 are tolerated: amount fails"
    assert isinstance(verdict.error(), BatchRejectedError)


def test_a_broken_check_is_not_called_bad_data() -> None:
    verdict = decide([whole_fails(), whole_fails("info", "error")], 100, 0.0)
    error = verdict.error(source="orders")
    assert isinstance(error, SuiteError)
    assert "could not be judged" in str(error)
    assert "the data was not judged" in str(error)


def test_a_million_rows_are_no_matter() -> None:
    rng = np.random.default_rng(3)
    results = [rows_fail(rng.choice(1_000_000, 10_000, replace=False).tolist(), column=f"c{n}") for n in range(10)]
    verdict = decide(results, 1_000_000, 0.1)
    union = set().union(*(result.row_ids.tolist() for result in results))
    assert verdict.quarantined.row_ids.tolist() == sorted(union)
