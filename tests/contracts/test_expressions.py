"""SQL in contracts: what is refused, and that the engine agrees with what is let through."""

from __future__ import annotations

import duckdb
import pytest

from ddcrm.contracts.expressions import UNSTABLE
from tests.contracts.conftest import Load, Refuse, changed, line_of

LOGIC = "transformLogic: CAST(total_cents AS DECIMAL(18, 2)) / 100"


def with_logic(sql: str) -> str:
    """The example with another transformLogic."""
    return changed(LOGIC, "transformLogic: '" + sql.replace("'", "''") + "'")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("CAST(total AS DECIMAL(18, 2)) / 100", "there is no column 'total'"),
        ("CAST(amount AS DECIMAL(18, 2))", "there is no column 'amount'"),
        ("CAST(orders.total_cents AS INTEGER)", "stands there with a table"),
        ("total_cents / 100", "the engine refuses"),
        ("CASTT(total_cents)", "castt does not exist"),
        ("CAST(total_cents AS MONEY)", "the engine refuses"),
        ("CAST(total_cents AS INTEGER", "the engine refuses"),
        ("(total_cents", "the SQL can't be parsed"),
        ("'a", "the SQL can't be parsed"),
        ("", "there is no expression"),
        ("-- nothing", "there is no expression"),
        ("total_cents; total_cents", "there is more than one expression"),
        ("SELECT total_cents", "a query can't stand"),
        ("(SELECT 1)", "a query can't stand"),
        ("total_cents IN (SELECT 'a')", "a query can't stand"),
        ("EXISTS (SELECT 1)", "a query can't stand"),
        ("DROP TABLE landing", "a statement can't stand"),
        ("INSERT INTO x VALUES (1)", "a statement can't stand"),
        ("COPY x TO 'y'", "a statement can't stand"),
        ("sum(CAST(total_cents AS INTEGER))", "an aggregate can't stand"),
        ("arg_max(total_cents, Line)", "an aggregate can't stand"),
        ("histogram(total_cents)", "WHERE clause cannot contain aggregates"),
        ("row_number() OVER (ORDER BY Line)", "a window function can't stand"),
        ("unnest([1, 2])", "a function that gives several rows"),
        ("*", "more than one value"),
        ("COLUMNS(*)", "more than one value"),
        ("total_cents AS cents", "more than one value, or an alias,"),
        ("?", "a parameter"),
        ("$1", "a parameter"),
        ("read_text('/etc/passwd')", "the engine refuses"),
        ("now()", "gives another result tomorrow"),
        ("CAST(total_cents AS DOUBLE) * random()", "gives another result tomorrow"),
        ("age(CAST(OrderTS AS TIMESTAMP))", "gives another result tomorrow"),
        ("current_date - CAST(OrderTS AS DATE)", "gives another result tomorrow"),
    ],
)
def test_transform_that_is_no_expression_over_one_row(refuse: Refuse, sql: str, message: str) -> None:
    text = with_logic(sql)
    error = refuse(text)
    assert message in str(error)
    assert error.line == line_of("transformLogic: '", text)
    assert error.column == "amount"


@pytest.mark.parametrize(
    "sql",
    [
        "CAST(replace(replace(total_cents, '.', ''), ',', '.') AS DECIMAL(18, 2))",
        "TRY_CAST(total_cents AS INTEGER) / 100",
        "CASE WHEN channel = 'return' THEN -1 ELSE 1 END * CAST(total_cents AS DECIMAL(18, 2))",
        "CAST(total_cents->>'$.amount' AS DECIMAL(18, 2))",
        "CAST(json_extract_string(total_cents, '$[0].value') AS DECIMAL(18, 2))",
        "coalesce(CAST(total_cents AS DECIMAL(18, 2)), 0.00)",
        "CAST(_line AS DECIMAL(18, 2))",
        "CAST(regexp_extract(_source, '(\\d+)', 1) AS DECIMAL(18, 2))",
        "list_sum(list_transform(string_split(total_cents, '+'), part -> CAST(part AS DECIMAL(18, 2))))",
        'CAST("total_cents" AS DECIMAL(18, 2))',
        "CASE WHEN channel IN ('a', 'b') THEN 1.00 END",
    ],
)
def test_transform_that_is_an_expression_runs_in_the_engine(load: Load, sql: str) -> None:
    column = load(with_logic(sql)).column("amount")
    with duckdb.connect() as engine:
        engine.execute("CREATE TABLE landing (total_cents VARCHAR, channel VARCHAR, _line BIGINT, _source VARCHAR)")
        assert engine.execute(f"SELECT {column.transform} FROM landing").fetchall() == []
        engine.execute("INSERT INTO landing (_line) VALUES (7)")
        assert len(engine.execute(f"SELECT {column.transform} FROM landing").fetchall()) == 1


def test_misspelled_column_is_suggested(refuse: Refuse) -> None:
    error = refuse(with_logic("CAST(total_cent AS DECIMAL(18, 2)) / 100"))
    assert error.hint == "Did you mean 'total_cents'?"


def test_missing_cast_is_explained(refuse: Refuse) -> None:
    assert "Source columns are text: cast them" in str(refuse(with_logic("total_cents / 100")).hint)


def test_nothing_the_engine_calls_unstable_is_let_through(refuse: Refuse) -> None:
    query = """SELECT DISTINCT function_name FROM duckdb_functions()
               WHERE function_type = 'scalar' AND stability <> 'CONSISTENT' AND function_name SIMILAR TO '[a-z_0-9]+'"""
    with duckdb.connect() as engine:
        names = {name for (name,) in engine.execute(query).fetchall()}
    assert {"now", "random", "uuid"} <= names
    assert names <= UNSTABLE
    for name in ("now", "random", "uuid", "today", "get_current_timestamp", "gen_random_uuid"):
        assert "gives another result tomorrow" in str(refuse(with_logic(f"CAST({name}() AS VARCHAR)")))
    for name in ("current_date", "current_timestamp", "localtimestamp", "current_time", "localtime", "current_user"):
        assert "gives another result tomorrow" in str(refuse(with_logic(f"CAST({name} AS VARCHAR)")))
