"""Swap restated days in, all in one transaction; undo that while the days they replaced are kept; let those go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from ddcrm.errors import PlanOutdatedError, RestatementError
from ddcrm.progress import point
from ddcrm.warehouse import restate_ledger as ledger
from ddcrm.warehouse import staging
from ddcrm.warehouse.publish import PATIENCE_SECONDS
from ddcrm.warehouse.restatements import Restatement, find, move, note, wrong_state
from ddcrm.warehouse.swap import (
    attach,
    bound,
    catch_up,
    detach,
    lock_parents,
    one_at_a_time,
    partitions,
    patiently,
    refuse_old_snapshots,
)

if TYPE_CHECKING:
    from ddcrm.warehouse.connect import Warehouse


@dataclass(frozen=True)
class _Table:
    """A restated table of a day: `name` in crm_staging, and in crm_archive of what it replaced, if that is kept."""

    as_of: date
    table: str
    name: str
    archived: str | None


_Live = Mapping[str, Mapping[str, str]]  # the partitions of each published table


@dataclass(frozen=True)
class _Way:
    """Forth or back: the state it leads to, what it says once committed, and the steps in which the two differ.

    loaded_at: from when on the tables that become visible have all their rows; check raises where the way is barred;
    exchange moves the tables and the ledger's lines.
    """

    state: str
    committed: str
    loaded_at: Callable[[Any, str], datetime]
    check: Callable[[Any, Restatement], None]
    exchange: Callable[[Any, str, Sequence[_Table], _Live], None]


def swap(
    warehouse: Warehouse,
    restatement_id: str,
    *,
    who: str,
    why: str | None = None,
    patience: float = PATIENCE_SECONDS,
) -> Restatement:
    """Make all staged days the published ones in one transaction; what they replace goes to crm_archive.

    Swapped already: nothing changes. Raises RestatementError where it was not compared, or still has to be approved;
    PlanOutdatedError where a day was published since it was planned; PublishBlockedError where readers did not let go
    for `patience` seconds. After any of them the published days stand as before.
    """
    way = _Way("swapped", "restate.committed", ledger.staged_at, _may_swap, _swap_in)
    return _go(warehouse, restatement_id, way, who, why, patience)


def undo(
    warehouse: Warehouse,
    restatement_id: str,
    *,
    who: str,
    why: str | None = None,
    patience: float = PATIENCE_SECONDS,
) -> Restatement:
    """Put back the days that a swapped restatement replaced, in one transaction; the restated ones are dropped.

    Undone already: nothing changes. Raises RestatementError where it was not swapped, or what it replaced is not kept
    any more; PlanOutdatedError where one of its days was published since; PublishBlockedError as `swap` does.
    """
    way = _Way("undone", "restate.undo_committed", ledger.replaced_at, _may_undo, _swap_back)
    return _go(warehouse, restatement_id, way, who, why, patience)


def expire(warehouse: Warehouse, keep_days: int, *, who: str) -> list[str]:
    """Drop the replaced days of restatements that were swapped more than `keep_days` days ago; returns their ids."""
    with warehouse.session(RestatementError) as session:
        expired = []
        for restatement_id in ledger.expirable(session, keep_days):
            with session.transaction():
                session.execute("SET LOCAL lock_timeout = '10s'")
                known = find(session, restatement_id, lock=True)
                if known.state != "swapped" or known.is_expired:
                    continue  # another process was faster
                for name in ledger.forget_archived(session, known.id):
                    session.execute(f'DROP TABLE crm_archive."{name}"')
                note(session, known.id, "expired", who)
                expired.append(known.id)
                point("restate.expired", restatement=known.id)
        return expired


def _published() -> tuple[str, ...]:
    from ddcrm.warehouse.tables import published_names

    return published_names()


def _go(
    warehouse: Warehouse, restatement_id: str, way: _Way, who: str, why: str | None, patience: float
) -> Restatement:
    """Go this way in one transaction, tried again while readers stand in it."""
    import psycopg

    with warehouse.session(RestatementError, restatement=restatement_id) as session:
        loaded_at = way.loaded_at(session, restatement_id)

        def attempt() -> None:
            with session.transaction():
                _once(session, restatement_id, way, who, why, loaded_at)

        patiently(session, attempt, _published(), loaded_at, patience, restatement=restatement_id)
        point(way.committed, restatement=restatement_id)
        with suppress(psycopg.Error):  # it is done, whatever happens now
            staging.drop_orphans(session)
        return find(session, restatement_id)


def _once(session: Any, restatement_id: str, way: _Way, who: str, why: str | None, loaded_at: datetime) -> None:
    one_at_a_time(session)
    known = find(session, restatement_id, lock=True)
    if known.state == way.state:
        return
    way.check(session, known)
    tables = _tables(session, known.id)
    way.exchange(session, known.id, tables, _lock(session, tables, loaded_at))
    move(session, known, way.state, who, why, days=len(known.days))
    point(f"restate.{way.state}", restatement=known.id, tables=len(tables))


def _swap_in(session: Any, restatement_id: str, tables: Sequence[_Table], live: _Live) -> None:
    archived = [table.name for table in tables if _put_in(session, table, live[table.table])]
    ledger.take_over(session, restatement_id, archived)


def _swap_back(session: Any, restatement_id: str, tables: Sequence[_Table], live: _Live) -> None:
    for table in tables:
        _put_back(session, table, live[table.table])
    ledger.give_back(session, restatement_id)


def _tables(session: Any, restatement_id: str) -> list[_Table]:
    """In the order of the definitions, then of the days."""
    query = (
        "SELECT as_of, table_name, staged, archived FROM ops.restatement_tables WHERE restatement_id = %s "
        "ORDER BY array_position(%s, table_name), as_of"
    )
    return [_Table(*row) for row in session.execute(query, [restatement_id, list(_published())]).fetchall()]


def _lock(session: Any, tables: Sequence[_Table], loaded_at: datetime) -> dict[str, dict[str, str]]:
    """Lock the published tables; returns the partitions of each."""
    lock_parents(session, _published())
    found = {name: partitions(session, name) for name in _published()}
    if any(bound(table.as_of) in found[table.table] for table in tables):
        refuse_old_snapshots(session, loaded_at)
    return found


def _put_in(session: Any, table: _Table, live: Mapping[str, str]) -> bool:
    """Archive what stands for the day, attach the restated table; returns whether there was something to archive."""
    old = live.get(bound(table.as_of))
    if old:
        detach(session, table.table, old)
        session.execute(f'ALTER TABLE {old} RENAME TO "{table.name}"')
        session.execute(f'ALTER TABLE crm_days."{table.name}" SET SCHEMA crm_archive')
    _attach(session, table, "crm_staging", table.name)
    return old is not None


def _put_back(session: Any, table: _Table, live: Mapping[str, str]) -> None:
    _leave(session, table, live[bound(table.as_of)])
    if table.archived:
        _attach(session, table, "crm_archive", table.archived)


def _attach(session: Any, table: _Table, schema: str, name: str) -> None:
    """Attach a table that stood apart, with the columns that migrations gave to the published one meanwhile."""
    from psycopg import errors

    try:
        catch_up(session, table.table, schema, name)
        attach(session, table.as_of, table.table, schema, name)
    except (errors.DatatypeMismatch, errors.NotNullViolation, errors.CheckViolation) as error:
        hint = ("It was staged before a migration that it can't follow: drop the restatement and plan again."
                if schema == "crm_staging" else
                "It was kept before a migration that it can't follow, so there is no way back to it: restate the days "
                "under the contract, settings and code that they shall have.")  # fmt: skip
        reason = error.diag.message_primary
        raise RestatementError("a table does not fit the published one any more", table=table.table,
                               as_of=table.as_of, reason=reason, hint=hint) from None  # fmt: skip


def _leave(session: Any, table: _Table, restated: str) -> None:
    """Detach a table and name it as an orphan: dropping takes four times the locks, and comes after the commit."""
    number = int(table.name.rsplit("_r", 1)[1])
    orphan = f"{table.table}_{table.as_of:%Y%m%d}_{number:08x}"
    detach(session, table.table, restated)
    session.execute(f'ALTER TABLE {restated} RENAME TO "{orphan}"')
    session.execute(f'ALTER TABLE crm_days."{orphan}" SET SCHEMA crm_staging')


def _may_swap(session: Any, known: Restatement) -> None:
    if known.state != "compared":
        raise wrong_state(known, "swapped before its days were staged and compared")
    if known.needs_approval:
        raise RestatementError("its comparison goes beyond the limits and has to be approved", restatement=known.id,
                               because="; ".join(known.beyond_limits), hint=known.way_on)  # fmt: skip
    if missing := sorted(set(known.days) - {table.as_of for table in _tables(session, known.id)}):
        raise RestatementError("not all days are staged", restatement=known.id, days=_some(missing),
                               hint=f"Go on with the work: `ddcrm restate run {known.id}`.")  # fmt: skip
    published = ledger.published_digests(session, known.days)
    changed = [day for day, digests in known.days.items() if dict(digests) != published.get(day, {})]
    if changed:
        hint = "Plan again: `ddcrm restate` takes the work over as far as it fits."
        raise PlanOutdatedError("days were published since this was planned", restatement=known.id,
                                days=_some(changed), hint=hint)  # fmt: skip


def check_kept(known: Restatement) -> None:
    """Raise RestatementError unless it is swapped in, and what it replaced is kept."""
    if known.state != "swapped":
        raise wrong_state(known, "undone")
    if known.is_expired:
        raise not_kept(known)


def not_kept(known: Restatement) -> RestatementError:
    """The error for an undoing that comes too late."""
    hint = ("There is no way back to it. Let the contract, the settings or the code be what the days shall be made by, "
            "then `ddcrm restate`.")  # fmt: skip
    return RestatementError("what it replaced is not kept any more", restatement=known.id, state=known.state, hint=hint)


def _may_undo(session: Any, known: Restatement) -> None:
    check_kept(known)
    if changed := ledger.published_since(session, known.id):
        hint = "Undoing would take back what came later. Plan a restatement of these days instead: `ddcrm restate`."
        raise PlanOutdatedError("days were published since this was swapped", restatement=known.id,
                                days=_some(changed), hint=hint)  # fmt: skip


def _some(days: Sequence[date]) -> str:
    """The first days, and how many more."""
    more = f" and {len(days) - 5} more" if len(days) > 5 else ""
    return ", ".join(map(str, days[:5])) + more
