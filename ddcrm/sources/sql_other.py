"""Any database that SQLAlchemy knows: dlt's sql_table with a loader of our own, whose batches are text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ddcrm.sources.columns import database_text
from ddcrm.sources.part import ordinals, part_schema
from ddcrm.sources.sql_query import Query

if TYPE_CHECKING:
    import pyarrow as pa
    import sqlalchemy as sa

    from ddcrm.sources.sql_connect import Database

_ROWS = 20_000  # a batch


def read(query: Query, database: Database) -> Iterator[pa.RecordBatch]:
    """The rows as batches of a part, in one statement whose rows the server sends as they are read."""
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    from dlt.sources.sql_database import TableLoader, sql_table

    class TextLoader(TableLoader):  # dlt's own loaders give typed values: text of them is not what the database has
        def _convert_result(self, result: Any, backend_kwargs: dict[str, Any]) -> Iterator[pa.RecordBatch]:
            rows = 0
            for partition in result.partitions(self.chunk_size):
                yield _batch(partition, query, rows)
                rows += len(partition)

    engine = database.engine()
    table = query.table
    try:
        yield from sql_table(
            credentials=engine,
            table=table.name,
            metadata=table.metadata,
            chunk_size=_ROWS,
            reflection_level="minimal",
            query_adapter_callback=lambda select, own: _select(query),
            table_loader_class=TextLoader,
        )
    finally:
        engine.dispose()


def _select(query: Query) -> sa.Select[Any]:
    """All columns as the driver gives them (SQLAlchemy's own conversions would round decimals), with bound moments."""
    import sqlalchemy as sa

    columns = [sa.type_coerce(column, sa.types.NullType()).label(column.name) for column in query.table.columns]
    select: Any = sa.select(*columns)
    return query.restricted(select)


def _batch(rows: list[Any], query: Query, before: int) -> pa.RecordBatch:
    import pyarrow as pa

    columns = [list(column) for column in zip(*rows, strict=True)]
    arrays = [pa.array([database_text(value) for value in column], pa.string()) for column in columns]
    if query.cursor is None:
        days = [str(query.dates.last)] * len(rows)
    else:
        days = [query.cursor.day(value) for value in columns[query.columns.index(query.cursor.column.name)]]
    source = pa.repeat(pa.scalar(query.source, pa.string()), len(rows))
    lines = ordinals(before, len(rows))
    return pa.record_batch([*arrays, source, lines, pa.array(days, pa.string())], schema=part_schema(query.columns))
