"""Publish a day: load its tables beside the live ones, audit them there, swap them in together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Any

from ddcrm.errors import PublishError
from ddcrm.progress import point
from ddcrm.warehouse import staging
from ddcrm.warehouse.loading import Audit, Rows, check_names, load_day
from ddcrm.warehouse.records import Publication

if TYPE_CHECKING:
    from ddcrm.warehouse.connect import Warehouse

PATIENCE_SECONDS = 120.0


def publish_day(
    warehouse: Warehouse,
    as_of: date,
    tables: Mapping[str, Rows],
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

    check_names(tables)
    point("publish.begin", as_of=str(as_of), tables=len(tables))
    record = {"run_id": run_id, "models": dict(models or {}), "fingerprint": fingerprint, "made_by": made_by}
    with warehouse.session(PublishError, as_of=as_of) as session:
        staging.drop_orphans(session)
        with staging.staging_token(session) as token:
            try:
                loaded = load_day(warehouse, session, tables, as_of, token, prepare, audit)
                swap(session, as_of, loaded.tables, record, loaded.at, patience)
            except BaseException:
                staging.abandon(session, token)
                raise
        point("publish.committed", as_of=str(as_of))
        with suppress(psycopg.Error):  # the day is published, whatever happens now
            staging.drop_orphans(session)
    point("publish.end", as_of=str(as_of))
    return [Publication(as_of, table.table, table.rows, table.digest) for table in loaded.tables]
