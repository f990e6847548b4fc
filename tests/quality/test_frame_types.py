"""Whatever type a column comes in, the check sees the same values: compared with plain Python."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from ddcrm.errors import SuiteError
from ddcrm.quality.check import check_frame
from tests.quality.conftest import MakeSuite, entry

pytestmark = pytest.mark.xdist_group("quality")

AMOUNTS = [Decimal("4.20"), Decimal("-2.50"), None, Decimal("0.10"), Decimal("19.99")]
QUANTITIES = [1, 2, None, 4, 5]
DAYS = [date(2025, 1, 1), date(1900, 1, 1), None, date(2025, 1, 3), date(9999, 12, 31)]
MOMENTS = [datetime(2025, 1, 1, hour, tzinfo=UTC) if hour is not None else None for hour in (0, 6, None, 12, 18)]
NAMES = ["anna", "", None, "Ömer", "x"]
FLAGS = [True, False, None, True, True]
TABLE = pa.table(
    {
        "amount": pa.array(AMOUNTS, pa.decimal128(18, 2)),
        "quantity": pa.array(QUANTITIES, pa.int64()),
        "day": pa.array(DAYS),
        "moment": pa.array(MOMENTS, pa.timestamp("us", "UTC")),
        "name": pa.array(NAMES),
        "flag": pa.array(FLAGS),
    }
)


def duckdb_frame() -> pd.DataFrame:
    import duckdb

    con = duckdb.connect(config={"threads": 1})
    con.execute("SET TimeZone = 'UTC'")
    con.register("received", TABLE)
    return con.execute("SELECT * REPLACE (CAST(amount AS DOUBLE) AS amount) FROM received").fetch_df()


FRAMES = {
    "object": lambda: TABLE.to_pandas(),
    "arrow": lambda: TABLE.to_pandas(types_mapper=pd.ArrowDtype),
    "nullable": lambda: TABLE.to_pandas().convert_dtypes(),
    "duckdb": duckdb_frame,
}


@pytest.fixture(params=FRAMES)
def frame(request: pytest.FixtureRequest) -> pd.DataFrame:
    return FRAMES[request.param]()


def failing(values: list[Any], good: Any) -> list[int]:
    return [row for row, value in enumerate(values) if value is not None and not good(value)]


@pytest.mark.parametrize(
    ("kind", "kwargs", "expected"),
    [
        ("between", {"column": "amount", "min_value": 0, "max_value": 4.2}, [1, 4]),
        ("in_set", {"column": "amount", "value_set": [4.2, 19.99, 0.1]}, [1]),
        ("unique", {"column": "amount"}, []),
        ("between", {"column": "quantity", "min_value": 2}, failing(QUANTITIES, lambda v: v >= 2)),
        ("in_set", {"column": "quantity", "value_set": [1, 2, 4]}, failing(QUANTITIES, lambda v: v in (1, 2, 4))),
        ("between", {"column": "day", "min_value": "1915-01-01"}, failing(DAYS, lambda v: v >= date(1915, 1, 1))),
        ("in_set", {"column": "day", "value_set": ["2025-01-01", "1900-01-01"]}, [3, 4]),
        ("between", {"column": "moment", "min_value": "2025-01-01T06:00:00+00:00"}, [0]),
        ("between", {"column": "moment", "max_value": "2025-01-01T17:00:00Z"}, [4]),
        ("between", {"column": "moment", "max_value": "2025-01-01T07:30:00+01:00"}, [3, 4]),
        ("between", {"column": "moment", "min_value": "2025-01-02"}, [0, 1, 3, 4]),
        ("match_regex", {"column": "name", "regex": r"^\w+$"}, failing(NAMES, bool)),
        ("in_set", {"column": "flag", "value_set": [True]}, failing(FLAGS, bool)),
    ],
)  # fmt: skip
def test_rows_fail_as_python_says(
    make_suite: MakeSuite, frame: pd.DataFrame, kind: str, kwargs: dict[str, Any], expected: list[int]
) -> None:
    verb = "match_regex" if kind == "match_regex" else f"be_{kind}"
    (result,) = check_frame(make_suite(entry(f"expect_column_values_to_{verb}", **kwargs)), frame)
    assert result.row_ids.tolist() == expected, result.message
    assert result.evaluated == 4
    assert result.status == ("failed" if expected else "passed")


@pytest.mark.parametrize("column", ["amount", "quantity", "day", "moment", "name", "flag"])
def test_a_null_is_a_null_in_every_type(make_suite: MakeSuite, frame: pd.DataFrame, column: str) -> None:
    (result,) = check_frame(make_suite(entry("expect_column_values_to_not_be_null", column=column)), frame)
    assert (result.row_ids.tolist(), result.evaluated) == ([2], 5)


def test_aggregates_of_decimals_are_those_of_the_numbers(make_suite: MakeSuite, frame: pd.DataFrame) -> None:
    known = [amount for amount in AMOUNTS if amount is not None]
    expected = {
        "min": min(known),
        "max": max(known),
        "sum": sum(known),
        "mean": sum(known) / len(known),
        "median": (known[0] + known[3 - 1]) / 2,
    }
    suite = make_suite(
        *(entry(f"expect_column_{name}_to_be_between", column="amount", min_value=1000) for name in expected)
    )
    for result, value in zip(check_frame(suite, frame), expected.values(), strict=True):
        assert result.observed == {"value": pytest.approx(float(value))}, result.message


def test_numbers_of_different_types_are_compared(make_suite: MakeSuite, frame: pd.DataFrame) -> None:
    kwargs = {"column_A": "quantity", "column_B": "amount", "ignore_row_if": "either_value_is_missing"}
    suite = make_suite(entry("expect_column_pair_values_a_to_be_greater_than_b", **kwargs))
    (result,) = check_frame(suite, frame)
    assert result.row_ids.tolist() == [0, 4]  # 1 < 4.20 and 5 < 19.99


def test_the_newest_day_is_kept_as_iso_text(make_suite: MakeSuite, frame: pd.DataFrame) -> None:
    suite = make_suite(
        entry("expect_column_max_to_be_between", column="day", max_value="2030-01-01"),
        entry("expect_column_min_to_be_between", column="moment", min_value="2026-01-01"),
    )
    newest, first = check_frame(suite, frame)
    assert (newest.status, first.status) == ("failed", "failed")
    assert newest.observed == {"value": "9999-12-31T00:00:00"}
    assert first.observed == {"value": "2025-01-01T00:00:00+00:00"}


def test_columns_without_any_value_are_judged_too(make_suite: MakeSuite) -> None:
    frame = pd.DataFrame(
        {"note": pd.Series([None, None], dtype=object), "amount": pd.Series([None, None], dtype=object)}
    )
    suite = make_suite(
        entry("expect_column_values_to_match_regex", column="note", regex="x"),
        entry("expect_column_values_to_not_be_null", column="note"),
        entry("expect_column_max_to_be_between", column="amount", min_value=0),
    )
    skipped, null, nothing = check_frame(suite, frame)
    assert (skipped.status, skipped.evaluated, null.failing) == ("passed", 0, 2)
    assert (nothing.status, nothing.observed) == ("failed", None)


def test_a_bound_that_is_no_day_is_refused_when_it_is_loaded(make_suite: MakeSuite) -> None:
    with pytest.raises(SuiteError, match="min_value"):
        make_suite(entry("expect_column_values_to_be_between", column="day", min_value="yesterday"))


def test_large_sums_of_decimals_take_no_time(make_suite: MakeSuite) -> None:
    """Left alone, Great Expectations takes 20 s for 20,000 Decimals; here the test would run into minutes."""
    frame = pd.DataFrame({"amount": pd.Series([Decimal("1.10")] * 50_000, dtype=object)})
    (result,) = check_frame(make_suite(entry("expect_column_sum_to_be_between", column="amount", max_value=1)), frame)
    assert result.observed == {"value": pytest.approx(55_000)}
