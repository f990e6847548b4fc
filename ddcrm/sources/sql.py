"""Tables of a database as parts: the rows of a range of days by a cursor column, or the whole table as it is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from ddcrm.contracts.model import Contract
from ddcrm.dates import DateRange
from ddcrm.errors import MissingDataError, SourceError
from ddcrm.settings import Settings
from ddcrm.sources.part import Part, make_part, shown_days
from ddcrm.sources.sql_errors import database_errors
from ddcrm.sources.sql_query import Query, plan

if TYPE_CHECKING:
    import pyarrow as pa


def open_sql(contract: Contract, settings: Settings, dates: DateRange) -> Iterator[Part]:
    """The one part of a database source. Raises MissingDataError at its end for days without rows, unless the contract
    allows them."""
    from ddcrm.sources.sql_connect import Database

    secret = contract.server.secret or contract.source
    days = dates if contract.server.options.get("cursor_column") else DateRange(dates.last, dates.last)
    database = Database(settings.secret(secret, source=contract.source, partition=str(days)), secret)
    facts = {"source": contract.source, "partition": str(days), "table": contract.server.table}
    with database_errors(database, facts):
        query = plan(contract, database, days, facts)
    batches = _read(query, database, facts)
    first = next(batches, None)  # so that what is wrong from the start is known at once
    batches = chain([first], batches) if first is not None else iter(())
    yield make_part(contract.source, days, query.columns, _counted(batches, contract, days, facts))


def _read(query: Query, database: Any, facts: dict[str, Any]) -> Iterator[pa.RecordBatch]:
    if database.postgresql:
        from ddcrm.sources.sql_postgres import read
    else:
        from ddcrm.sources.sql_other import read
    batches = read(query, database)
    while True:
        with database_errors(database, facts):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def _counted(
    batches: Iterator[pa.RecordBatch], contract: Contract, dates: DateRange, facts: dict[str, Any]
) -> Iterator[pa.RecordBatch]:
    """The batches with a check at their end: every day has rows, and no row is of another day."""
    seen: set[str] = set()
    for batch in batches:
        seen.update(batch.column("_batch_date").unique().to_pylist())
        yield batch
    wanted = [str(day) for day in dates]
    if seen - set(wanted):
        raise SourceError(
            "the database gave rows of other days than were asked for",
            **facts,
            hint="Name the cursor's time zone in the contract.",
        )
    empty = [day for day in wanted if day not in seen]
    if empty and not contract.allow_empty:
        raise MissingDataError(
            "there are no rows",
            **(facts | {"partition": shown_days(empty)}),
            hint="Run it again when they are there, or say in the contract that a day may be empty.",
        )
