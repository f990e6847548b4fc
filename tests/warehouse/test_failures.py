"""Errors of the drivers, told without the rows that they quote."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from ddcrm.errors import BatchRejectedError, PublishError, WarehouseError
from ddcrm.warehouse.connect import Warehouse
from ddcrm.warehouse.failures import recordable, translated

TWICE = "INSERT INTO t VALUES ('alice@example.org'), ('alice@example.org')"


@pytest.fixture
def keyed(warehouse: Warehouse) -> Warehouse:
    with warehouse.begin() as connection:
        connection.execute(text("CREATE TABLE t (email text PRIMARY KEY CHECK (length(email) < 30))"))
    return warehouse


@pytest.mark.parametrize("statement", [TWICE, "INSERT INTO t VALUES ('alice@example.org' || repeat('x', 30))"])
def test_rows_are_not_quoted(keyed: Warehouse, statement: str) -> None:
    with pytest.raises(WarehouseError) as by_sqlalchemy, keyed.begin() as connection:
        connection.execute(text(statement))
    with pytest.raises(WarehouseError) as by_adbc, keyed.adbc() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
    with pytest.raises(WarehouseError) as by_psycopg, keyed.session() as connection:
        connection.execute(statement)
    for caught in (by_sqlalchemy, by_adbc, by_psycopg):
        assert "alice" not in f"{caught.value}{caught.value.as_dict()}"
        assert caught.value.message.endswith('constraint "t_pkey" [23505]') or "t_email_check" in caught.value.message
        assert not caught.value.retryable


def test_a_missing_table_says_what_to_run(warehouse: Warehouse) -> None:
    with (
        pytest.raises(WarehouseError, match=r"nowhere.*\[42P01\].*`ddcrm warehouse upgrade`"),
        warehouse.begin() as connection,
    ):
        connection.execute(text("SELECT * FROM crm.nowhere"))


def test_facts_and_kind_are_the_callers(warehouse: Warehouse) -> None:
    with (
        pytest.raises(PublishError) as caught,
        translated(warehouse.display_url, PublishError, table="scores"),
        warehouse.engine.connect() as connection,
    ):
        connection.execute(text("SELECT 1 / 0"))
    assert caught.value.table == "scores"
    assert "division by zero" in str(caught.value)


def test_our_own_errors_pass(warehouse: Warehouse) -> None:
    mine = BatchRejectedError("the audit failed", table="scores")
    with pytest.raises(BatchRejectedError) as caught, warehouse.begin():
        raise mine
    assert caught.value is mine


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ValueError("no such customer 'C0001' here"), "no such customer … here"),
        (KeyError("alice@example.org"), "…"),
        (ValueError("bad value for bob@example.org, id 4711"), "bad value for … id …"),
        (RuntimeError("first line\nalice@example.org"), "first line"),
        (ValueError(), ""),
        (PublishError("it failed", table="scores", hint="Do it again."), "it failed (table scores). Do it again."),
    ],
)
def test_what_the_ledger_keeps_of_an_error(error: Exception, shown: str) -> None:
    assert recordable(error) == shown
