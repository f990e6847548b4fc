"""Personal data planted in a batch comes out nowhere: not in results, not in logs, not in errors."""

from __future__ import annotations

import json
import logging
from typing import Any

import pandas as pd
import pytest

from ddcrm.errors import SuiteError
from ddcrm.quality.check import check_frame, check_table
from ddcrm.quality.gate import decide
from ddcrm.quality.redact import observed, trouble_of
from ddcrm.quality.result import CheckResult
from tests.quality.conftest import MakeSuite, entry

pytestmark = pytest.mark.xdist_group("quality")

SECRETS = ["anna.berg@example.com", "Ömer Gökçe", "0171 5550123", "DE89370400440532013000"]
WHERE = {"type": "comparison", "column": {"name": "email"}, "operator": "!=", "parameter": "x"}

# each fails, or raises an exception that quotes a value
ENTRIES = [
    entry("expect_column_values_to_match_regex", column="email", regex="^nobody$"),
    entry("expect_column_values_to_be_in_set", column="email", value_set=["nobody"], row_condition=WHERE),
    entry("expect_column_values_to_be_unique", column="email"),
    entry("expect_column_values_to_be_null", column="email"),
    entry("expect_column_value_lengths_to_be_between", column="email", max_value=1),
    entry("expect_column_distinct_values_to_be_in_set", column="email", value_set=["nobody"]),
    entry("expect_column_distinct_values_to_equal_set", column="email", value_set=["nobody"]),
    entry("expect_column_most_common_value_to_be_in_set", column="email", value_set=["nobody"]),
    entry("expect_column_pair_values_to_be_equal", column_A="email", column_B="birth_year"),
    entry("expect_compound_columns_to_be_unique", column_list=["email", "birth_year"]),
    entry("expect_column_mean_to_be_between", column="email", min_value=0),
    entry("expect_column_max_to_be_between", column="email", min_value=0),
    entry("expect_column_median_to_be_between", column="email", min_value=0),
    entry("expect_column_values_to_be_between", column="email", min_value=0),
    entry("expect_column_values_to_match_json_schema", column="email", json_schema={"type": "object"}),
    entry("expect_column_values_to_be_increasing", column="email"),
    entry("expect_column_max_to_be_between", column="birth_year", max_value=1900),
    entry("expect_column_sum_to_be_between", column="birth_year", max_value=1),
    entry("expect_column_unique_value_count_to_be_between", column="email", max_value=1),
]


def frame() -> pd.DataFrame:
    return pd.DataFrame({"_row": range(8), "email": SECRETS * 2, "birth_year": [1987654] * 8})


def said(results: list[CheckResult], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> str:
    """Everything that anybody gets to see."""
    verdict = decide(results, 8, 0.0)
    error = verdict.error(source="customers")
    assert error is not None
    shown = [json.dumps(result.as_dict(), ensure_ascii=False) for result in results]
    shown += [repr(result) for result in results] + [result.reason for result in results]
    shown += [str(error), json.dumps(error.as_dict()), verdict.message, *capfd.readouterr()]
    return "\n".join([*shown, caplog.text])


def leaks(text: str) -> list[str]:
    parts = [part for secret in SECRETS for part in (secret, *secret.replace("@", " ").split()) if len(part) > 3]
    return [part for part in [*parts, "1987654"] if part in text]


def test_no_value_of_a_batch_comes_out(
    make_suite: MakeSuite, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    results = check_frame(make_suite(*ENTRIES), frame(), personal=["email", "birth_year"])
    assert {result.status for result in results} == {"failed", "error"}
    assert sum(result.status == "error" for result in results) >= 4
    text = said(results, caplog, capfd)
    assert "expect_column_values_to_be_unique" in text
    assert leaks(text) == []


def test_without_the_word_personal_texts_stay_hidden_and_numbers_show(make_suite: MakeSuite) -> None:
    results = check_frame(make_suite(*ENTRIES), frame())
    text = json.dumps([result.as_dict() for result in results], ensure_ascii=False)
    assert leaks(text) == ["1987654"]


def test_counts_of_personal_columns_are_kept(make_suite: MakeSuite) -> None:
    suite = make_suite(
        entry("expect_column_unique_value_count_to_be_between", column="email", max_value=1),
        entry("expect_column_proportion_of_unique_values_to_be_between", column="email", max_value=0.1),
        entry("expect_column_min_to_be_between", column="birth_year", max_value=1),
    )
    count, share, least = check_frame(suite, frame(), personal={"email", "birth_year"})
    assert (count.observed, share.observed, least.observed) == ({"value": 4}, {"value": 0.5}, None)


def test_no_value_of_a_table_comes_out(
    make_suite: MakeSuite, postgres: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    frame().drop(columns="_row").to_sql("people", postgres, schema="public", index=False, if_exists="replace")
    capfd.readouterr()
    caplog.set_level(logging.DEBUG)
    queries = [
        "SELECT email FROM {batch} WHERE email LIKE '%@%'",
        "SELECT CAST(email AS integer) FROM {batch}",
        "SELECT CAST(email AS date) FROM {batch}",
        "SELECT e_mail FROM {batch}",
    ]
    entries = [one for one in ENTRIES if "json_schema" not in one["type"] and "increasing" not in one["type"]]
    entries += [entry("unexpected_rows_expectation", unexpected_rows_query=query) for query in queries]
    results = check_table(make_suite(*entries), postgres, "public", "people", personal=["email", "birth_year"])
    assert [result.status for result in results[-4:]] == ["failed", "error", "error", "error"]
    assert 'column "e_mail" does not exist' in results[-1].message
    assert leaks(said(results, caplog, capfd)) == []


def test_errors_about_columns_quote_no_values(make_suite: MakeSuite) -> None:
    with pytest.raises(SuiteError) as caught:
        check_frame(make_suite(entry("expect_column_values_to_not_be_null", column="mail")), frame())
    assert leaks(str(caught.value)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Traceback (most recent call last):\n  x\nTypeError: '<' not supported between instances of 'str' and 'A'",
         "TypeError: '<' not supported between instances of 'str' and 'A'"),
        ("ValueError: could not convert string to float: 'anna@example.com'", "ValueError"),
        ('psycopg.errors.InvalidTextRepresentation: invalid input syntax for type integer: "Anna"\nLINE 1: Anna: x',
         "InvalidTextRepresentation"),
        ('psycopg.errors.UndefinedColumn: column "p_aliv" does not exist\nLINE 1: ...',
         'UndefinedColumn: column "p_aliv" does not exist'),
        ("KeyError: 'Anna'\n\nDuring handling of the above exception, another exception occurred:\n\n"
         "gx.exceptions.MetricProviderError: No provider found for a.b using PandasExecutionEngine",
         "MetricProviderError: No provider found for a.b using PandasExecutionEngine"),
        ("Anna Berg was here", "Exception"),
    ],
)  # fmt: skip
def test_of_an_exception_only_what_quotes_nothing_is_kept(text: str, expected: str) -> None:
    assert str(trouble_of(text)) == expected


@pytest.mark.parametrize("value", ["anna@example.com", ["anna"], {"anna": 1}, float("nan"), None, pd.NaT, object()])
def test_values_that_are_no_aggregates_are_dropped(value: Any) -> None:
    assert observed("expect_column_max_to_be_between", {"observed_value": value}, ["email"], []) == {}
