"""A published table in a Parquet file, too large to be held: checked, digested and loaded in parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from ddcrm.errors import PublishError

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Table

_BATCH_ROWS = 65_536


@dataclass(frozen=True)
class StoredTable:
    """The file; its rows stand in the order of the table's key."""

    file: Path

    @property
    def num_rows(self) -> int:
        """How many rows it has."""
        import pyarrow.parquet as pq

        return int(pq.read_metadata(self.file).num_rows)

    def fits(self, definition: Table) -> bool:
        """Whether it has the columns of the published table, in their order and types."""
        import pyarrow.parquet as pq

        from ddcrm.warehouse.tables import arrow_schema

        return bool(pq.read_schema(self.file).types == arrow_schema(definition).types
                    and pq.read_schema(self.file).names == arrow_schema(definition).names)  # fmt: skip

    def reader(self) -> pa.RecordBatchReader:
        """The rows as they are loaded, a few at a time."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = pq.ParquetFile(self.file)
        return pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches(_BATCH_ROWS))

    def whole(self) -> pa.Table:
        """All rows."""
        import pyarrow.parquet as pq

        return pq.read_table(self.file)

    def digest(self, definition: Table, as_of: date) -> str:
        """What `digest_table` says of it; holds one column at a time.

        Raises PublishError for rows of another day, without a required value, or not unique in the order of the key.
        """
        import pyarrow.parquet as pq

        from ddcrm.warehouse.digest import digest_columns

        self._check(definition, as_of)
        names = [column.name for column in definition.columns]
        return digest_columns(self.num_rows, names, lambda name: pq.read_table(self.file, columns=[name])[name])

    def _check(self, definition: Table, as_of: date) -> None:
        import pyarrow as pa

        from ddcrm.warehouse.digest import ascends
        from ddcrm.warehouse.shape import check_day, check_required
        from ddcrm.warehouse.tables import arrow_schema, key_of

        key, schema = key_of(definition), arrow_schema(definition)
        required = [field for field in schema if not field.nullable]
        last: pa.Table | None = None
        for part in self._parts(list(dict.fromkeys([*key, *(field.name for field in required)]))):
            for field in required:
                check_required(part[field.name], field, definition.name)
            check_day(part["as_of"], definition.name, as_of)
            if not ascends(part if last is None else pa.concat_tables([last, part]), key):
                hint = "Each key may come once a day; remove the staged day and score it again."
                raise PublishError(f"rows are not unique by {', '.join(key)}, or not in its order",
                                   table=definition.name, hint=hint)  # fmt: skip
            last = part.slice(part.num_rows - 1)

    def _parts(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        import pyarrow.parquet as pq

        file = pq.ParquetFile(self.file)
        groups = (file.read_row_group(number, columns=list(columns)) for number in range(file.num_row_groups))
        return (group for group in groups if group.num_rows)
