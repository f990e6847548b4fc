"""PostgreSQL by ADBC: the server casts every column to text, and the rows stream by COPY."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ddcrm.sources import sql_connect
from ddcrm.sources.part import ordinals, part_schema
from ddcrm.sources.sql_query import Cursor, Query

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlalchemy as sa

    from ddcrm.sources.sql_connect import Database

_BATCH_BYTES = 4 << 20
_SESSION = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "1",
}


def read(query: Query, database: Database) -> Iterator[pa.RecordBatch]:
    """The rows as batches of a part; the connection closes with the last one, or with the generator."""
    from adbc_driver_postgresql import dbapi

    with (
        dbapi.connect(database.libpq) as connection,
        connection.cursor(adbc_stmt_kwargs={"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)}) as cursor,
    ):
        for name, value in {**_SESSION, "lock_timeout": sql_connect.LOCK_TIMEOUT}.items():
            cursor.execute(f"SET {name} TO '{value}'")
        cursor.execute(statement(query))
        yield from _batches(cursor.fetch_record_batch(), query)


def statement(query: Query) -> str:
    """The SELECT with its two moments written out: rows of a statement with bound values come in one piece (834 MB for
    2.6 million of them), and the moments are ours, written by SQLAlchemy."""
    import sqlalchemy as sa
    from sqlalchemy.dialects import postgresql

    columns = [_text(column).label(column.name) for column in query.table.columns]
    day = _day(query.cursor) if query.cursor else sa.literal(str(query.dates.last))
    select = query.restricted(sa.select(*columns, sa.cast(day, sa.Text()).label("_batch_date")))
    dialect = postgresql.dialect(paramstyle="named")  # the driver's own style would double each % in a name
    return str(select.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def _text(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    import sqlalchemy as sa

    nested = isinstance(column.type, sa.ARRAY)
    return sa.cast(sa.func.to_json(column) if nested else column, sa.Text())


def _day(cursor: Cursor) -> sa.ColumnElement[Any]:
    """The calendar day of the cursor, in the contract's time zone."""
    import sqlalchemy as sa

    column = cursor.column
    if cursor.kind == "text":
        return sa.func.left(sa.type_coerce(column, sa.String()), 10)
    if cursor.kind == "timestamp":
        column = sa.func.timezone(cursor.zone.key, column)
    if cursor.kind != "date":
        column = sa.func.timezone(cursor.days_in.key, column)
    return sa.func.to_char(column, "YYYY-MM-DD")


def _batches(reader: pa.RecordBatchReader, query: Query) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    rows = 0
    for batch in reader:
        *columns, days = batch.columns
        source = pa.repeat(pa.scalar(query.source, pa.string()), batch.num_rows)
        lines = ordinals(rows, batch.num_rows)
        rows += batch.num_rows
        yield pa.record_batch([*columns, source, lines, days], schema=part_schema(query.columns))
