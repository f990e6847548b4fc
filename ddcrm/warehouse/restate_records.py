"""What a swap replaces in the ledger beside the warehouse's own transaction, and back: checks of batches, models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ddcrm.dates import DateRange
from ddcrm.errors import RestatementError

if TYPE_CHECKING:
    from ddcrm.warehouse.connect import Warehouse

_WITHIN = "source = %s AND batch_date >= %s AND batch_last <= %s"
_COLUMNS = (
    "run_id, source, batch_date, batch_last, suite, expectation, column_name, severity, status, evaluated, failing, "
    "observed, message, recorded_at"
)


def checks_of(warehouse: Warehouse, source: str, dates: DateRange) -> list[dict[str, Any]]:
    """The lines of ops.validations that recording checks of these batches replaces, JSON-ready."""
    query = f"SELECT to_jsonb(v) - 'id' FROM ops.validations v WHERE {_WITHIN} ORDER BY id"
    with warehouse.session(RestatementError, source=source) as session:
        return [line for (line,) in session.execute(query, [source, dates.first, dates.last]).fetchall()]


def put_back_checks(warehouse: Warehouse, source: str, dates: DateRange, lines: Sequence[Mapping[str, Any]]) -> None:
    """Make `lines` (see `checks_of`) the checks of these batches again, each with its own run and moment."""
    from psycopg.types.json import Jsonb

    query = (
        f"INSERT INTO ops.validations ({_COLUMNS}) SELECT {_COLUMNS} "
        "FROM jsonb_populate_recordset(NULL::ops.validations, %s)"
    )
    with warehouse.session(RestatementError, source=source) as session, session.transaction():
        session.execute(f"DELETE FROM ops.validations WHERE {_WITHIN}", [source, dates.first, dates.last])
        session.execute(query, [Jsonb(list(lines))])


def put_back_model(warehouse: Warehouse, name: str, restated: str | None, before: str | None) -> None:
    """Let the version before count as the newest of its day again; without one, the restated one leaves ops.models.

    Another version stays there, as every version that was trained does: the one recorded last is the current one.
    """
    with warehouse.session(RestatementError, model=name) as session, session.transaction():
        if before is not None:
            query = "UPDATE ops.models SET recorded_at = clock_timestamp() WHERE name = %s AND version = %s"
            session.execute(query, [name, before])
        elif restated is not None:
            for table in ("model_metrics", "models"):
                session.execute(f"DELETE FROM ops.{table} WHERE name = %s AND version = %s", [name, restated])
