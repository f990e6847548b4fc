"""The shape of a published table: an Arrow table brought to the columns, types and day that the warehouse keeps."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from ddcrm.errors import PublishError

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Table


def shaped(table: pa.Table | pa.RecordBatchReader, definition: Table, as_of: date) -> pa.Table:
    """The rows with the definition's columns, in its order and types, all of the day `as_of`.

    Raises PublishError naming the columns that are missing or too many, that don't fit their type, that lack a
    required value, or the days that are not `as_of`. Money must come as decimal or integer: nothing is rounded here.
    """
    import pyarrow as pa

    from ddcrm.warehouse.tables import arrow_schema

    if not isinstance(table, pa.Table):
        table = table.read_all()
    schema = arrow_schema(definition)
    _check_columns(table, schema, definition.name)
    columns = [_column(table[field.name], field, definition.name) for field in schema]
    check_day(columns[schema.get_field_index("as_of")], definition.name, as_of)
    return pa.table(columns, schema=schema)


def _check_columns(table: pa.Table, schema: pa.Schema, name: str) -> None:
    missing = [column for column in schema.names if column not in table.column_names]
    extra = [column for column in table.column_names if column not in schema.names]
    twice = sorted({column for column in table.column_names if table.column_names.count(column) > 1})
    if missing or extra or twice:
        raise PublishError(
            "the columns are not those of the published table",
            table=name,
            missing=", ".join(missing) or None,
            extra=", ".join(extra) or None,
            twice=", ".join(twice) or None,
            hint="See ddcrm/warehouse/tables.py, or run the migration that adds them.",
        )


def _column(column: pa.ChunkedArray, field: pa.Field, table: str) -> pa.ChunkedArray:
    import pyarrow as pa

    if pa.types.is_decimal(field.type) and pa.types.is_floating(column.type):
        raise PublishError(
            "money came as floating point", table=table, column=field.name, hint=f"Hand it over as {field.type}."
        )
    try:
        if pa.types.is_decimal(field.type) and pa.types.is_integer(column.type):
            column = column.cast(pa.decimal128(38, field.type.scale))  # a direct cast looks at the type, not at values
        cast = column if column.type == field.type else column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise PublishError(
            f"values of type {column.type} don't fit into {field.type}", table=table, column=field.name
        ) from None
    check_required(cast, field, table)
    return cast


def check_required(column: pa.ChunkedArray, field: pa.Field, table: str) -> None:
    """Raise PublishError where a value that is required is missing."""
    if column.null_count and not field.nullable:
        raise PublishError(f"{column.null_count} rows lack a value that is required", table=table, column=field.name)


def check_day(column: pa.ChunkedArray, table: str, as_of: date) -> None:
    """Raise PublishError for rows of another day."""
    import pyarrow.compute as pc

    others = [day for day in pc.unique(column).to_pylist() if day != as_of]
    if others:
        raise PublishError(
            "rows of another day", table=table, as_of=as_of, days=", ".join(map(str, sorted(others)[:5]))
        )
