"""A digest of what a table says: sha256 of its content in the order of its key.

Two tables have the same digest exactly when they have the same columns (names, order, logical types) and the same rows.
How the rows are ordered, cut into chunks or dictionary-encoded makes no difference; a NULL differs from an empty text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ddcrm.errors import PublishError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from ddcrm.warehouse.connect import Warehouse

_FORMAT = b"ddcrm table digest 1\n"


def digest_table(table: pa.Table, key: Sequence[str]) -> str:
    """The digest, 64 hexadecimal digits; `key` names the columns that tell rows apart.

    Raises PublishError where two rows have the same key or a key is NULL, for then no order is the right one.
    """
    import pyarrow as pa

    order = _order(table, key)

    def column(name: str) -> pa.ChunkedArray:
        values = table[name]
        if pa.types.is_string_view(values.type):  # pyarrow takes no rows of it
            values = values.cast(pa.large_string())
        return values if order is None else values.take(order)

    return digest_columns(table.num_rows, table.column_names, column)


def digest_columns(rows: int, names: Sequence[str], column: Callable[[str], pa.ChunkedArray]) -> str:
    """The digest of a table by its columns in the order of the key, asked for one at a time: no more is held."""
    digest = sha256(_FORMAT + f"{rows}\n".encode())
    for name in names:
        digest.update(_column_digest(name, _plain(column(name))))
    return digest.hexdigest()


def ascends(table: pa.Table, key: Sequence[str]) -> bool:
    """Whether each row's key is greater than the one before; none of it may be NULL."""
    return _ascends([_plain(table[name]) for name in key])


def digest_published(warehouse: Warehouse, table: str, as_of: date) -> str:
    """The digest of one published day as PostgreSQL has it now; equal to that of the table that was published."""
    from ddcrm.warehouse.tables import key_of, metadata

    return digest_table(read_published(warehouse, table, as_of), key_of(metadata.tables[f"crm.{table}"]))


def read_published(warehouse: Warehouse, table: str, as_of: date) -> pa.Table:
    """The rows of one published day, with the types of `tables.arrow_schema`."""
    from ddcrm.warehouse.tables import arrow_schema, metadata

    schema = arrow_schema(metadata.tables[f"crm.{table}"])
    columns = ", ".join(f'"{name}"' for name in schema.names)
    with warehouse.adbc() as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM crm.\"{table}\" WHERE as_of = DATE '{as_of.isoformat()}'")
        return _cast(cursor.fetch_arrow_table(), schema)


def sort_by_key(table: pa.Table, key: Sequence[str]) -> pa.Table:
    """The rows in the order of `key` (text by its bytes); raises PublishError where it does not tell them apart."""
    order = _order(table, key)
    return table if order is None else table.take(order)


def _order(table: pa.Table, key: Sequence[str]) -> pa.Array | None:
    """The row numbers in the order of `key`, None where the rows stand in it already."""
    for name in key:
        if table[name].null_count:
            raise PublishError(f"the key {name!r} is NULL in {table[name].null_count} rows")
    columns = [_plain(table[name]) for name in key]
    if _ascends(columns):
        return None
    order = _sort_indices(columns)
    if not _ascends([column.take(order) for column in columns]):
        raise PublishError(f"rows are not unique by {', '.join(key)}", hint="Each key may come once a day.")
    return order


def _sort_indices(columns: Sequence[pa.Array]) -> pa.Array:
    """The row numbers in the order of `columns`; those with one value for all rows need no look."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = [str(n) for n, column in enumerate(columns) if pc.min_max(column)["min"] != pc.min_max(column)["max"]]
    if len(names) == 1:
        return pc.array_sort_indices(columns[int(names[0])])
    table = pa.table({name: columns[int(name)] for name in names or ["0"]})
    return pc.sort_indices(table, sort_keys=[(name, "ascending") for name in table.column_names])


def _ascends(columns: Sequence[pa.Array]) -> bool:
    """Whether each row's key is greater than the one before."""
    import pyarrow.compute as pc

    rising: Any = None
    for column in reversed(columns):
        before, after = column[:-1], column[1:]
        less, equal = pc.less(before, after), pc.equal(before, after)
        rising = less if rising is None else pc.or_(less, pc.and_(equal, rising))
    return rising is None or bool(pc.all(rising, min_count=0).as_py())


def _plain(column: pa.ChunkedArray) -> pa.Array:
    """One array, without dictionary, of the type that all ways of storing the same logical values share."""
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    if text:
        kind = pa.large_string()
    elif pa.types.is_decimal(kind) and kind.precision <= 38:
        kind = pa.decimal128(kind.precision, kind.scale)
    if kind != column.type:
        column = column.cast(kind)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], kind)


def _column_digest(name: str, array: pa.Array) -> bytes:
    import numpy as np

    digest = sha256(f"{name}\0{array.type}\n".encode())
    digest.update(np.packbits(array.is_valid().to_numpy(zero_copy_only=False)).tobytes())
    for values in _values(array):
        digest.update(np.ascontiguousarray(values).data)
    return digest.digest()


def _values(array: pa.Array) -> tuple[np.ndarray, ...]:
    """The bytes of the values, with what stands under a NULL made zero."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_large_string(array.type):
        return _text_values(array.fill_null(""))
    if pa.types.is_boolean(array.type):
        return (array.fill_null(False).to_numpy(zero_copy_only=False),)
    if not pa.types.is_primitive(array.type) and not pa.types.is_decimal(array.type):
        raise TypeError(f"no digest for columns of type {array.type}")
    width = array.type.bit_width // 8
    raw = np.frombuffer(array.buffers()[1] or b"", "u1")[array.offset * width : (array.offset + len(array)) * width]
    if pa.types.is_floating(array.type):
        floats = raw.view(array.type.to_pandas_dtype())
        raw = np.where(np.isnan(floats), floats.dtype.type("nan"), floats).view("u1")  # NaN has many bit patterns
    if array.null_count:
        raw = np.where(array.is_valid().to_numpy(zero_copy_only=False)[:, None], raw.reshape(-1, width), np.uint8(0))
    return (raw,)


def _text_values(array: pa.Array) -> tuple[np.ndarray, ...]:
    import numpy as np

    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets or b"\0" * 8, "i8")[array.offset : array.offset + len(array) + 1]
    text = np.frombuffer(data or b"", "u1")[bounds[0] : bounds[-1]]
    return np.diff(bounds), text


def _cast(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """From what ADBC hands over (numeric as text) to `schema`."""
    import pyarrow as pa

    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        chunks = [chunk.storage if isinstance(chunk, pa.ExtensionArray) else chunk for chunk in column.chunks]
        kind = column.type.storage_type if isinstance(column.type, pa.BaseExtensionType) else column.type
        columns.append(pa.chunked_array(chunks, kind).cast(schema.field(name).type))
    return pa.table(columns, schema=schema)
