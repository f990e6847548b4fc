"""Writing deliveries: a file a day, the same bytes whenever it is written."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ddcrm.demo.parameters import Company

if TYPE_CHECKING:
    import pyarrow as pa

Encode = Callable[[pd.DataFrame], bytes]


def write_days(
    company: Company, folder: Path, name: str, rows: pd.DataFrame, encode: Encode, days: Iterable[int]
) -> int:
    """Write `folder/<day>/<name>` for each of the days, of the rows whose `batch` it is; returns the number of rows."""
    by_day = dict(iter(rows.drop(columns="batch").groupby(rows["batch"])))
    none, count = encode(rows.drop(columns="batch").iloc[:0]), 0  # what most days of some sources have
    for day in days:
        path = folder / str(company.day(day)) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        chosen = by_day.get(day)
        path.write_bytes(none if chosen is None else encode(chosen))
        count += 0 if chosen is None else len(chosen)
    return count


def csv_bytes(delimiter: str = ",", encoding: str = "utf-8", compress: bool = False) -> Encode:
    """An encoder of text columns: a header, minimal quoting, LF; gzip without a time in it."""

    def encode(rows: pd.DataFrame) -> bytes:
        buffer = io.StringIO()
        writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n")
        writer.writerow(rows.columns)
        writer.writerows(zip(*(rows[name].to_numpy(dtype=object) for name in rows), strict=True))
        data = buffer.getvalue().encode(encoding)
        return gzip.compress(data, compresslevel=6, mtime=0) if compress else data

    return encode


def line_bytes(rows: pd.DataFrame) -> bytes:
    """The column `line`, a line each (JSON lines that are made already)."""
    return "".join(f"{line}\n" for line in rows["line"].to_numpy(dtype=object)).encode()


def json_lines(records: Iterable[dict[str, object]]) -> list[str]:
    """Records as compact JSON, letters as they are."""
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    return [encode(record) for record in records]


def parquet_bytes(rows: pd.DataFrame, schema: pa.Schema | None = None) -> bytes:
    """Parquet with the frame's columns (with these types, else by their values) and nothing of pandas in it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    table = pa.Table.from_pandas(rows, schema=schema, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def records(frame: pd.DataFrame, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The rows as dicts of plain values, NaN and NaT as None."""
    chosen = frame if columns is None else frame[list(columns)]
    names = [str(name) for name in chosen]
    plain = chosen.astype(object).where(chosen.notna(), None)
    return [dict(zip(names, row, strict=True)) for row in plain.itertuples(index=False, name=None)]
