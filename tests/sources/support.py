"""Contracts and readings for the tests of sources."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from ddcrm.contracts.model import Column, Contract, Server
from ddcrm.dates import DateRange
from ddcrm.settings import Settings
from ddcrm.sources import Part, open_source

DAY = "2026-03-05"


def contract(server: Server, columns: Sequence[str | Column] = ("id", "name", "amount"), **more: Any) -> Contract:
    """A contract of a source called shop; columns are text unless they are given whole."""
    whole = tuple(column if isinstance(column, Column) else Column(column, column, "string") for column in columns)
    return Contract("shop", "1.0.0", "orders", date(2020, 1, 1), whole, server, **more)


def csv_contract(path: str = "shop.csv", known: Sequence[str] = ("id", "name", "amount"), **options: Any) -> Contract:
    """A contract of a CSV file."""
    allow_empty = options.pop("allow_empty", False)
    return contract(Server("file", format="csv", path=path, options=options), known, allow_empty=allow_empty)


def days(first: str = DAY, last: str | None = None) -> DateRange:
    """A range of days."""
    return DateRange.parse(first, last)


def read_part(part: Part) -> pa.Table:
    """All rows of a part, which must then be complete."""
    table = part.reader.read_all()
    assert part.finished
    assert part.error is None
    assert part.rows == table.num_rows
    assert table.schema.names == [*part.columns, "_source", "_line", "_batch_date"]
    assert set(table.schema.types) <= {pa.string(), pa.int64()}
    return table


def read_all(contract: Contract, settings: Settings, dates: DateRange | None = None) -> list[pa.Table]:
    """The tables of all parts."""
    return [read_part(part) for part in open_source(contract, settings, dates or days())]


def rows(table: pa.Table, *names: str) -> list[tuple[Any, ...]]:
    """Rows of some columns; of all the source's, if none are named."""
    wanted = names or tuple(name for name in table.schema.names if name not in ("_source", "_line", "_batch_date"))
    return list(zip(*(table.column(name).to_pylist() for name in wanted), strict=True))


def read_csv(folder: Path, data: bytes | str, **options: Any) -> pa.Table:
    """Write `data` as shop.csv and read it."""
    (folder / "shop.csv").write_bytes(data.encode() if isinstance(data, str) else data)
    [table] = read_all(csv_contract(**options), Settings(sources_dir=folder))
    return table


def squeezed(lines: Iterable[str]) -> bytes:
    """Lines as a gzip file."""
    return gzip.compress("".join(f"{line}\n" for line in lines).encode())
