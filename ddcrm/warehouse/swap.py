"""The swap: a day's loaded tables take the places of its old ones, all in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from ddcrm.errors import PublishBlockedError
from ddcrm.progress import point
from ddcrm.warehouse.staging import Staged

LOCK_CLASS = 0x64646D70  # of the advisory lock that lets one publisher swap at a time
LOCK_TIMEOUT = "500ms"  # for so long, at most, new readers wait behind us for a reader who does not end
LONGEST_PAUSE = 5.0  # seconds


class _SnapshotHeldError(Exception):
    """A reader's transaction is older than what was loaded."""


def swap(
    session: Any,
    as_of: date,
    staged: Sequence[Staged],
    record: Mapping[str, Any],
    loaded_at: datetime,
    patience: float,
) -> None:
    """Make the staged tables the day's tables, tried again for `patience` seconds while readers hold the old ones.

    `record` is what ops.publications keeps beside rows and digest: run_id, models, fingerprint, made_by; `loaded_at` is
    the server's time after the last load. Raises PublishBlockedError naming who held the tables; then the old day
    stays.
    """

    def attempt() -> None:
        _swap_once(session, as_of, staged, record, loaded_at)

    patiently(session, attempt, [table.table for table in staged], loaded_at, patience, as_of=as_of)


def patiently(
    session: Any, attempt: Callable[[], None], tables: Sequence[str], loaded_at: datetime, patience: float, **facts: Any
) -> None:
    """Call `attempt`, again for `patience` seconds while readers stand in its way; it locks parents of `tables`.

    Raises PublishBlockedError with `facts` and who held the tables, or a snapshot from before `loaded_at`.
    """
    from psycopg import errors

    session.execute("SET datestyle = 'ISO, YMD'")
    deadline, pause = time.monotonic() + patience, 0.1
    while True:
        try:
            attempt()
            return
        except (errors.LockNotAvailable, errors.DeadlockDetected, _SnapshotHeldError):
            if time.monotonic() + pause > deadline:
                raise _blocked(session, tables, loaded_at, patience, facts) from None
        point("publish.waiting", **{name: str(value) for name, value in facts.items()}, pause=pause)
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def one_at_a_time(session: Any) -> None:
    """In a transaction: be the only one who swaps; every lock that is asked for in it is waited for briefly."""
    session.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    session.execute("SELECT pg_advisory_xact_lock(%s, 0)", [LOCK_CLASS])


def lock_parents(session: Any, tables: Sequence[str]) -> None:
    """Take the exclusive locks first and all at once: a reader is before the swap or after it, never amid.

    Without them a query planned before and executed after a new day is attached would find that day missing.
    `tables` stand in the order of their definitions: everybody who locks several of them locks them in one order.
    """
    parents = ", ".join(f'ONLY crm."{table}"' for table in tables)
    session.execute(f"LOCK TABLE {parents} IN ACCESS EXCLUSIVE MODE")


def refuse_old_snapshots(session: Any, loaded_at: datetime) -> None:
    """Refuse to replace a day while a transaction has a snapshot from before its rows were loaded.

    A reader in REPEATABLE READ would find the new table, and not see its rows: an empty day.
    """
    if _holders(session, [], loaded_at):
        raise _SnapshotHeldError


def partitions(session: Any, table: str) -> dict[str, str]:
    """The partitions of a published table, each under its bound (see `bound`)."""
    query = (
        "SELECT pg_get_expr(relpartbound, inhrelid), inhrelid::regclass::text FROM pg_inherits "
        "JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = %s::regclass"
    )
    return dict(session.execute(query, [f'crm."{table}"']).fetchall())


def bound(as_of: date) -> str:
    """The bound of a day's partition."""
    return f"FOR VALUES IN ('{as_of.isoformat()}')"


def detach(session: Any, table: str, partition: str) -> None:
    """Take a partition out of a published table; it stands alone then."""
    session.execute(f'ALTER TABLE crm."{table}" DETACH PARTITION {partition}')


