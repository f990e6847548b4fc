"""Delta tables whose files the engine writes: stage Parquet files unseen, then commit them in one transaction.

A commit replaces whole partitions. Files are written with fresh names, so a killed writer leaves only files that no
table refers to. Commits of one table are serialised by a lock file: two writers of one partition end as one of them.
"""

from __future__ import annotations

import json
import operator
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddcrm.atomic import locked
from ddcrm.errors import ConcurrentWriteError
from ddcrm.lake.engine import Engine, literal, quoted, storage_errors

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

Filter = tuple[str, str, str]
_ATTEMPTS = 8


@dataclass(frozen=True)
class StagedFile:
    """One Parquet file that no table refers to yet; `path` is relative to its folder."""

    path: str
    size: int
    rows: int
    partition: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """The file as JSON-ready values."""
        return asdict(self)


def stage(
    engine: Engine, query: str, folder: Path, partition_by: Sequence[str], order_by: str = ""
) -> list[StagedFile]:
    """Write the rows of `query` as Parquet below `folder`, a sub-folder a partition; nothing refers to them yet."""
    token = secrets.token_hex(6)
    columns = ", ".join(quoted(name) for name in partition_by)
    order = f" ORDER BY {order_by}" if order_by else ""
    target = literal(str(folder))
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        result = engine.con.execute(
            f"COPY (SELECT * FROM ({query}){order}) TO {target} (FORMAT parquet, COMPRESSION zstd, "
            f"PARTITION_BY ({columns}), APPEND, FILENAME_PATTERN '{token}-{{uuid}}', RETURN_STATS)"
        )
        names = [column[0] for column in result.description]
        return [_staged(dict(zip(names, row, strict=True)), folder) for row in result.fetchall()]


def _staged(stats: Mapping[str, Any], folder: Path) -> StagedFile:
    partition = {key.strip('"'): value for key, value in dict(stats["partition_keys"] or {}).items()}
    return StagedFile(os.path.relpath(stats["filename"], folder), stats["file_size_bytes"], stats["count"], partition)


def stage_table(table: pa.Table, folder: Path, partition_by: str) -> list[StagedFile]:
    """The same for rows that are in memory: a file for each value of one column of texts, rows in their order.

    Many small files are written in a tenth of the time that the engine takes.
    """
    import numpy as np

    column = table[partition_by].combine_chunks().dictionary_encode()
    codes, values = column.indices.to_numpy(), column.dictionary.to_pylist()
    order = np.argsort(codes, kind="stable")
    rows = table.drop_columns(partition_by)
    rows = rows if np.array_equal(order, np.arange(len(order))) else rows.take(order)
    sizes = np.bincount(codes, minlength=len(values))
    starts = np.cumsum(sizes) - sizes
    return [
        _written(rows.slice(start, size), folder, {partition_by: value}, "rows")
        for value, start, size in zip(values, starts, sizes, strict=True)
    ]


def stage_empty(schema: pa.Schema, folder: Path, partitions: Sequence[Mapping[str, str]]) -> list[StagedFile]:
    """For each partition a file with these columns and no rows: it arrived, and was empty."""
    nothing = schema.empty_table()
    return [_written(nothing, folder, partition, "empty") for partition in partitions]


def _written(rows: pa.Table, folder: Path, partition: Mapping[str, str], kind: str) -> StagedFile:
    import pyarrow.parquet as pq

    place = folder.joinpath(*(f"{name}={value}" for name, value in partition.items()))
    file = place / f"{secrets.token_hex(6)}-{kind}.parquet"
    with storage_errors(folder):
        place.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, file, compression="zstd")
    return StagedFile(str(file.relative_to(folder)), file.stat().st_size, rows.num_rows, dict(partition))


def discard(staged: Sequence[StagedFile], folder: Path) -> None:
    """Remove staged files that will not be committed."""
    for file in staged:
        (folder / file.path).unlink(missing_ok=True)


