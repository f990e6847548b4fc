"""Publish a day: load its tables beside the live ones, audit them there, swap them in together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Any

from ddcrm.errors import PublishError
from ddcrm.progress import point
from ddcrm.warehouse import staging
from ddcrm.warehouse.failures import translated
from ddcrm.warehouse.records import Publication

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Table

    from ddcrm.warehouse.connect import Warehouse

Audit = Callable[[str, str, str], None]
PATIENCE_SECONDS = 120.0


def publish_day(
    warehouse: Warehouse,
    as_of: date,
    tables: Mapping[str, pa.Table | pa.RecordBatchReader],
    *,
    audit: Audit,
    run_id: str | None = None,
    models: Mapping[str, str] | None = None,
    fingerprint: str | None = None,
    patience: float = PATIENCE_SECONDS,
) -> list[Publication]:
    """Publish all tables of a day, or none; readers see the old day or the new one.

    `tables` holds every published table by its name. `audit(schema, table, published_name)` is called on each loaded
    table and raises to stop; its error passes as it is. `patience` (seconds) bounds the wait for readers who hold the
    old day. The same content gives the same digests. Raises PublishError (a column, a type, a key, a day that is not
    right), PublishBlockedError (readers did not let go), WarehouseUnavailableError.
    """
    import psycopg

    from ddcrm.warehouse.swap import swap

    _check_names(tables)
    point("publish.begin", as_of=str(as_of), tables=len(tables))
    record = {"run_id": run_id, "models": dict(models or {}), "fingerprint": fingerprint}
    with warehouse.session(PublishError, as_of=as_of) as session:
        staging.drop_orphans(session)
        with staging.staging_token(session) as token:
            try:
                staged = _stage(warehouse, session, tables, as_of, token)
                (loaded_at,) = session.execute("SELECT clock_timestamp()").fetchone()
                _audit(staged, audit, as_of)
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
) -> list[staging.Staged]:
    """Shape, sort, digest and load each table."""
    from ddcrm.warehouse.tables import CRM, metadata

    staged = []
    with warehouse.adbc(PublishError, as_of=as_of) as connection:
        for name in tables:
            definition = metadata.tables[f"{CRM}.{name}"]
            with translated(warehouse.display_url, PublishError, table=name, as_of=as_of):
                table = _load(connection, definition, tables[name], as_of, token)
            staging.settle(session, table.name)
            staged.append(table)
    return staged


def _load(
    connection: Any, definition: Table, rows: pa.Table | pa.RecordBatchReader, as_of: date, token: str
) -> staging.Staged:
    from ddcrm.warehouse.digest import digest_table, sort_by_key
    from ddcrm.warehouse.shape import shaped
    from ddcrm.warehouse.tables import key_of

    ordered = sort_by_key(shaped(rows, definition, as_of), key_of(definition))
    point("publish.load", table=definition.name, rows=ordered.num_rows)
    digest = digest_table(ordered, key_of(definition))
    loaded = staging.load(connection, definition, ordered, as_of, token)
    point("publish.loaded", table=definition.name, rows=ordered.num_rows)
    return staging.Staged(loaded, definition.name, ordered.num_rows, digest)


def _audit(staged: list[staging.Staged], audit: Audit, as_of: date) -> None:
    from ddcrm.warehouse.tables import STAGING

    for table in staged:
        audit(STAGING, table.name, table.table)
    point("publish.audited", as_of=str(as_of), tables=len(staged))


def _in_order(staged: list[staging.Staged]) -> list[staging.Staged]:
    """In the order of the definitions: everybody who locks several tables locks them in one order."""
    from ddcrm.warehouse.tables import published_names

    return sorted(staged, key=lambda table: published_names().index(table.table))