def attach(session: Any, as_of: date, table: str, schema: str, name: str) -> None:
    """Make the table `schema`.`name` the day's partition of a published one."""
    final = f"{table}_{as_of:%Y%m%d}"
    session.execute(f'ALTER TABLE {schema}."{name}" SET SCHEMA crm_days')
    session.execute(f'ALTER TABLE crm_days."{name}" RENAME TO "{final}"')
    session.execute(f'ALTER TABLE crm."{table}" ATTACH PARTITION crm_days."{final}" {bound(as_of)}')


def catch_up(session: Any, table: str, schema: str, name: str) -> None:
    """Give `schema`.`name` the columns that the published table has got since it was made, with their defaults."""
    query = """
        SELECT quote_ident(p.attname), format_type(p.atttypid, p.atttypmod), pg_get_expr(d.adbin, d.adrelid),
               p.attnotnull
        FROM pg_attribute p LEFT JOIN pg_attrdef d ON d.adrelid = p.attrelid AND d.adnum = p.attnum
        WHERE p.attrelid = %s::regclass AND p.attnum > 0 AND NOT p.attisdropped AND p.attname NOT IN (
            SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped)
        ORDER BY p.attnum"""
    place = f'{schema}."{name}"'
    for column, kind, default, required in session.execute(query, [f'crm."{table}"', place]).fetchall():
        words = f"{f' DEFAULT {default}' if default else ''}{' NOT NULL' if required else ''}"
        session.execute(f"ALTER TABLE {place} ADD COLUMN {column} {kind}{words}")


def _swap_once(
    session: Any, as_of: date, staged: Sequence[Staged], record: Mapping[str, Any], loaded_at: datetime
) -> None:
    """One attempt."""
    with session.transaction():
        one_at_a_time(session)
        lock_parents(session, [table.table for table in staged])
        old = {table.table: partitions(session, table.table).get(bound(as_of)) for table in staged}
        if any(old.values()):
            refuse_old_snapshots(session, loaded_at)
        for table in staged:
            _exchange(session, as_of, table, old[table.table])
        _record(session, as_of, staged, record)
        point("publish.swapped", as_of=str(as_of))


def _exchange(session: Any, as_of: date, table: Staged, old: str | None) -> None:
    if old:
        detach(session, table.table, old)
        session.execute(f"DROP TABLE {old}")
    attach(session, as_of, table.table, "crm_staging", table.name)


def _record(session: Any, as_of: date, staged: Sequence[Staged], record: Mapping[str, Any]) -> None:
    from psycopg.types.json import Jsonb

    session.execute("DELETE FROM ops.publications WHERE as_of = %s", [as_of])
    query = (
        "INSERT INTO ops.publications (as_of, table_name, rows, digest, run_id, models, fingerprint, made_by) "
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
    )
    for table in staged:
        session.execute(
            query,
            [
                as_of,
                table.table,
                table.rows,
                table.digest,
                record["run_id"],
                Jsonb(record["models"]),
                record["fingerprint"],
                None if record["made_by"] is None else Jsonb(record["made_by"]),
            ],
        )


def _blocked(
    session: Any, tables: Sequence[str], loaded_at: datetime, patience: float, facts: Mapping[str, Any]
) -> PublishBlockedError:
    holders = _holders(session, [f'crm."{table}"' for table in tables], loaded_at)
    return PublishBlockedError(
        f"readers held the tables for {patience:.0f} s",
        **facts,
        sessions="; ".join(holders) or None,
        hint="End those sessions (SELECT pg_terminate_backend(pid)) or wait, then publish again.",
    )


def _holders(session: Any, parents: Sequence[str], loaded_at: datetime) -> list[str]:
    """Sessions that hold a lock on one of `parents`, or a snapshot from before `loaded_at`.

    Of other roles' sessions only a member of pg_read_all_stats sees the snapshots.
    """
    query = """
        SELECT pid, usename, coalesce(nullif(application_name, ''), 'unnamed'), coalesce(state, 'state unknown')
        FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
          AND (backend_xmin IS NOT NULL AND xact_start < %s
               OR pid IN (SELECT pid FROM pg_locks WHERE granted AND relation = ANY(%s::regclass[])))
        ORDER BY pid LIMIT 5"""
    rows = session.execute(query, [loaded_at, list(parents)]).fetchall()
    return [f"{pid} ({user}, {program}, {state})" for pid, user, program, state in rows]
