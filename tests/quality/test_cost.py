"""What the checks cost: nothing until they run, and then in proportion to the rows."""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from ddcrm.quality.check import check_frame
from tests.quality.conftest import MakeSuite, entry

pytestmark = pytest.mark.xdist_group("quality")

MODULES = ("suites", "check", "gate", "freshness", "volume", "redact", "result", "frame", "words", "gx")


def test_importing_loads_nothing_heavy() -> None:
    code = (
        f"import sys, {', '.join(f'ddcrm.quality.{name}' for name in MODULES)}\n"
        "heavy = {'great_expectations', 'pandas', 'numpy', 'sqlalchemy', 'psycopg'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_set_is_checked_fast(make_suite: MakeSuite) -> None:
    """200,000 rows, 5,000 of them outside a set of 50; measured as CPU time, as others may use the machine."""
    values = [f"v{n % 50}" for n in range(200_000)]
    values[::40] = ["outside"] * 5_000
    frame = pd.DataFrame({"_row": np.arange(200_000), "kind": values})
    suite = make_suite(
        entry("expect_column_values_to_be_in_set", column="kind", value_set=[f"v{n}" for n in range(50)])
    )
    check_frame(suite, frame.head(10))
    begin = time.process_time()
    (result,) = check_frame(suite, frame)
    assert time.process_time() - begin < 2
    assert result.row_ids.tolist() == list(range(0, 200_000, 40))


def test_rows_that_pass_take_no_memory(make_suite: MakeSuite) -> None:
    """300,000 texts of which 3 fail: nothing is built that has an object for each row."""
    frame = pd.DataFrame({"amount": np.arange(300_000.0), "cost": np.arange(300_000.0)})
    suite = make_suite(
        entry("expect_column_values_to_be_between", column="amount", min_value=3),
        entry("expect_column_values_to_be_between", column="cost", min_value=0),
    )
    check_frame(suite, frame.head(10))
    tracemalloc.start()
    low, none = check_frame(suite, frame)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (low.row_ids.tolist(), none.row_ids.tolist()) == ([0, 1, 2], [])
    assert peak < 40e6  # the frame itself has 4.8 MB; a Python object a row and check would take 48 MB more


@pytest.mark.slow
def test_a_million_rows_and_ten_checks(make_suite: MakeSuite) -> None:
    rows = 1_000_000
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "_row": np.arange(rows),
            "order_id": [f"A-{n:07d}" for n in range(rows)],
            "amount": rng.normal(50, 20, rows).round(2),
            "quantity": rng.integers(-1, 10, rows),
            "channel": rng.choice(["web", "shop", "app"], rows),
        }
    )
    suite = make_suite(
        entry("expect_column_values_to_not_be_null", column="order_id"),
        entry("expect_column_values_to_be_unique", column="order_id"),
        entry("expect_column_values_to_match_regex", column="order_id", regex=r"^A-\d{7}$"),
        entry("expect_column_values_to_be_between", column="quantity", min_value=0),
        entry("expect_column_values_to_be_in_set", column="channel", value_set=["web", "shop", "app"]),
        entry("expect_column_values_to_be_between", column="amount", min_value=-1000, max_value=1000),
        entry("expect_column_values_to_not_be_null", column="amount"),
        entry("expect_column_mean_to_be_between", column="amount", min_value=0),
        entry("expect_column_max_to_be_between", column="amount", max_value=1000),
        entry("expect_table_row_count_to_be_between", min_value=1),
    )
    begin = time.process_time()
    results = check_frame(suite, frame)
    assert time.process_time() - begin < 15
    (failed,) = [result for result in results if result.status == "failed"]
    np.testing.assert_array_equal(failed.row_ids, np.flatnonzero(frame["quantity"] < 0))