class Table:
    """One Delta table: where it is and how it is partitioned."""

    def __init__(self, folder: Path, partition_by: Sequence[str]) -> None:
        self.folder = folder
        self.partition_by = list(partition_by)

    def exists(self) -> bool:
        """Whether anything was committed to the table."""
        return (self.folder / "_delta_log").is_dir()

    def files(self, filters: Sequence[Filter] = ()) -> list[str]:
        """The Parquet files of the newest version whose partition satisfies all `filters` (compared as text)."""
        return sorted(file for file, _ in self.listing(filters))

    def listing(self, filters: Sequence[Filter] = ()) -> list[tuple[str, dict[str, str]]]:
        """The same with each file's partition values."""
        if not self.exists():
            return []
        files = [(file, _partition_of(file)) for file in self._load().file_uris()]
        return [(file, partition) for file, partition in files if all(_satisfies(partition, one) for one in filters)]

    def content(self) -> list[StagedFile]:
        """The files of the newest version, as they were committed, in the order of their paths."""
        import pyarrow as pa

        if not self.exists():
            return []
        rows = pa.table(self._load().get_add_actions(flatten=True)).to_pylist()
        found = (
            StagedFile(row["path"], row["size_bytes"], row["num_records"],
                       {name: row[f"partition.{name}"] for name in self.partition_by})
            for row in rows
        )  # fmt: skip
        return sorted(found, key=lambda file: file.path)

    def schema(self) -> pa.Schema:
        """The columns of the newest version."""
        import pyarrow as pa

        return pa.schema(self._load().schema().to_arrow())

    def version(self) -> int:
        """The newest version; -1 where there is none."""
        return int(self._load().version()) if self.exists() else -1

    def commit(self, staged: Sequence[StagedFile], schema: pa.Schema, replace: Sequence[tuple[str, str, Any]]) -> int:
        """Replace the partitions that satisfy `replace` by the staged files (relative to the table's folder).

        Here a condition may also be (column, "in", list of values).

        Columns that the table has and the files lack stay, as NULL. Returns the new version.
        """
        from deltalake.exceptions import CommitFailedError, TableNotFoundError

        with storage_errors(self.folder), locked(self.folder):
            for _ in range(_ATTEMPTS):
                try:
                    table = self._load_or_create(schema)
                    table.create_write_transaction(
                        [_add(file) for file in staged],
                        "overwrite",
                        _merged(table, schema),
                        partition_by=self.partition_by,
                        partition_filters=list(replace),
                    )
                    return self.version()
                except (CommitFailedError, TableNotFoundError):
                    continue
        raise ConcurrentWriteError(
            "other writers of this table were faster", table=self.folder.name, hint="Run the step again."
        )

    def superseded(self, hours: int) -> list[Path]:
        """Files below the folder that no version of the last `hours` has: replaced ones, those of killed writers."""
        named = [self.folder / file for file in self._vacuum(hours, dry_run=True)] if self.exists() else []
        return [file for file in named if file.is_file()]  # the log goes on naming those that are gone

    def vacuum(self, hours: int) -> None:
        """Remove them; nobody may link files into the folder meanwhile (`ddcrm.pipeline.shadow.lake_gate`)."""
        with storage_errors(self.folder), locked(self.folder):
            self._vacuum(hours, dry_run=False)

    def _vacuum(self, hours: int, *, dry_run: bool) -> list[str]:
        return self._load().vacuum(hours, dry_run=dry_run, enforce_retention_duration=False, full=True)

    def _load(self) -> DeltaTable:
        from deltalake import DeltaTable

        return DeltaTable(str(self.folder))

    def _load_or_create(self, schema: pa.Schema) -> DeltaTable:
        from deltalake import DeltaTable, Schema

        if not self.exists():
            return DeltaTable.create(
                str(self.folder), Schema.from_arrow(schema), mode="ignore", partition_by=self.partition_by
            )
        return self._load()


def _merged(table: DeltaTable, schema: pa.Schema) -> Any:
    """The table's columns, then those that are new (names are compared without case, as the engine does)."""
    import pyarrow as pa
    from deltalake import Schema

    old = pa.schema(table.schema().to_arrow())
    known = {name.lower() for name in old.names}
    return Schema.from_arrow(pa.schema([*old, *(field for field in schema if field.name.lower() not in known)]))


def _add(file: StagedFile) -> Any:
    from deltalake.transaction import AddAction

    return AddAction(
        path=file.path,
        size=file.size,
        partition_values=file.partition,
        modification_time=0,
        data_change=True,
        stats=json.dumps({"numRecords": file.rows}),
    )


def _satisfies(partition: Mapping[str, str], condition: Filter) -> bool:
    name, sign, value = condition
    return {"=": operator.eq, "<=": operator.le, ">=": operator.ge}[sign](partition[name], value)


def _partition_of(file: str) -> dict[str, str]:
    parts = (part.partition("=") for part in file.split("/")[:-1] if "=" in part)
    return {name: value for name, _, value in parts}
