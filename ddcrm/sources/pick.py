"""Rows of one file by their day: the days of a partition column, as the contract writes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ddcrm.contracts.model import Contract
from ddcrm.dates import DateRange
from ddcrm.errors import MalformedDataError, MissingDataError, SchemaChangedError
from ddcrm.sources.columns import find_column
from ddcrm.sources.part import part_schema, shown_days

if TYPE_CHECKING:
    import pyarrow as pa


class DayPicker:
    """Keeps the rows of a range of days and says the day of each; the engine reads the dates, as it does in conforming.

    A value without an offset is meant in the column's time zone, and the day is the one of the contract's. Raises
    SchemaChangedError where the column is not there, MalformedDataError with the line of a value that is no date, and
    at the end MissingDataError for days without rows, unless the contract allows them.
    """

    def __init__(self, contract: Contract, columns: Sequence[str], dates: DateRange, facts: dict[str, Any]) -> None:
        wanted = str(contract.server.options["partition_column"])
        found = find_column(wanted, columns)
        if found is None:
            raise SchemaChangedError(
                "the partition column is not in the file",
                **facts,
                column=wanted,
                missing=wanted,
                hint="Correct it in the contract; a new version may be due.",
            )
        self._column, self._dates, self._facts = found, dates, facts
        self._allow_empty = contract.allow_empty
        self._format = contract.server.options.get("partition_format")
        self._query, self._parameters = _query(contract, found)
        self._connection = _connection(contract.timezone)

    def picked(self, batches: Iterator[pa.RecordBatch], source: str) -> Iterator[pa.RecordBatch]:
        """The batches' rows of the range, with `_source` and `_batch_date`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        seen: set[str] = set()
        for batch in batches:
            days = self._days(batch)
            mask = pc.and_(pc.greater_equal(days, self._dates.first), pc.less_equal(days, self._dates.last))
            *values, line = batch.filter(mask).columns
            if not len(line):
                continue
            constant = pa.repeat(pa.scalar(source, pa.string()), len(line))
            texts = days.filter(mask).cast(pa.string())
            seen.update(texts.unique().to_pylist())
            names = tuple(batch.schema.names[:-1])
            yield pa.record_batch([*values, constant, line, texts], schema=part_schema(names))
        empty = [day for day in map(str, self._dates) if day not in seen]
        if empty and not self._allow_empty:
            raise MissingDataError(
                "the file has no rows of the day", **(self._facts | {"partition": shown_days(empty)}),
                hint="Deliver them, or say in the contract that a day may be empty.",
            )  # fmt: skip

    def _days(self, batch: pa.RecordBatch) -> pa.Array:
        import pyarrow as pa

        values = batch.column(self._column)
        self._connection.register("batch", pa.table({"value": values}))
        days = self._connection.execute(self._query, self._parameters).to_arrow_table().column(0).combine_chunks()
        if days.null_count:
            row = days.is_null().index(True).as_py()
            raise self._no_date(batch.column("_line")[row].as_py(), empty=not values[row].is_valid)
        return days

    def _no_date(self, line: int, empty: bool) -> MalformedDataError:
        what = "the partition column is empty" if empty else "the partition column is not a date"
        form = f" as {self._format}" if self._format else ""
        return MalformedDataError(
            what,
            **self._facts,
            row=line,
            column=self._column,
            hint=f"Each row needs its day{form}: correct the file, or the format in the contract.",
        )


def _query(contract: Contract, name: str) -> tuple[str, list[str]]:
    """SQL for the day of each value; without a format whatever the engine takes for a moment in ISO's order."""
    pattern = contract.server.options.get("partition_format")
    zone = next((column.timezone for column in contract.columns if column.source_name == name), None)
    moment, parameters = "TRY_CAST(value AS TIMESTAMPTZ)", []
    if pattern:
        from ddcrm.contracts import to_strptime

        moment, parameters = "try_strptime(value, ?)", [to_strptime(str(pattern))]
        if "%z" not in parameters[0].lower() and zone not in (None, contract.timezone):
            moment, parameters = f"timezone(?, {moment})", [str(zone), *parameters]
    return f"SELECT CAST({moment} AS DATE) FROM batch", parameters


def _connection(timezone: str) -> Any:
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    connection.execute(f"SET TimeZone = '{timezone.replace(chr(39), chr(39) * 2)}'")
    return connection
