"""A batch against a suite: every kind of result, and which rows fail."""

from __future__ import annotations

import gc
import json
import logging
import socket
import weakref
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ddcrm.errors import SuiteError
from ddcrm.quality.check import check_frame
from ddcrm.quality.result import CheckResult
from tests.quality.conftest import MakeSuite, entry

pytestmark = pytest.mark.xdist_group("quality")


@pytest.fixture
def frame() -> pd.DataFrame:
    """Six orders; `_row` is not the position, as after rows were taken out."""
    return pd.DataFrame(
        {
            "_row": [10, 11, 12, 13, 14, 15],
            "order_id": ["a", "b", "b", "d", None, "f"],
            "amount": [5.0, -1.0, 7.0, np.nan, 9.0, -3.0],
            "cost": [1.0, 2.0, 8.0, 4.0, np.nan, 1.0],
            "channel": ["web", "shop", "web", "fax", "web", "web"],
        }
    )


def only(results: list[CheckResult]) -> CheckResult:
    (result,) = results
    return result


def test_a_passed_check_counts_the_rows_it_judged(make_suite: MakeSuite, frame: pd.DataFrame) -> None:
    result = only(
        check_frame(make_suite(entry("expect_column_values_to_be_between", column="cost", min_value=0)), frame)
    )
    assert (result.status, result.evaluated, result.failing, len(result.row_ids)) == ("passed", 5, 0, 0)
    assert result.is_row_level
    assert "holds for all 5 rows" in result.message


@pytest.mark.parametrize(
    ("kind", "kwargs", "evaluated", "rows"),
    [
        ("expect_column_values_to_be_between", {"column": "amount", "min_value": 0}, 5, [11, 15]),
        ("expect_column_values_to_not_be_null", {"column": "order_id"}, 6, [14]),
        ("expect_column_values_to_be_unique", {"column": "order_id"}, 5, [11, 12]),
        ("expect_column_values_to_be_in_set", {"column": "channel", "value_set": ["web", "shop"]}, 6, [13]),
        ("expect_column_values_to_match_regex", {"column": "channel", "regex": "^[a-w]+$"}, 6, [13]),
        (
            "expect_column_pair_values_a_to_be_greater_than_b",
            {"column_A": "amount", "column_B": "cost", "ignore_row_if": "either_value_is_missing"},
            4,
            [11, 12, 15],
        ),
        ("expect_compound_columns_to_be_unique", {"column_list": ["channel", "cost"]}, 6, [10, 15]),
        (
            "expect_column_values_to_be_between",
            {
                "column": "amount",
                "min_value": 6,
                "row_condition": {
                    "type": "comparison",
                    "column": {"name": "channel"},
                    "operator": "==",
                    "parameter": "web",
                },
            },
            4,
            [10, 15],
        ),
        (
            "expect_column_values_to_be_between",
            {"column": "amount", "min_value": 6, "row_condition": "channel == 'web'", "condition_parser": "pandas"},
            4,
            [10, 15],
        ),
    ],
)
def test_failing_rows_are_known_by_their_ids(
    make_suite: MakeSuite, frame: pd.DataFrame, kind: str, kwargs: dict[str, Any], evaluated: int, rows: list[int]
) -> None:
    result = only(check_frame(make_suite(entry(kind, **kwargs)), frame))
    assert result.status == "failed"
    assert result.row_ids.tolist() == rows
    assert result.row_ids.dtype == np.int64
    assert (result.evaluated, result.failing) == (evaluated, len(rows))
    assert result.observed is not None
    assert result.observed["failing_share"] == pytest.approx(len(rows) / evaluated)


def test_without_row_numbers_the_ids_are_positions(make_suite: MakeSuite, frame: pd.DataFrame) -> None:
    suite = make_suite(entry("expect_column_values_to_be_between", column="amount", min_value=0))
    assert only(check_frame(suite, frame.drop(columns="_row"))).row_ids.tolist() == [1, 5]
    assert only(check_frame(suite, frame.rename(columns={"_row": "n"}), row_id="n")).row_ids.tolist() == [11, 15]


