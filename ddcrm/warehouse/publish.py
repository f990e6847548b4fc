"""Publish a day: load its tables beside the live ones, audit them there, swap them in together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from ddcrm.errors import PublishError
from ddcrm.progress import point
from ddcrm.warehouse import staging
from ddcrm.warehouse.failures import translated
from ddcrm.warehouse.records import Publication

if TYPE_CHECKING:
    import pyarrow as pa

    from ddcrm.warehouse.connect import Warehouse

Audit = Callable[[str, str, str], None]
PATIENCE_SECONDS = 120.0


def publish_day(
    warehouse: Warehouse,
    as_of: date,
    tables: Mapping[str, pa.Table | pa.RecordBatchReader],
    *,
    audit: Audit,
    prepare: Callable[[], object] | None = None,
    run_id: str | None = None,
    models: Mapping[str, str] | None = None,
    fingerprint: str | None = None,
    made_by: Mapping[str, Any] | None = None,
    patience: float = PATIENCE_SECONDS,
) -> list[Publication]:
    """Publish all tables of a day, or none; readers see the old day or the new one.

    `tables` holds every published table by its name. `audit(schema, table, published_name)` is called on each loaded
    table, in another thread, while the next one loads; it raises to stop, and its error passes as it is. `prepare()` is
    called in that thread before, while the first table loads: for what audits need to import. `patience` (seconds)
    bounds the wait for readers who hold the old day. The same content gives the same digests. Raises PublishError (a
    column, a type, a key, a day that is not right), PublishBlockedError (readers did not let go),
    WarehouseUnavailableError.
    """
    import psycopg

    from ddcrm.warehouse.swap import swap

    _check_names(tables)
    point("publish.begin", as_of=str(as_of), tables=len(tables))
    record = {"run_id": run_id, "models": dict(models or {}), "fingerprint": fingerprint, "made_by": made_by}
    with warehouse.session(PublishError, as_of=as_of) as session:
        staging.drop_orphans(session)
        with staging.staging_token(session) as token:
            try:
                staged, loaded_at = _stage(warehouse, session, tables, as_of, token, prepare, audit)
                swap(session, as_of, _in_order(staged), record, loaded_at, patience)
            except BaseException:
                staging.abandon(session, token)
                raise
        point("publish.committed", as_of=str(as_of))
        with suppress(psycopg.Error):  # the day is published, whatever happens now
            staging.drop_orphans(session)
    point("publish.end", as_of=str(as_of))
    return [Publication(as_of, table.table, table.rows, table.digest) for table in staged]


def _check_names(tables: Mapping[str, Any]) -> None:
    from ddcrm.warehouse.tables import published_names

    missing = [name for name in published_names() if name not in tables]
    unknown = [name for name in tables if name not in published_names()]
    if missing or unknown:
        raise PublishError(
            "a day is published with all its tables, and no others",
            missing=", ".join(missing) or None,
            unknown=", ".join(unknown) or None,
        )


def _stage(
    warehouse: Warehouse,
    session: Any,
    tables: Mapping[str, pa.Table | pa.RecordBatchReader],
    as_of: date,
    token: str,
    prepare: Callable[[], object] | None,
    audit: Audit,
) -> tuple[list[staging.Staged], datetime]:
    """Load each table; meanwhile the next one is shaped, sorted and digested, the one before settled and audited.

    Returns what is staged, and the server's time after the last load.
    """
    staged: list[staging.Staged] = []
    with (
        warehouse.adbc(PublishError, as_of=as_of) as connection,
        _thread("shape") as ahead,
        _thread("audit") as behind,
    ):
        ready = {name: ahead.submit(_shaped, name, rows, as_of) for name, rows in tables.items()}
        audits: list[Future[object]] = [behind.submit(prepare)] if prepare else []
        for name in tables:
            with translated(warehouse.display_url, PublishError, table=name, as_of=as_of):
                staged.append(_load(connection, name, *ready.pop(name).result(), as_of, token))
            audits.append(behind.submit(_settle_and_audit, session, staged[-1], audit))
            _results(one for one in audits if one.done())
        (loaded_at,) = session.execute("SELECT clock_timestamp()").fetchone()
        _results(audits)
    point("publish.audited", as_of=str(as_of), tables=len(staged))
    return staged, loaded_at


@contextmanager
def _thread(name: str) -> Iterator[ThreadPoolExecutor]:
    """A thread that works off what it is given; what has not begun when the block ends is given up."""
    pool = ThreadPoolExecutor(1, name)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _settle_and_audit(session: Any, table: staging.Staged, audit: Audit) -> None:
    from ddcrm.warehouse.tables import STAGING

    staging.settle(session, table.name)
    audit(STAGING, table.name, table.table)


def _results(audits: Iterable[Future[object]]) -> None:
    """Wait for them; raises what the first one raised that failed."""
    for one in audits:
        one.result()


def _shaped(name: str, rows: pa.Table | pa.RecordBatchReader, as_of: date) -> tuple[pa.Table, str]:
    """The rows as the warehouse keeps them, in the order of the key, and their digest."""
    from ddcrm.warehouse.digest import digest_table, sort_by_key
    from ddcrm.warehouse.shape import shaped
    from ddcrm.warehouse.tables import CRM, key_of, metadata

    definition = metadata.tables[f"{CRM}.{name}"]
    ordered = sort_by_key(shaped(rows, definition, as_of), key_of(definition))
    return ordered, digest_table(ordered, key_of(definition))


def _load(connection: Any, name: str, rows: pa.Table, digest: str, as_of: date, token: str) -> staging.Staged:
    from ddcrm.warehouse.tables import CRM, metadata

    point("publish.load", table=name, rows=rows.num_rows)
    loaded = staging.load(connection, metadata.tables[f"{CRM}.{name}"], rows, as_of, token)
    point("publish.loaded", table=name, rows=rows.num_rows)
    return staging.Staged(loaded, name, rows.num_rows, digest)


def _in_order(staged: list[staging.Staged]) -> list[staging.Staged]:
    """In the order of the definitions: everybody who locks several tables locks them in one order."""
    from ddcrm.warehouse.tables import published_names

    return sorted(staged, key=lambda table: published_names().index(table.table))
