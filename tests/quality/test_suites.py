"""Suites are checked to the last argument when they are loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ddcrm.errors import SuiteError
from ddcrm.quality.suites import load_suite
from tests.quality.conftest import MakeSuite, entry

pytestmark = pytest.mark.xdist_group("quality")

NOT_NULL = entry("expect_column_values_to_not_be_null", column="order_id")


def refused(tmp_path: Path, document: Any, name: str = "orders") -> SuiteError:
    text = document if isinstance(document, str) else json.dumps(document)
    (tmp_path / f"{name}.json").write_text(text)
    with pytest.raises(SuiteError) as caught:
        load_suite(tmp_path, name)
    assert caught.value.file == str(tmp_path / f"{name}.json")
    return caught.value


def refused_entry(tmp_path: Path, one: Any) -> SuiteError:
    return refused(tmp_path, {"name": "orders", "expectations": [NOT_NULL, one], "meta": {}})


def test_a_suite_keeps_what_the_file_says(make_suite: MakeSuite) -> None:
    pair = entry("expect_column_pair_values_to_be_equal", "warning", column_A="a", column_B="b")
    pair["meta"] = {"notes": "They are the same thing."}
    suite = make_suite(NOT_NULL, pair, entry("expect_table_row_count_to_be_between", "info", min_value=1))
    first, second, third = suite.expectations
    assert suite.name == "orders"
    assert (first.type, dict(first.kwargs)) == ("expect_column_values_to_not_be_null", {"column": "order_id"})
    assert [one.severity for one in suite.expectations] == ["critical", "warning", "info"]
    assert [one.is_row_level for one in suite.expectations] == [True, True, False]
    assert (second.notes, second.columns, third.columns) == ("They are the same thing.", ("a", "b"), ())


def test_what_great_expectations_writes_is_read(tmp_path: Path) -> None:
    import great_expectations as gx
    from great_expectations.expectations.row_conditions import Column

    condition = Column("scheme") == "rfm"
    between = gx.expectations.ExpectColumnValuesToBeBetween(
        column="amount", min_value=0, severity="warning", row_condition=condition, notes="why"
    )
    written = gx.ExpectationSuite(name="orders", expectations=[between]).to_json_dict()
    (tmp_path / "orders.json").write_text(json.dumps(written))
    (one,) = load_suite(tmp_path, "orders").expectations
    assert (one.severity, one.notes, one.needed) == ("warning", "why", ("amount", "scheme"))


def test_severity_is_critical_where_none_is_given(tmp_path: Path) -> None:
    bare = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}}
    (tmp_path / "x.json").write_text(json.dumps({"name": "x", "expectations": [bare]}))
    assert load_suite(tmp_path, "x").expectations[0].severity == "critical"


def test_a_missing_file_names_the_one_that_was_meant(tmp_path: Path) -> None:
    (tmp_path / "orders.json").write_text("{}")
    with pytest.raises(SuiteError, match="there is no such suite") as caught:
        load_suite(tmp_path, "order")
    assert caught.value.hint == "Did you mean 'orders'?"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"name": "orders",\n "expectations": [}', "not JSON"),
        ("[]", "not a JSON object"),
        ({"name": "customers", "expectations": [NOT_NULL]}, "calls itself 'customers'"),
        ({"name": "orders", "expectations": []}, "has no expectations"),
        ({"name": "orders", "expectation": [NOT_NULL]}, "Did you mean 'expectations'"),
    ],
)
def test_a_file_that_is_no_suite_is_refused(tmp_path: Path, text: Any, said: str) -> None:
    error = refused(tmp_path, text)
    assert said in f"{error.message}. {error.hint}"


def test_the_line_of_a_syntax_error_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path, '{"name": "orders",\n\n "expectations": [}').line == 3


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "orders.json").write_bytes('{"name": "ö"}'.encode("latin-1"))
    with pytest.raises(SuiteError, match="not UTF-8"):
        load_suite(tmp_path, "orders")


@pytest.mark.parametrize(
    ("one", "said"),
    [
        ("expect", "not a JSON object"),
        ({"kwargs": {}}, "has no type"),
        ({"expectation_type": "expect_column_to_exist"}, 'Call the key "type"'),
        (
            entry("expect_column_values_to_not_be_nul", column="a"),
            "Did you mean 'expect_column_values_to_not_be_null'?",
        ),
        (
            {**NOT_NULL, "severty": "warning", "type": "expect_column_values_to_not_be_null"},
            "no key 'severty'. Did you mean 'severity'",
        ),
        ({**NOT_NULL, "severity": "fatal"}, "'fatal' is not a severity. Choose one of critical, warning, info."),
        ({**NOT_NULL, "severity": ["critical"]}, "is not a severity"),
        ({**NOT_NULL, "kwargs": []}, "kwargs is not a JSON object"),
        (entry("expect_column_values_to_not_be_null", colum="a"), "no argument 'colum'. Did you mean 'column'?"),
        (entry("expect_column_values_to_not_be_null"), "argument column is wrong: field required"),
        (entry("expect_column_values_to_be_between", column="a", min_value="much"), "argument min_value is wrong"),
        (entry("expect_column_values_to_not_be_null", column="a", mostly=1.5), "argument mostly is wrong"),
        (entry("expect_column_values_to_not_be_null", column="a", result_format="COMPLETE"), "not a suite's to set"),
        (
            entry("expect_column_values_to_be_between", column="a", min_value={"$PARAMETER": "x"}),
            "parameters are not supported",
        ),
        (
            entry("unexpected_rows_expectation", unexpected_rows_query="SELECT 1 FROM orders"),
            "does not look at {batch}",
        ),
        (
            entry("expect_column_values_to_not_be_null", column="a", row_condition={"type": "when"}),
            "argument row_condition is wrong",
        ),
    ],
)
def test_a_wrong_expectation_is_refused_by_name_and_number(tmp_path: Path, one: Any, said: str) -> None:
    error = refused_entry(tmp_path, one)
    assert said in f"{error.message}. {error.hint}"
    assert "number 2" in error.expectation


def test_loading_says_nothing(
    make_suite: MakeSuite, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(0)
    make_suite(NOT_NULL)
    assert not [record for record in caplog.records if record.name.startswith("great_expectations")]
    assert capfd.readouterr() == ("", "")
