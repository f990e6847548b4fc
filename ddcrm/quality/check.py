"""Check a batch (a DataFrame) or a loaded table (PostgreSQL) against a suite; what it means the gate decides."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from ddcrm.errors import WarehouseError, WarehouseUnavailableError
from ddcrm.quality import gx, words
from ddcrm.quality.redact import observed
from ddcrm.quality.result import CheckResult, Status

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from sqlalchemy import URL, Engine

    from ddcrm.quality.suites import Expectation, Suite

ROW_ID = "_row"


def check_frame(
    suite: Suite, frame: pd.DataFrame, *, personal: Collection[str] = (), row_id: str = ROW_ID
) -> list[CheckResult]:
    """Check the rows of a batch; one result for each expectation, in the suite's order.

    `frame` stays as it is; `row_id` is its column of row numbers (int), which come back as `row_ids`: without that
    column they are positions. Of `personal` columns nothing is kept but counts and shares. On a frame without rows only
    expectations about the table itself are judged; the others hold. Raises SuiteError for a column that is not there.
    """
    from ddcrm.quality.frame import checkable, fitted
    from ddcrm.quality.suites import check_columns

    check_columns(suite, [str(name) for name in frame.columns])
    asked = _asked(suite, len(frame))
    plain = checkable(frame, asked, row_id)
    outcomes = gx.judge_frame(fitted(asked, plain), plain)
    ids = frame[row_id].to_numpy() if row_id in frame else None
    return _results(suite, asked, outcomes, len(frame), personal, ids)


def check_table(
    suite: Suite,
    engine_or_url: Engine | URL | str,
    schema: str,
    table: str,
    *,
    personal: Collection[str] = ("customer_id",),
) -> list[CheckResult]:
    """Check a PostgreSQL table where it stands; one result for each expectation, in the suite's order.

    The rows stay in the database, so the results hold counts and no `row_ids`. `schema` is a plain lower-case name (it
    can't be quoted here). Raises SuiteError for a column that is not there, WarehouseError for a table that is not,
    WarehouseUnavailableError where the database does not answer or stops answering.
    """
    from ddcrm.quality.suites import check_columns

    url = _url(engine_or_url)
    columns, rows = _look(url, schema, table)
    check_columns(suite, columns, f"{schema}.{table}")
    asked = _asked(suite, rows)
    outcomes = gx.judge_table(asked, url.render_as_string(hide_password=False), schema, table)
    for outcome in outcomes:
        if outcome.trouble and _is_database_trouble(outcome.trouble.kind):
            raise _unavailable(f"{schema}.{table}")
    return _results(suite, asked, outcomes, rows, personal, None)


def _asked(suite: Suite, rows: int) -> list[Expectation]:
    return [one for one in suite.expectations if rows or one.is_about_table]


def _results(
    suite: Suite,
    asked: Sequence[Expectation],
    outcomes: Sequence[gx.Outcome],
    rows: int,
    personal: Collection[str],
    ids: NDArray[np.int64] | None,
) -> list[CheckResult]:
    outcome_of = {id(one): outcome for one, outcome in zip(asked, outcomes, strict=True)}
    return [_result(suite.name, one, outcome_of.get(id(one)), rows, personal, ids) for one in suite.expectations]


def _result(
    suite: str,
    expectation: Expectation,
    outcome: gx.Outcome | None,
    rows: int,
    personal: Collection[str],
    ids: NDArray[np.int64] | None,
) -> CheckResult:
    """One result without the values that the outcome may hold; an outcome of None: there were no rows to judge."""
    facts: dict[str, Any] = {
        "suite": suite, "expectation": expectation.type, "column": words.subject(expectation),
        "severity": expectation.severity, "is_row_level": expectation.is_row_level,
        "requirement": words.requirement(expectation),
    }  # fmt: skip
    if outcome is None:
        failing = 0 if expectation.is_row_level else None
        return CheckResult(**facts, status="passed", evaluated=0, failing=failing, message=words.unjudged(expectation))
    if outcome.trouble:
        return CheckResult(**facts, status="error", message=words.broken(expectation, outcome.trouble))
    status: Status = "passed" if outcome.success else "failed"
    kept = observed(expectation.type, outcome.result, expectation.columns, personal)
    evaluated, failing = _counts(expectation, outcome.result, rows)
    facts["is_row_level"] = "element_count" in outcome.result
    message = words.sentence(expectation, status, evaluated, failing, kept)
    if status == "failed":
        facts["row_ids"] = _row_ids(outcome.result, ids)
    return CheckResult(
        **facts, status=status, evaluated=evaluated, failing=failing, observed=kept or None, message=message
    )


def _counts(expectation: Expectation, result: Any, rows: int) -> tuple[int, int | None]:
    """Rows that were judged and rows that fail (of a query: that it finds); a column's type is judged as a whole."""
    if "element_count" in result:
        return int(result["element_count"] - (result.get("missing_count") or 0)), int(result["unexpected_count"] or 0)
    if "unexpected_rows_query" in expectation.kwargs:
        return rows, int(result["observed_value"])
    return rows, None


def _row_ids(result: Any, ids: NDArray[np.int64] | None) -> NDArray[np.int64]:
    import numpy as np

    positions = np.asarray(result.get("unexpected_index_list") or (), dtype=np.int64)
    return positions if ids is None else ids[positions].astype(np.int64)


def _url(engine_or_url: Engine | URL | str) -> URL:
    from sqlalchemy import make_url

    given: Any = getattr(engine_or_url, "url", engine_or_url)
    return make_url(given).set(drivername="postgresql+psycopg")


def _look(url: URL, schema: str, table: str) -> tuple[list[str], int]:
    """The table's columns and how many rows it has."""
    import sqlalchemy as sa
    from psycopg.errors import InvalidSchemaName, UndefinedTable

    name = f"{schema}.{table}"
    engine = sa.create_engine(url, hide_parameters=True, poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            source = sa.table(sa.quoted_name(table, True), schema=schema)
            columns = connection.execute(sa.select(sa.literal_column("*")).select_from(source).limit(0)).keys()
            counted = sa.select(sa.func.count()).select_from(source)
            return list(columns), int(connection.execute(counted).scalar_one())
    except sa.exc.OperationalError:
        raise _unavailable(name) from None
    except sa.exc.DBAPIError as error:
        if isinstance(error.orig, (UndefinedTable, InvalidSchemaName)):
            raise WarehouseError("there is no such table", table=name) from None
        raise WarehouseError("the table can't be read", table=name, reason=type(error.orig).__name__) from None


def _unavailable(table: str) -> WarehouseUnavailableError:
    return WarehouseUnavailableError(
        "the warehouse does not answer", table=table, hint="Start it, then run the same again."
    )


def _is_database_trouble(kind: str) -> bool:
    """Whether the exception means that the database could not do its work now (gone, full, cancelled)."""
    from psycopg import OperationalError, errors

    found = getattr(errors, kind, None)
    return isinstance(found, type) and issubclass(found, OperationalError)