def test_the_frames_index_does_not_matter(make_suite: MakeSuite, frame: pd.DataFrame) -> None:
    frame.index = pd.Index([3, 3, 3, 0, 0, 7], name="amount")
    suite = make_suite(entry("expect_column_values_to_be_between", column="amount", min_value=0))
    assert only(check_frame(suite, frame)).row_ids.tolist() == [11, 15]


def test_the_frame_stays_as_it_was(make_suite: MakeSuite, frame: pd.DataFrame) -> None:
    before = frame.copy(deep=True)
    check_frame(make_suite(entry("expect_column_values_to_be_unique", column="order_id")), frame)
    pd.testing.assert_frame_equal(frame, before)


def test_within_mostly_nothing_is_set_aside(make_suite: MakeSuite, frame: pd.DataFrame) -> None:
    kwargs = {"column": "amount", "min_value": 0, "mostly": 0.6}
    result = only(check_frame(make_suite(entry("expect_column_values_to_be_between", **kwargs)), frame))
    assert (result.status, result.failing, result.row_ids.tolist()) == ("passed", 2, [])
    assert "2 of 5 rows fail, which is within mostly" in result.message


def test_an_aggregate_fails_without_rows(make_suite: MakeSuite, frame: pd.DataFrame) -> None:
    suite = make_suite(entry("expect_column_mean_to_be_between", "warning", column="amount", min_value=100))
    result = only(check_frame(suite, frame))
    assert (result.status, result.severity, result.is_row_level) == ("failed", "warning", False)
    assert (result.evaluated, result.failing, len(result.row_ids)) == (6, None, 0)
    assert result.observed == {"value": pytest.approx((5 - 1 + 7 + 9 - 3) / 5)}


def test_results_come_in_the_suites_order(make_suite: MakeSuite, frame: pd.DataFrame) -> None:
    kinds = [
        entry(
            "expect_column_max_to_be_between", column="channel", min_value=0
        ),  # raises: Great Expectations has it first
        entry("expect_table_row_count_to_be_between", min_value=1),
        entry("expect_column_values_to_not_be_null", column="cost"),
        entry("expect_column_values_to_not_be_null", column="amount"),
    ]
    results = check_frame(make_suite(*reversed(kinds)), frame)
    assert [result.column for result in results] == ["amount", "cost", None, "channel"]
    assert [result.status for result in results] == ["failed", "failed", "passed", "error"]


def test_a_check_that_raises_is_an_error_of_the_check(make_suite: MakeSuite, frame: pd.DataFrame) -> None:
    suite = make_suite(
        entry("expect_column_values_to_be_between", column="channel", min_value=0),
        entry("expect_column_values_to_be_between", column="amount", min_value=0),
    )
    raised, judged = check_frame(suite, frame)
    assert (raised.status, raised.evaluated, raised.failing, raised.observed) == ("error", None, None, None)
    assert "could not be judged: TypeError" in raised.message
    assert judged.status == "failed"


def test_a_query_can_not_judge_a_frame(make_suite: MakeSuite, frame: pd.DataFrame) -> None:
    suite = make_suite(entry("unexpected_rows_expectation", unexpected_rows_query="SELECT 1 FROM {batch}"))
    result = only(check_frame(suite, frame))
    assert result.status == "error"
    assert "PandasExecutionEngine" in result.message


@pytest.mark.parametrize(
    ("kind", "kwargs", "column"),
    [
        ("expect_column_values_to_not_be_null", {"column": "amout"}, "amout"),
        ("expect_column_pair_values_to_be_equal", {"column_A": "amount", "column_B": "costs"}, "costs"),
        ("expect_compound_columns_to_be_unique", {"column_list": ["channel", "shop"]}, "shop"),
        (
            "expect_column_values_to_not_be_null",
            {
                "column": "amount",
                "row_condition": {"type": "nullity", "column": {"name": "returned"}, "is_null": True},
            },
            "returned",
        ),
    ],
)
def test_a_column_that_is_not_there_is_named_before_anything_runs(
    make_suite: MakeSuite, frame: pd.DataFrame, kind: str, kwargs: dict[str, Any], column: str
) -> None:
    with pytest.raises(SuiteError, match="a column that is not there") as caught:
        check_frame(make_suite(entry(kind, **kwargs)), frame)
    assert (caught.value.suite, caught.value.expectation, caught.value.column) == ("orders", kind, column)


