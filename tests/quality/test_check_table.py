"""A table in PostgreSQL against a suite, where it stands."""

from __future__ import annotations

import logging
import socket
from typing import Any

import pytest
import sqlalchemy as sa

from ddcrm.errors import SuiteError, WarehouseError, WarehouseUnavailableError
from ddcrm.quality.check import check_table
from ddcrm.quality.gate import decide
from tests.quality.conftest import MakeSuite, entry

pytestmark = pytest.mark.xdist_group("quality")

SCHEMA, TABLE = "staging", "Scores of 2025-01-01"


@pytest.fixture(scope="module")
def database(postgres: sa.Engine) -> sa.Engine:
    """Six customers: one value too low, one NaN, one null, one code that is none."""
    with postgres.begin() as connection:
        connection.execute(sa.text(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"))
        connection.execute(sa.text(f"CREATE SCHEMA {SCHEMA}"))
        connection.execute(
            sa.text(f"""
            CREATE TABLE {SCHEMA}."{TABLE}" (customer_id text, scheme text, p_alive float8, clv_365d numeric(18, 2),
                                             rfm text, seen_at timestamptz, since date, "Konto" boolean);
            INSERT INTO {SCHEMA}."{TABLE}" VALUES
                ('a', 'rfm',    0.5,   10.10, '555', '2025-01-01 00:00+00', '2024-01-01', true),
                ('b', 'rfm',    -0.1,  20.20, '511', '2025-01-01 06:00+00', '2024-02-01', true),
                ('c', 'rfm',    'NaN', 30.30, '556', '2025-01-01 12:00+00', '2024-03-01', false),
                ('d', 'kmeans', 0.25,  NULL,  'x',   '2025-01-01 18:00+00', '2024-04-01', NULL),
                ('d', 'kmeans', 1,     50.50, '111', NULL,                  NULL,         true),
                (NULL, 'kmeans', 0,    60.60, '111', '2025-01-02 00:00+00', '2024-06-01', true);
            CREATE TABLE {SCHEMA}.empty (customer_id text, p_alive float8);
            """)
        )
    return postgres


@pytest.mark.parametrize(
    ("kind", "kwargs", "evaluated", "failing"),
    [
        ("expect_column_values_to_not_be_null", {"column": "customer_id"}, 6, 1),
        ("expect_column_values_to_be_unique", {"column": "customer_id"}, 5, 2),
        ("expect_column_values_to_be_between", {"column": "p_alive", "min_value": 0, "max_value": 1}, 6, 2),
        ("expect_column_values_to_be_between", {"column": "clv_365d", "min_value": 20.2}, 5, 1),
        ("expect_column_values_to_be_in_set", {"column": "clv_365d", "value_set": [10.1, 20.2, 30.3, 50.5]}, 5, 1),
        ("expect_column_values_to_match_regex", {"column": "rfm", "regex": "^[1-5]{3}$"}, 6, 2),
        ("expect_column_values_to_be_between", {"column": "seen_at", "min_value": "2025-01-01T06:00:00+00:00"}, 5, 1),
        ("expect_column_values_to_be_between", {"column": "since", "max_value": "2024-02-01"}, 5, 3),
        ("expect_column_values_to_be_in_set", {"column": "Konto", "value_set": [True]}, 5, 1),
        ("expect_compound_columns_to_be_unique", {"column_list": ["customer_id", "scheme"]}, 6, 2),
        (
            "expect_column_values_to_match_regex",
            {
                "column": "rfm",
                "regex": "^[1-5]{3}$",
                "row_condition": {
                    "type": "comparison",
                    "column": {"name": "scheme"},
                    "operator": "==",
                    "parameter": "rfm",
                },
            },
            3,
            1,
        ),
    ],
)
def test_failing_rows_are_counted(
    database: sa.Engine, make_suite: MakeSuite, kind: str, kwargs: dict[str, Any], evaluated: int, failing: int
) -> None:
    (result,) = check_table(make_suite(entry(kind, **kwargs)), database, SCHEMA, TABLE)
    assert (result.status, result.evaluated, result.failing) == ("failed", evaluated, failing), result.message
    assert result.is_row_level
    assert len(result.row_ids) == 0
    assert not decide([result], 6, 1.0).accepted


@pytest.mark.parametrize(
    ("kind", "kwargs", "status", "value"),
    [
        ("expect_column_sum_to_be_between", {"column": "clv_365d", "max_value": 1}, "failed", 171.7),
        ("expect_column_max_to_be_between", {"column": "since", "max_value": "2024-12-31"}, "passed", "2024-06-01"),
        ("expect_column_unique_value_count_to_be_between", {"column": "customer_id", "max_value": 4}, "passed", 4),
        ("expect_column_min_to_be_between", {"column": "customer_id", "max_value": 1}, "error", None),
        ("expect_table_row_count_to_equal", {"value": 6}, "passed", 6),
        (
            "unexpected_rows_expectation",
            {"unexpected_rows_query": "SELECT scheme FROM {batch} GROUP BY 1"},
            "failed",
            2,
        ),
        ("unexpected_rows_expectation", {"unexpected_rows_query": "SELECT 1 FROM {batch} WHERE false;"}, "passed", 0),
    ],
)
def test_aggregates_and_queries(
    database: sa.Engine, make_suite: MakeSuite, kind: str, kwargs: dict[str, Any], status: str, value: Any
) -> None:
    (result,) = check_table(make_suite(entry(kind, "warning", **kwargs)), database, SCHEMA, TABLE)
    assert result.status == status, result.message
    assert (result.observed or {}).get("value") == (pytest.approx(value) if isinstance(value, float) else value)
    assert not result.is_row_level


def test_a_query_says_why_it_is_asked(database: sa.Engine, make_suite: MakeSuite) -> None:
    one = entry("unexpected_rows_expectation", unexpected_rows_query="SELECT 1 FROM {batch} WHERE p_alive < 0")
    one["meta"] = {"notes": "Nobody is less than dead."}
    (result,) = check_table(make_suite(one), database, SCHEMA, TABLE)
    assert (result.evaluated, result.failing) == (6, 1)
    assert "Nobody is less than dead." in result.message


def test_a_check_that_raises_leaves_the_others_alone(database: sa.Engine, make_suite: MakeSuite) -> None:
    suite = make_suite(
        entry("expect_column_values_to_be_between", column="p_alive", min_value=0, max_value=1),
        entry("unexpected_rows_expectation", unexpected_rows_query="SELECT p_aliv FROM {batch}"),
        entry("expect_column_values_to_be_between", column="customer_id", min_value=0),
        entry("expect_column_values_to_not_be_null", column="scheme"),
    )
    results = check_table(suite, database, SCHEMA, TABLE)
    assert [result.status for result in results] == ["failed", "error", "error", "passed"]
    assert 'UndefinedColumn: column "p_aliv" does not exist' in results[1].message


def test_an_empty_table_is_judged_only_as_a_table(database: sa.Engine, make_suite: MakeSuite) -> None:
    suite = make_suite(
        entry("expect_column_mean_to_be_between", column="p_alive", min_value=0),
        entry("expect_table_row_count_to_be_between", min_value=1),
    )
    assert [result.status for result in check_table(suite, database, SCHEMA, "empty")] == ["passed", "failed"]


def test_the_database_is_named_by_engine_url_or_text(database: sa.Engine, make_suite: MakeSuite) -> None:
    suite = make_suite(entry("expect_table_row_count_to_equal", value=6))
    text = database.url.render_as_string(hide_password=False)
    for named in (database, database.url, text, text.replace("postgresql+psycopg", "postgresql")):
        (result,) = check_table(suite, named, SCHEMA, TABLE)
        assert result.status == "passed"


def test_a_password_may_have_any_signs(database: sa.Engine, make_suite: MakeSuite) -> None:
    password = "p$HOME ${x}@/:%41"
    with database.begin() as connection:
        connection.execute(sa.text("DROP ROLE IF EXISTS auditor"))
        connection.execute(sa.text(f"CREATE ROLE auditor SUPERUSER LOGIN PASSWORD '{password}'".replace(":", r"\:")))
    url = database.url.set(username="auditor", password=password)
    (result,) = check_table(make_suite(entry("expect_table_row_count_to_equal", value=6)), url, SCHEMA, TABLE)
    assert result.status == "passed"


def test_a_column_that_is_not_there_is_named(database: sa.Engine, make_suite: MakeSuite) -> None:
    suite = make_suite(entry("expect_column_values_to_not_be_null", column="clv_356d"), name="crm_customer_scores")
    with pytest.raises(SuiteError) as caught:
        check_table(suite, database, SCHEMA, TABLE)
    error = caught.value
    assert (error.suite, error.column, error.table) == ("crm_customer_scores", "clv_356d", f"{SCHEMA}.{TABLE}")
    assert error.hint == "Did you mean 'clv_365d'?"


@pytest.mark.parametrize(("schema", "table"), [(SCHEMA, "none"), ("none", TABLE)])
def test_a_table_that_is_not_there_is_named(
    database: sa.Engine, make_suite: MakeSuite, schema: str, table: str
) -> None:
    with pytest.raises(WarehouseError, match=f"there is no such table.*{schema}.{table}"):
        check_table(make_suite(entry("expect_table_row_count_to_equal", value=6)), database, schema, table)


def test_a_database_that_is_down_can_be_tried_again(make_suite: MakeSuite) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"postgresql://crm:secret@127.0.0.1:{free.getsockname()[1]}/crm"
        with pytest.raises(WarehouseUnavailableError) as caught:
            check_table(make_suite(entry("expect_table_row_count_to_equal", value=6)), url, SCHEMA, TABLE)
    assert caught.value.retryable
    assert "secret" not in str(caught.value)


def test_a_database_that_goes_away_meanwhile_is_not_a_broken_check(database: sa.Engine, make_suite: MakeSuite) -> None:
    query = "SELECT pg_terminate_backend(pg_backend_pid()) FROM {batch}"
    suite = make_suite(entry("unexpected_rows_expectation", unexpected_rows_query=query))
    with pytest.raises(WarehouseUnavailableError):
        check_table(suite, database, SCHEMA, TABLE)


def test_no_connection_stays_open_and_nothing_is_said(
    database: sa.Engine, make_suite: MakeSuite, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    suite = make_suite(
        entry("expect_column_values_to_be_between", column="p_alive", min_value=0),
        entry("unexpected_rows_expectation", unexpected_rows_query="SELECT customer_id FROM {batch}"),
    )
    url = database.url.update_query_dict({"application_name": "quality"})
    check_table(suite, url, SCHEMA, TABLE)
    with database.connect() as connection:
        count = sa.text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'quality'")
        assert connection.execute(count).scalar_one() == 0
    assert capfd.readouterr() == ("", "")
    said = [record for record in caplog.records if record.name.startswith(("great_expectations", "sqlalchemy"))]
    assert not said
