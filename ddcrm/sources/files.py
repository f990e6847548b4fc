"""Files of a source as parts: one a day by the path, or one file whose rows are picked by a column."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from ddcrm.contracts.model import Contract
from ddcrm.dates import DateRange
from ddcrm.errors import ContractError, MissingDataError
from ddcrm.settings import Settings
from ddcrm.sources.bytestream import text_blocks
from ddcrm.sources.columns import expected_columns
from ddcrm.sources.location import Location, locate, missing
from ddcrm.sources.part import Part, make_part, stamped

if TYPE_CHECKING:
    import pyarrow as pa


class _File(Protocol):
    @property
    def columns(self) -> tuple[str, ...] | None: ...

    def batches(self) -> Iterator[pa.RecordBatch]: ...


def open_files(contract: Contract, settings: Settings, dates: DateRange) -> Iterator[Part]:
    """The parts of a file source. Raises MissingDataError for files that are not there (all of a range in one error)
    and, unless the contract allows it, for files without rows."""
    if "{batch_date" in contract.server.path:
        locations = [locate(contract, settings, day, str(day)) for day in dates]
        absent = [location for location in locations if not location.exists()]
        if absent:
            raise missing(absent)
        for day, location in zip(dates, locations, strict=True):
            yield _whole(contract, location, DateRange(day, day))
    elif contract.server.options.get("partition_column"):
        yield _picked(contract, locate(contract, settings, dates.last, str(dates)), dates)
    else:  # the whole file is what is known on the last day
        last = DateRange(dates.last, dates.last)
        yield _whole(contract, locate(contract, settings, dates.last, str(last)), last)


def _whole(contract: Contract, location: Location, day: DateRange) -> Part:
    columns, batches = _filled(contract, location)
    return make_part(contract.source, day, columns, stamped(batches, location.name, str(day)))


def _picked(contract: Contract, location: Location, dates: DateRange) -> Part:
    from ddcrm.sources.pick import DayPicker

    columns, batches = _filled(contract, location)
    picker = DayPicker(contract, columns, dates, location.facts)
    return make_part(contract.source, dates, columns, picker.picked(batches, location.name))


def _filled(contract: Contract, location: Location) -> tuple[tuple[str, ...], Iterator[pa.RecordBatch]]:
    """Columns and batches of a file; the first batch is read now, so that an empty file is known before it is used."""
    file = _open(contract, location)
    batches = file.batches()
    first = next((batch for batch in batches if batch.num_rows), None)
    if first is not None:
        return file.columns or (), chain([first], batches)
    if not contract.allow_empty:
        what = "the file has a header and no rows" if file.columns else "the file is empty"
        raise MissingDataError(
            what, **location.facts, hint="Deliver the day's rows, or say in the contract that a day may be empty."
        )
    return file.columns or expected_columns(contract), iter(())


def _open(contract: Contract, location: Location) -> _File:
    options = contract.server.options
    kind = contract.server.format
    if kind == "parquet":
        from ddcrm.sources.parquet import ParquetFile

        return ParquetFile(location)
    blocks = text_blocks(location, str(options.get("encoding") or "utf-8"), str(options.get("compression") or "auto"))
    if kind == "csv":
        from ddcrm.sources.csv_file import CsvFile
        from ddcrm.sources.dialect import dialect_of

        return CsvFile(blocks, dialect_of(contract), location.facts, len(expected_columns(contract)))
    if kind in ("json", "jsonl"):
        from ddcrm.sources.json_document import document_rows
        from ddcrm.sources.json_lines import json_rows
        from ddcrm.sources.spool import Spool

        rows = document_rows if kind == "json" else json_rows
        return Spool(rows(blocks, location.facts), location.facts)
    raise ContractError(
        f"files of the format {kind!r} can't be read",
        source=contract.source,
        file=contract.file,
        hint="csv, jsonl, json and parquet can.",
    )
