"""What restatements hold in the warehouse that can go: names, and how many tables and bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ddcrm.errors import RestatementError
from ddcrm.warehouse import restate_ledger as ledger
from ddcrm.warehouse.restatements import OPEN

if TYPE_CHECKING:
    from ddcrm.warehouse.connect import Warehouse

Held = dict[str, tuple[int, int]]  # restatement -> tables, bytes


def expirable(warehouse: Warehouse, keep_days: int) -> Held:
    """The restatements that `expire` would let go of, with what they keep in crm_archive."""
    with warehouse.session(RestatementError) as session:
        return _held(session, ledger.expirable(session, keep_days), "crm_archive", "archived")


def untouched(warehouse: Warehouse, days: int) -> Held:
    """The open restatements with no event for so many days, by the server's clock, with what they have staged."""
    query = (
        "SELECT r.id FROM ops.restatements r JOIN ops.restatement_events e ON e.restatement_id = r.id "
        "WHERE r.state = ANY(%s) GROUP BY r.id HAVING max(e.recorded_at) < now() - make_interval(days => %s) ORDER BY 1"
    )
    with warehouse.session(RestatementError) as session:
        names = [name for (name,) in session.execute(query, [list(OPEN), days]).fetchall()]
        return _held(session, names, "crm_staging", "staged")


def ended(warehouse: Warehouse) -> list[str]:
    """The restatements that nothing can be done with any more: undone, dropped, or swapped and expired."""
    query = (
        "SELECT id FROM ops.restatements r WHERE state IN ('undone', 'dropped') OR EXISTS (SELECT FROM "
        "ops.restatement_events e WHERE e.restatement_id = r.id AND e.event = 'expired') ORDER BY 1"
    )
    with warehouse.session(RestatementError) as session:
        return [name for (name,) in session.execute(query).fetchall()]


def _held(session: Any, names: list[str], schema: str, column: str) -> Held:
    query = (
        "SELECT count(*), coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c "
        f"JOIN ops.restatement_tables r ON c.relname = r.{column} AND c.relnamespace = to_regnamespace(%s) "
        "WHERE r.restatement_id = %s"
    )
    return {name: session.execute(query, [schema, name]).fetchone() for name in names}
