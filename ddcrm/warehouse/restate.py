"""Restate published days: stage them beside the live ones, compare, swap them in all at once, undo.

    begin ─▶ planned ─ approve ─▶ approved ─ stage ─▶ staging ─ compare ─▶ compared ─ swap ─▶ swapped ─ undo ─▶ undone
             └─────────────────── drop ─▶ dropped ──────────────────────────────┘

A plan is a mapping that is JSON-ready. Of it the warehouse reads `days`: each day (YYYY-MM-DD) with the digests that
ops.publications had of it when it was planned ({table: digest}, empty where nothing was published), and, if given,
`id` (the same for the same work) and `versions` ({"from": ..., "to": ...}). Staged tables stand in crm_staging, named
for the day and the restatement, and outlive the process that loaded them; ops.restatement_tables knows them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from ddcrm.errors import RestatementError
from ddcrm.progress import point
from ddcrm.warehouse import restatements, staging
from ddcrm.warehouse.compare import Comparison, compare
from ddcrm.warehouse.loading import Audit, Loaded, Rows, check_names, load_day
from ddcrm.warehouse.records import Batch, Publication, Reason, plain
from ddcrm.warehouse.restate_swap import check_kept, expire, not_kept, swap, undo
from ddcrm.warehouse.restatements import Restatement, digest_of, find, move, note, wrong_state

if TYPE_CHECKING:
    from ddcrm.warehouse.connect import Warehouse

__all__ = [
    "Comparison",
    "Restatement",
    "approve",
    "begin",
    "check_kept",
    "compare",
    "drop",
    "expire",
    "extend",
    "not_kept",
    "record_batches",
    "restatement",
    "restatements_known",
    "stage",
    "staged_days",
    "state_of",
    "swap",
    "undo",
]


def begin(warehouse: Warehouse, plan: Mapping[str, Any], *, who: str, why: str) -> str:
    """Enter a plan; returns the id of its restatement, that of the open one where this plan was entered before.

    Raises RestatementError where the plan names no days, no batches and no trainings.
    """
    document = plain(plan)
    days = document.get("days")
    if not isinstance(days, Mapping) or not (days or document.get("batches") or document.get("trainings")):
        raise RestatementError("the plan names nothing to restate", hint="There is nothing to do.")
    for day in days:
        date.fromisoformat(day)
    plan_id = document.get("id") or digest_of(document)
    with warehouse.session(RestatementError) as session:
        found = restatements.insert(session, plan_id, document, document.get("versions") or {}, who, why)
    point("restate.planned", restatement=found, days=len(days))
    return found


def approve(
    warehouse: Warehouse, restatement_id: str, *, who: str, why: str | None = None, seen: str | None = None
) -> None:
    """Approve the plan, or, once it was compared, the comparison; nothing where nothing waits.

    seen: what somebody has looked at (`Restatement.waits_for` of that moment); None: what waits now. Raises
    RestatementError where it is not open, or where what waits is another comparison than was seen.
    """
    with warehouse.session(RestatementError, restatement=restatement_id) as session, session.transaction():
        known = find(session, restatement_id, lock=True)
        if not known.is_open:
            raise wrong_state(known, "approved")
        waits = known.waits_for
        if waits is None or (known.state != "planned" and seen == known.plan_id):
            return  # a plan that was seen is approved already, and says nothing about a comparison
        if seen not in (None, waits):
            raise RestatementError("it was compared again since", restatement=known.id, hint=known.way_on)
        if known.state == "planned":
            move(session, known, "approved", who, why)
        else:
            note(session, known.id, "approved", who, why)


def extend(warehouse: Warehouse, restatement_id: str, plan: Mapping[str, Any], *, who: str) -> None:
    """Let an open restatement have a plan that has grown by what follows from it: its approval stands.

    Raises RestatementError where it is not open.
    """
    with warehouse.session(RestatementError, restatement=restatement_id) as session, session.transaction():
        known = find(session, restatement_id, lock=True)
        if not known.is_open:
            raise wrong_state(known, "extended")
        restatements.extend(session, known, plain(plan), who)
    point("restate.extended", restatement=restatement_id, days=len(plan["days"]))


def state_of(warehouse: Warehouse, restatement_id: str) -> str | None:
    """Its state; None where there is none of this id. Waits where a swap or undoing is at its commit."""
    with warehouse.session(RestatementError, restatement=restatement_id) as session:
        return restatements.state_of(session, restatement_id)


def restatement(warehouse: Warehouse, restatement_id: str) -> Restatement:
    """What is known of a restatement; raises RestatementError where there is none of this id."""
    with warehouse.session(RestatementError, restatement=restatement_id) as session:
        return find(session, restatement_id)


def restatements_known(warehouse: Warehouse) -> list[Restatement]:
    """All restatements, the newest first."""
    with warehouse.session(RestatementError) as session:
        return [find(session, each) for each in restatements.listed(session)]


def staged_days(warehouse: Warehouse, restatement_id: str) -> dict[date, str | None]:
    """The days that are staged whole, each with the fingerprint it was staged with."""
    with warehouse.session(RestatementError, restatement=restatement_id) as session:
        return _staged_days(session, restatement_id)


def stage(
    warehouse: Warehouse,
    restatement_id: str,
    as_of: date,
    tables: Mapping[str, Rows],
    *,
    audit: Audit,
    prepare: Callable[[], object] | None = None,
    models: Mapping[str, str] | None = None,
    fingerprint: str | None = None,
    made_by: Mapping[str, Any] | None = None,
    run_id: str | None = None,
) -> list[Publication]:
    """Load and audit a restated day beside the live one, as `publish_day` does; it stays there until it is swapped in.

    `audit` may return the checks' outcome as a sequence of `Validation`: they come to ops.validations with the swap.
    A day that is staged already with this fingerprint is left as it is, with another one it is replaced. Several days
    can be staged at once, also by several processes. Raises RestatementError where the plan lacks the day, or is not
    approved or not open any more; else what `publish_day` raises.
    """
    check_names(tables)
    with warehouse.session(RestatementError, restatement=restatement_id, as_of=as_of) as session:
        known = _may_stage(find(session, restatement_id), as_of)
        if fingerprint is None or _staged_days(session, known.id).get(as_of) != fingerprint:
            record = {"models": dict(models or {}), "fingerprint": fingerprint, "made_by": made_by, "run_id": run_id}
            _load_and_keep(warehouse, session, known.id, as_of, tables, prepare, audit, record)
        point("restate.staged", restatement=known.id, as_of=str(as_of))
        return _publications(session, known.id, as_of)


def record_batches(
    warehouse: Warehouse,
    restatement_id: str,
    batches: Sequence[Batch],
    reasons: Iterable[Reason] = (),
    run_id: str | None = None,
) -> None:
    """Note how restated batches came out, beside what ops.batches has of them: the swap takes them over, undo back."""
    from psycopg.types.json import Jsonb

    by_batch: dict[tuple[str, date], list[Any]] = {(batch.source, batch.batch_date): [] for batch in batches}
    for reason in reasons:
        by_batch[reason.source, reason.batch_date].append(reason.as_dict())
    query = (
        "INSERT INTO ops.restatement_batches (restatement_id, source, batch_date, after) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (restatement_id, source, batch_date) DO UPDATE SET after = excluded.after"
    )
    with warehouse.session(RestatementError, restatement=restatement_id) as session, session.transaction():
        known = find(session, restatement_id, lock=True)
        if not known.is_open:
            raise wrong_state(known, "changed")
        for batch in batches:
            after = {**batch.as_dict(), "run_id": run_id, "reasons": by_batch[batch.source, batch.batch_date]}
            session.execute(query, [known.id, batch.source, batch.batch_date, Jsonb(after)])


def drop(warehouse: Warehouse, restatement_id: str, *, who: str, why: str | None = None) -> None:
    """Give up an open restatement: its staged tables go. A second call changes nothing."""
    with warehouse.session(RestatementError, restatement=restatement_id) as session, session.transaction():
        session.execute("SET LOCAL lock_timeout = '10s'")
        known = find(session, restatement_id, lock=True)
        if known.state == "dropped":
            return
        if not known.is_open:
            raise wrong_state(known, "dropped")
        for name in _drop_staged(session, known.id):
            point("restate.dropping", table=name)
        move(session, known, "dropped", who, why)


def _may_stage(known: Restatement, as_of: date) -> Restatement:
    if not known.is_open:
        raise wrong_state(known, "staged")
    if known.state == "planned":
        raise RestatementError("nobody has approved it yet", restatement=known.id, hint=known.way_on)
    if as_of not in known.days:
        hint = "Plan again: `ddcrm restate`."
        raise RestatementError("the plan does not have this day", restatement=known.id, as_of=as_of, hint=hint)
    return known


def _load_and_keep(
    warehouse: Warehouse,
    session: Any,
    restatement_id: str,
    as_of: date,
    tables: Mapping[str, Any],
    prepare: Callable[[], object] | None,
    audit: Audit,
    record: Mapping[str, Any],
) -> None:
    """Load under a name that the next run would take for an orphan; give it one that lasts when the day is whole."""
    staging.drop_orphans(session)
    with staging.staging_token(session) as token:
        try:
            loaded = load_day(warehouse, session, tables, as_of, token, prepare, audit)
            with session.transaction():
                _keep(session, restatement_id, as_of, loaded, record)
                point("restate.kept", as_of=str(as_of))
        except BaseException:
            staging.abandon(session, token)
            raise


def _keep(session: Any, restatement_id: str, as_of: date, loaded: Loaded, record: Mapping[str, Any]) -> None:
    from psycopg.types.json import Jsonb

    known = _may_stage(find(session, restatement_id, lock=True), as_of)
    _drop_staged(session, known.id, as_of)
    query = (
        "INSERT INTO ops.restatement_tables (restatement_id, as_of, table_name, staged, rows, digest, models, "
        "fingerprint, made_by, run_id, checks, staged_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
    )
    made_by = None if record["made_by"] is None else Jsonb(record["made_by"])
    for table in loaded.tables:
        name = f"{table.table}_{as_of:%Y%m%d}_{known.id}"
        session.execute(f'ALTER TABLE crm_staging."{table.name}" RENAME TO "{name}"')
        subject = {"table_name": table.table, "as_of": str(as_of), "run_id": record["run_id"]}
        checks = Jsonb([{**check, **subject} for check in _checks(loaded.audits.get(table.table))])
        values = [name, table.rows, table.digest, Jsonb(record["models"]), record["fingerprint"], made_by]
        session.execute(query, [known.id, as_of, table.table, *values, record["run_id"], checks, loaded.at])
    if known.state != "staging":
        move(session, known, "staging", known.who)


def _checks(returned: Any) -> list[dict[str, Any]]:
    """What an audit returned, JSON-ready."""
    return [check.as_dict() for check in returned or ()]


def _drop_staged(session: Any, restatement_id: str, as_of: date | None = None) -> list[str]:
    """Drop what is staged of a restatement, or of one of its days; returns the names."""
    one_day = "" if as_of is None else "AND as_of = %s"
    query = f"DELETE FROM ops.restatement_tables WHERE restatement_id = %s {one_day} RETURNING staged"
    values = [restatement_id] if as_of is None else [restatement_id, as_of]
    names = [name for (name,) in session.execute(query, values).fetchall()]
    for name in names:
        session.execute(f'DROP TABLE IF EXISTS crm_staging."{name}"')
    return names


def _staged_days(session: Any, restatement_id: str) -> dict[date, str | None]:
    query = (
        "SELECT as_of, min(fingerprint) FROM ops.restatement_tables WHERE restatement_id = %s "
        "GROUP BY as_of HAVING bool_and(to_regclass(format('crm_staging.%%I', staged)) IS NOT NULL) ORDER BY as_of"
    )
    return dict(session.execute(query, [restatement_id]).fetchall())


def _publications(session: Any, restatement_id: str, as_of: date) -> list[Publication]:
    query = (
        "SELECT as_of, table_name, rows, digest FROM ops.restatement_tables "
        "WHERE restatement_id = %s AND as_of = %s ORDER BY table_name"
    )
    return [Publication(*row) for row in session.execute(query, [restatement_id, as_of]).fetchall()]