def test_the_column_that_was_meant_is_suggested(make_suite: MakeSuite, frame: pd.DataFrame) -> None:
    with pytest.raises(SuiteError) as caught:
        check_frame(make_suite(entry("expect_column_values_to_not_be_null", column="amout")), frame)
    assert caught.value.hint == "Did you mean 'amount'?"


def test_whether_a_column_exists_can_itself_be_asked(make_suite: MakeSuite, frame: pd.DataFrame) -> None:
    suite = make_suite(
        entry("expect_column_to_exist", "warning", column="email"),
        entry("expect_table_columns_to_match_set", column_set=["order_id", "amount", "cost", "channel"]),
    )
    assert [result.status for result in check_frame(suite, frame)] == ["failed", "passed"]


def test_no_rows_are_judged_only_as_a_table(make_suite: MakeSuite, frame: pd.DataFrame) -> None:
    suite = make_suite(
        entry("expect_column_values_to_not_be_null", column="order_id"),
        entry("expect_column_mean_to_be_between", column="amount", min_value=1),
        entry("expect_table_row_count_to_be_between", min_value=1),
    )
    results = check_frame(suite, frame.iloc[:0])
    assert [result.status for result in results] == ["passed", "passed", "failed"]
    assert [result.evaluated for result in results] == [0, 0, 0]
    assert "no rows to judge" in results[0].message
    with pytest.raises(SuiteError):
        check_frame(suite, frame.iloc[:0].drop(columns="amount"))


def test_results_are_ready_for_json(make_suite: MakeSuite, frame: pd.DataFrame) -> None:
    suite = make_suite(
        entry("expect_column_values_to_be_between", column="amount", min_value=0),
        entry("expect_column_max_to_be_between", column="amount", min_value=0),
        entry("expect_column_mean_to_be_between", column="channel", min_value=0),
        entry(
            "expect_column_quantile_values_to_be_between",
            column="amount",
            quantile_ranges={"quantiles": [0.5], "value_ranges": [[0, 1]]},
        ),
        entry("expect_column_values_to_be_of_type", column="channel", type_="int"),
    )
    kept = [result.as_dict() for result in check_frame(suite, frame)]
    assert json.loads(json.dumps(kept)) == kept
    assert list(kept[0]) == [
        "suite", "expectation", "column", "severity", "status", "evaluated", "failing", "observed", "message",
    ]  # fmt: skip
    assert kept[3]["observed"] == {"quantiles": [0.5], "values": [5.0]}
    assert kept[4]["observed"] == {"value": "str"}


def test_nothing_is_printed_logged_or_sent(
    make_suite: MakeSuite,
    frame: pd.DataFrame,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*arguments: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    caplog.set_level(logging.DEBUG)
    suite = make_suite(
        entry("expect_column_values_to_be_between", column="channel", min_value=0),
        entry("expect_column_values_to_match_regex", column="channel", regex="(web)"),
    )
    check_frame(suite, frame)
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.name.startswith(("great_expectations", "py.warnings"))]
    assert logging.getLogger("great_expectations").level == logging.NOTSET


def test_the_rows_are_let_go_of(make_suite: MakeSuite, frame: pd.DataFrame) -> None:
    suite = make_suite(entry("expect_column_values_to_be_between", column="amount", min_value=0))
    data = np.arange(1000.0) - 5
    watched = weakref.ref(data)
    assert only(check_frame(suite, pd.DataFrame({"amount": data}, copy=False))).failing == 5
    del data
    gc.collect()
    assert watched() is None
