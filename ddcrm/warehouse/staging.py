"""Tables being loaded: each stands alone in crm_staging, named for its day and its run, until it is swapped in.

A run holds an advisory lock on its token as long as it lives, so that the next run can tell what a dead one left
behind (`drop_orphans`) from what a living one is loading.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Table


LOCK_CLASS = 0x64646D73  # of the tokens' advisory locks


@dataclass(frozen=True)
class Staged:
    """One loaded table: its name in crm_staging, the table it will belong to, rows and digest."""

    name: str
    table: str
    rows: int
    digest: str


@contextmanager
def staging_token(session: Any) -> Iterator[str]:
    """A name for this run's tables, alive until the block ends or the process dies."""
    import psycopg

    while True:
        token = secrets.token_hex(4)
        if _try_lock(session, token):
            break
    try:
        yield token
    finally:
        with suppress(psycopg.Error):  # a lost connection has given the lock up already
            session.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_CLASS, _number(token)])


def load(connection: Any, definition: Table, rows: pa.Table | pa.RecordBatchReader, as_of: date, token: str) -> str:
    """Load the rows into a table of their own, with a CHECK on the day and the primary key; returns its name.

    `connection` is one of `Warehouse.adbc`. The table appears whole or not at all; rows in the order of the key load
    fastest.
    """
    from ddcrm.warehouse.tables import STAGING, key_of

    name = f"{definition.name}_{as_of:%Y%m%d}_{token}"
    key = ", ".join(f'"{column}"' for column in key_of(definition))
    target = f'{STAGING}."{name}"'
    with connection.cursor() as cursor:
        cursor.execute(
            f'CREATE TABLE {target} (LIKE {definition.schema}."{definition.name}" INCLUDING CONSTRAINTS '
            f"INCLUDING COMMENTS, CHECK (as_of = DATE '{as_of.isoformat()}'))"
        )
        cursor.adbc_ingest(name, rows, mode="append", db_schema_name=STAGING)
        cursor.execute("SET LOCAL maintenance_work_mem = '256MB'")
        cursor.execute(f"ALTER TABLE {target} ADD PRIMARY KEY ({key})")
    connection.commit()
    return name


def settle(session: Any, name: str) -> None:
    """Statistics, visibility and freezing now, so that readers get good plans and no vacuum comes later."""
    from ddcrm.warehouse.tables import STAGING

    session.execute(f'VACUUM (FREEZE, ANALYZE) {STAGING}."{name}"')


def abandon(session: Any, token: str) -> None:
    """Drop this run's tables, as far as the connection still allows; a later run drops what is left."""
    import psycopg

    with suppress(psycopg.Error):
        for name in _names(session):
            if name.endswith(token):
                _drop(session, name)


def drop_orphans(session: Any) -> list[str]:
    """Drop what dead runs left; returns the names. Tables of runs that are alive stay."""
    dropped = []
    for name in _names(session):
        token = name[-8:]
        if _try_lock(session, token):
            try:
                dropped += [name] if _drop(session, name) else []
            finally:
                session.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_CLASS, _number(token)])
    return dropped


def _names(session: Any) -> list[str]:
    from ddcrm.warehouse.tables import STAGING

    query = (
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind = 'r' "
        r"AND relname ~ '_\d{8}_[0-9a-f]{8}$' ORDER BY relname"
    )
    return [name for (name,) in session.execute(query, [STAGING]).fetchall()]


def _drop(session: Any, name: str) -> bool:
    """Drop one table; not where a server process still works on it (its client is dead): a later run will find it."""
    from psycopg import errors

    from ddcrm.warehouse.tables import STAGING

    try:
        with session.transaction():
            session.execute("SET LOCAL lock_timeout = '500ms'")
            session.execute(f'DROP TABLE IF EXISTS {STAGING}."{name}"')
    except errors.LockNotAvailable:
        return False
    return True


def _try_lock(session: Any, token: str) -> bool:
    row = session.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_CLASS, _number(token)]).fetchone()
    return bool(row[0])


def _number(token: str) -> int:
    """The token as PostgreSQL's signed 4-byte integer."""
    return int(token, 16) - 2**31
