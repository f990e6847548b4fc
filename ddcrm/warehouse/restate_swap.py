"""Swap restated days in, all in one transaction; undo that while the days they replaced are kept; let those go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    with warehouse.session(RestatementError, restatement=restatement_id) as session:
        loaded_at = ledger.staged_at(session, restatement_id)

        def attempt() -> None:
            with session.transaction():
                _swap_once(session, restatement_id, who, why, loaded_at)

        patiently(session, attempt, _published(), loaded_at, patience, restatement=restatement_id)
        point("restate.committed", restatement=restatement_id)
        return find(session, restatement_id)


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
    import psycopg

    with warehouse.session(RestatementError, restatement=restatement_id) as session:
        visible_at = ledger.replaced_at(session, restatement_id)

        def attempt() -> None:
            with session.transaction():
                _undo_once(session, restatement_id, who, why, visible_at)

        patiently(session, attempt, _published(), visible_at, patience, restatement=restatement_id)
        point("restate.undo_committed", restatement=restatement_id)
        with suppress(psycopg.Error):  # it is undone, whatever happens now
            staging.drop_orphans(session)
        return find(session, restatement_id)


def expire(warehouse: Warehouse, keep_days: int, *, who: str) -> list[str]:
    """Drop the replaced days of restatements that were swapped more than `keep_days` days ago; returns their ids."""
    with warehouse.session(RestatementError) as session:
        expired = ledger.expirable(session, keep_days)
        for restatement_id in expired:
            with session.transaction():
                session.execute("SET LOCAL lock_timeout = '10s'")
                known = find(session, restatement_id, lock=True)
                for name in ledger.forget_archived(session, known.id):
                    session.execute(f'DROP TABLE crm_archive."{name}"')
                note(session, known.id, "expired", who)
                point("restate.expired", restatement=known.id)
        return expired


def _published() -> tuple[str, ...]:
    from ddcrm.warehouse.tables import published_names

    return published_names()


def _swap_once(session: Any, restatement_id: str, who: str, why: str | None, loaded_at: datetime) -> None:
    one_at_a_time(session)
    known = find(session, restatement_id, lock=True)
    if known.state == "swapped":
        return
    tables = _tables(session, known.id)
    _may_swap(session, known, {table.as_of for table in tables})
    old = _lock(session, tables, loaded_at)
    archived = [table.name for table in tables if _put_in(session, table, old[table.table])]
    ledger.take_over(session, known.id, archived)
    move(session, known, "swapped", who, why, days=len(known.days))
    point("restate.swapped", restatement=known.id, tables=len(tables))


def _undo_once(session: Any, restatement_id: str, who: str, why: str | None, visible_at: datetime) -> None:
    one_at_a_time(session)
    known = find(session, restatement_id, lock=True)
    if known.state == "undone":
        return
    _may_undo(session, known)
    tables = _tables(session, known.id)
    live = _lock(session, tables, visible_at)
    for table in tables:
        _put_back(session, table, live[table.table])
    ledger.give_back(session, known.id)
    move(session, known, "undone", who, why, days=len(known.days))
    point("restate.undone", restatement=known.id, tables=len(tables))


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
    attach(session, table.as_of, table.table, "crm_staging", table.name)
    return old is not None


def _put_back(session: Any, table: _Table, live: Mapping[str, str]) -> None:
    _leave(session, table, live[bound(table.as_of)])
    if table.archived:
        attach(session, table.as_of, table.table, "crm_archive", table.archived)


def _leave(session: Any, table: _Table, restated: str) -> None:
    """Detach a table and name it as an orphan: dropping takes four times the locks, and comes after the commit."""
    number = int(table.name.rsplit("_r", 1)[1])
    orphan = f"{table.table}_{table.as_of:%Y%m%d}_{number:08x}"
    detach(session, table.table, restated)
    session.execute(f'ALTER TABLE {restated} RENAME TO "{orphan}"')
    session.execute(f'ALTER TABLE crm_days."{orphan}" SET SCHEMA crm_staging')


def _may_swap(session: Any, known: Restatement, staged: set[date]) -> None:
    if known.state != "compared":
        raise wrong_state(known, "swapped before its days were staged and compared")
    if known.needs_approval:
        raise RestatementError("its comparison goes beyond the limits and has to be approved", restatement=known.id,
                               because="; ".join(known.beyond_limits), hint="`ddcrm restate approve ID`.")  # fmt: skip
    if missing := sorted(set(known.days) - staged):
        raise RestatementError("not all days are staged", restatement=known.id, days=_some(missing))
    published = ledger.published_digests(session, known.days)
    changed = [day for day, digests in known.days.items() if dict(digests) != published.get(day, {})]
    if changed:
        hint = "Drop this restatement and plan again."
        raise PlanOutdatedError("days were published since this was planned", restatement=known.id,
                                days=_some(changed), hint=hint)  # fmt: skip


def _may_undo(session: Any, known: Restatement) -> None:
    if known.state != "swapped":
        raise wrong_state(known, "undone")
    if ledger.is_expired(session, known.id):
        raise RestatementError("the days that it replaced are not kept any more", restatement=known.id)
    if changed := ledger.published_since(session, known.id):
        hint = "Undoing would take back what came later. Plan a restatement of these days instead."
        raise PlanOutdatedError("days were published since this was swapped", restatement=known.id,
                                days=_some(changed), hint=hint)  # fmt: skip


def _some(days: Sequence[date]) -> str:
    """The first days, and how many more."""
    more = f" and {len(days) - 5} more" if len(days) > 5 else ""
    return ", ".join(map(str, days[:5])) + more
