"""Scored days on disk, between `score` and `publish`: Parquet files with a manifest, whole or not there.

    <lake>/scores/<as_of>/<key>/<table>.parquet, manifest.json   one scored day; `key` says what it was computed from
                         /current.json                           which of them stands for the day

They can be removed at any time: scoring makes them again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddcrm.atomic import locked, to_json, write_folder, write_json
from ddcrm.errors import LakeError, MissingDataError
from ddcrm.progress import point
from ddcrm.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa

    from ddcrm.warehouse.stored import StoredTable

LARGE_ROWS = 1 << 21  # of a table that is published without being held whole
_PLAIN = ("customer_id", "p_alive", "expected_orders_90d", "expected_orders_365d", "clv_365d", "monetary_value")


@dataclass(frozen=True)
class StagedDay:
    """One scored day: its folder and its manifest."""

    folder: Path
    manifest: Mapping[str, Any]

    def read(self, table: str, **options: Any) -> pa.Table:
        """One of its tables; raises LakeError where the file is not the one of the manifest."""
        import pyarrow.parquet as pq

        return pq.read_table(self.file(table), **options)

    def file(self, table: str) -> Path:
        """The file of one of its tables; raises LakeError where it is not the one of the manifest."""
        file = self.folder / f"{table}.parquet"
        if _sha256(file) != self.manifest["tables"][table]["sha256"]:
            hint = f"Remove {self.folder} and score the day again."
            raise LakeError("a staged table is not the one of its manifest", file=str(file), hint=hint)
        return file


def stage_day(
    settings: Settings, as_of: date, key: str, tables: Mapping[str, pa.Table | pa.RecordBatchReader],
    facts: Mapping[str, Any],
) -> StagedDay:  # fmt: skip
    """Write a scored day and make it the current one; what stood for the day before is removed."""
    from ddcrm.lake.engine import storage_errors

    folder = _folder(settings, as_of)
    with storage_errors(folder), locked(folder):
        write_folder(folder / key, partial(_write, tables=tables, facts={"as_of": str(as_of), "key": key, **facts}))
        point("score.staged", as_of=str(as_of), tables=len(tables))
        _make_current(folder, key)
        return StagedDay(folder / key, _manifest(folder / key))


def find_staged(settings: Settings, as_of: date, key: str) -> StagedDay | None:
    """The scored day of this key, made the current one, if it is there."""
    from ddcrm.lake.engine import storage_errors

    folder = _folder(settings, as_of)
    if not (folder / key).is_dir():
        return None
    with storage_errors(folder), locked(folder):
        if not (folder / key).is_dir():
            return None
        _make_current(folder, key)
        return StagedDay(folder / key, _manifest(folder / key))


@contextmanager
def reading_day(settings: Settings, as_of: date) -> Iterator[StagedDay | None]:
    """The scored day that stands for `as_of`, if there is one; it stays there as long as the block lasts."""
    folder = _folder(settings, as_of)
    if not (folder / "current.json").is_file():
        yield None
        return
    with locked(folder, shared=True):
        if not (folder / "current.json").is_file():  # removed meanwhile
            yield None
            return
        key = json.loads((folder / "current.json").read_text("utf-8"))["key"]
        yield StagedDay(folder / key, _manifest(folder / key))


@contextmanager
def reading_tables(settings: Settings, as_of: date) -> Iterator[tuple[StagedDay, dict[str, pa.Table | StoredTable]]]:
    """The scored day that stands for `as_of`, and its tables; large ones are left where they are, as long as it lasts.

    Raises MissingDataError where the day was not scored.
    """
    with ExitStack() as held:
        day = held.enter_context(reading_day(settings, as_of))
        if day is None:
            hint = f"Score it first: ddcrm score --as-of {as_of}"
            raise MissingDataError("this day was not scored", as_of=str(as_of), hint=hint)
        tables = {name: _table(day, name) for name in day.manifest["tables"]}
        if all(table["rows"] <= LARGE_ROWS for table in day.manifest["tables"].values()):
            held.close()  # nothing is read any more: the day may be scored again
        yield day, tables


def _table(day: StagedDay, name: str) -> pa.Table | StoredTable:
    from ddcrm.warehouse.stored import StoredTable

    return StoredTable(day.file(name)) if day.manifest["tables"][name]["rows"] > LARGE_ROWS else day.read(name)


def _folder(settings: Settings, as_of: date) -> Path:
    return settings.lake_dir / "scores" / str(as_of)


def _manifest(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    return manifest


def _make_current(folder: Path, key: str) -> None:
    write_json(folder / "current.json", {"key": key})
    point("score.current", as_of=folder.name)
    for other in folder.iterdir():
        if other.is_dir() and other.name != key:
            shutil.rmtree(other)


def _sha256(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _write_table(table: pa.Table | pa.RecordBatchReader, file: Path, **options: Any) -> int:
    """Write the table, or its parts as they come; returns the number of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if isinstance(table, pa.Table):
        pq.write_table(table, file, **options)
        return int(table.num_rows)
    rows = 0
    with pq.ParquetWriter(file, table.schema, **options) as writer:
        for part in table:
            writer.write_batch(part)
            rows += part.num_rows
    return rows


def _write(folder: Path, tables: Mapping[str, pa.Table | pa.RecordBatchReader], facts: Mapping[str, Any]) -> None:
    written = {}
    for name, table in tables.items():
        file = folder / f"{name}.parquet"
        repeated = [column for column in table.schema.names if column not in _PLAIN]
        rows = _write_table(table, file, compression="lz4", use_dictionary=repeated)
        written[name] = {"rows": rows, "sha256": _sha256(file)}
        point("score.writing", table=name, rows=rows)
    (folder / "manifest.json").write_text(to_json({**facts, "tables": written}), "utf-8")
