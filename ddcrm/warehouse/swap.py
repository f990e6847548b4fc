"""The swap: a day's loaded tables take the places of its old ones, all in one transaction."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
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
    from psycopg import errors

    session.execute("SET datestyle = 'ISO, YMD'")
    deadline, pause = time.monotonic() + patience, 0.1
    while True:
        try:
            _swap_once(session, as_of, staged, record, loaded_at)
            return
        except (errors.LockNotAvailable, errors.DeadlockDetected, _SnapshotHeldError):
            if time.monotonic() + pause > deadline:
                raise _blocked(session, as_of, staged, loaded_at, patience) from None
        point("publish.waiting", as_of=str(as_of), pause=pause)
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def _refuse_old_snapshots(session: Any, as_of: date, staged: Sequence[Staged], loaded_at: datetime) -> None:
    """Refuse to replace a day while a transaction has a snapshot from before its rows were loaded.

    A reader in REPEATABLE READ would find the new table, and not see its rows: an empty day.
    """
    replaced = any(_partitions(session, table.table, as_of.isoformat()) for table in staged)
    if replaced and _holders(session, [], loaded_at):
        raise _SnapshotHeldError


def _swap_once(
    session: Any, as_of: date, staged: Sequence[Staged], record: Mapping[str, Any], loaded_at: datetime
) -> None:
    """One attempt. The exclusive locks come first and all at once: a reader is before the swap or after it, never amid.

    Without them a query planned before and executed after a new day is attached would find that day missing.
    """
    with session.transaction():
        session.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        session.execute("SELECT pg_advisory_xact_lock(%s, 0)", [LOCK_CLASS])
        parents = ", ".join(f'ONLY crm."{table.table}"' for table in staged)
        session.execute(f"LOCK TABLE {parents} IN ACCESS EXCLUSIVE MODE")
        _refuse_old_snapshots(session, as_of, staged, loaded_at)
        for table in staged:
            _exchange(session, as_of, table)
        _record(session, as_of, staged, record)
        point("publish.swapped", as_of=str(as_of))


def _exchange(session: Any, as_of: date, table: Staged) -> None:
    parent, day = f'crm."{table.table}"', as_of.isoformat()
    final = f"{table.table}_{as_of:%Y%m%d}"
    for old in _partitions(session, table.table, day):
        session.execute(f"ALTER TABLE {parent} DETACH PARTITION {old}")
        session.execute(f"DROP TABLE {old}")
    session.execute(f'ALTER TABLE crm_staging."{table.name}" SET SCHEMA crm_days')
    session.execute(f'ALTER TABLE crm_days."{table.name}" RENAME TO "{final}"')
    session.execute(f"ALTER TABLE {parent} ATTACH PARTITION crm_days.\"{final}\" FOR VALUES IN ('{day}')")


def _partitions(session: Any, table: str, day: str) -> list[str]:
    """The partitions of a table that hold the day: one or none."""
    query = (
        "SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid "
        "WHERE inhparent = %s::regclass AND pg_get_expr(relpartbound, inhrelid) = %s"
    )
    found = session.execute(query, [f'crm."{table}"', f"FOR VALUES IN ('{day}')"]).fetchall()
    return [name for (name,) in found]


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
    session: Any, as_of: date, staged: Sequence[Staged], loaded_at: datetime, patience: float
) -> PublishBlockedError:
    parents = [f'crm."{table.table}"' for table in staged]
    holders = _holders(session, parents, loaded_at)
    return PublishBlockedError(
        f"readers held the tables for {patience:.0f} s",
        as_of=as_of,
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
