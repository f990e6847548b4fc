"""Load a day's tables into crm_staging, in shape, sorted, digested, audited: what publishing and restating share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from ddcrm.errors import PublishError
from ddcrm.progress import point
from ddcrm.warehouse import staging
from ddcrm.warehouse.failures import translated
from ddcrm.warehouse.stored import StoredTable

if TYPE_CHECKING:
    import pyarrow as pa

    from ddcrm.warehouse.connect import Warehouse

Audit = Callable[[str, str, str], object]
Rows: TypeAlias = "pa.Table | pa.RecordBatchReader | StoredTable"


@dataclass(frozen=True)
class Loaded:
    """The loaded tables in the order of their definitions, what each one's audit returned, the time after the last."""

    tables: tuple[staging.Staged, ...]
    audits: Mapping[str, object]
    at: datetime


def check_names(tables: Mapping[str, Any]) -> None:
    """Raise PublishError unless the tables are the published ones, no more and no fewer."""
    from ddcrm.warehouse.tables import published_names

    missing = [name for name in published_names() if name not in tables]
    unknown = [name for name in tables if name not in published_names()]
    if missing or unknown:
        raise PublishError(
            "a day is published with all its tables, and no others",
            missing=", ".join(missing) or None,
            unknown=", ".join(unknown) or None,
        )


def load_day(
    warehouse: Warehouse,
    session: Any,
    tables: Mapping[str, Rows],
    as_of: date,
    token: str,
    prepare: Callable[[], object] | None,
    audit: Audit,
) -> Loaded:
    """Load each table; meanwhile the next one is shaped, sorted and digested, the one before settled and audited.

    What `prepare` and `audit` are to do stands at `publish_day`; what an audit raises passes as it is.
    """
    staged: list[staging.Staged] = []
    audits: dict[str, Future[object]] = {}
    with (
        warehouse.adbc(PublishError, as_of=as_of) as connection,
        _thread("shape") as ahead,
        _thread("audit") as behind,
    ):
        ready = {name: ahead.submit(_shaped, name, rows, as_of) for name, rows in tables.items()}
        prepared = [behind.submit(prepare)] if prepare else []
        for name in tables:
            with translated(warehouse.display_url, PublishError, table=name, as_of=as_of):
                staged.append(_load(connection, name, *ready.pop(name).result(), as_of, token))
            audits[name] = behind.submit(_settle_and_audit, session, staged[-1], audit)
            _results(one for one in [*prepared, *audits.values()] if one.done())
        (loaded_at,) = session.execute("SELECT clock_timestamp()").fetchone()
        _results([*prepared, *audits.values()])
    point("publish.audited", as_of=str(as_of), tables=len(staged))
    return Loaded(tuple(_in_order(staged)), {name: one.result() for name, one in audits.items()}, loaded_at)


@contextmanager
def _thread(name: str) -> Iterator[ThreadPoolExecutor]:
    """A thread that works off what it is given; what has not begun when the block ends is given up."""
    pool = ThreadPoolExecutor(1, name)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _settle_and_audit(session: Any, table: staging.Staged, audit: Audit) -> object:
    from ddcrm.warehouse.tables import STAGING

    staging.settle(session, table.name)
    return audit(STAGING, table.name, table.table)


def _results(audits: Iterable[Future[object]]) -> None:
    """Wait for them; raises what the first one raised that failed."""
    for one in audits:
        one.result()


def _shaped(name: str, rows: Rows, as_of: date) -> tuple[pa.Table | StoredTable, str]:
    """The rows as the warehouse keeps them, in the order of the key, and their digest."""
    from ddcrm.warehouse.digest import digest_table, sort_by_key
    from ddcrm.warehouse.shape import shaped
    from ddcrm.warehouse.tables import CRM, key_of, metadata

    definition = metadata.tables[f"{CRM}.{name}"]
    if isinstance(rows, StoredTable):
        if rows.fits(definition):
            return rows, rows.digest(definition, as_of)
        rows = rows.whole()
    ordered = sort_by_key(shaped(rows, definition, as_of), key_of(definition))
    return ordered, digest_table(ordered, key_of(definition))


def _load(
    connection: Any, name: str, rows: pa.Table | StoredTable, digest: str, as_of: date, token: str
) -> staging.Staged:
    from ddcrm.warehouse.tables import CRM, metadata

    point("publish.load", table=name, rows=rows.num_rows)
    stream = rows.reader() if isinstance(rows, StoredTable) else rows
    loaded = staging.load(connection, metadata.tables[f"{CRM}.{name}"], stream, as_of, token)
    point("publish.loaded", table=name, rows=rows.num_rows)
    return staging.Staged(loaded, name, rows.num_rows, digest)


def _in_order(staged: Sequence[staging.Staged]) -> list[staging.Staged]:
    """In the order of the definitions: everybody who locks several tables locks them in one order."""
    from ddcrm.warehouse.tables import published_names

    return sorted(staged, key=lambda table: published_names().index(table.table))
