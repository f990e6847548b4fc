"""Restate: from an approved plan to days that stand beside the published ones, compared, ready to be swapped in.

    propose ─▶ approve ─▶ restate ─▶ swap ─▶ undo        (swap and undo: restate_swap.py)

Nothing that readers see, and nothing of the live lake, changes before the swap. Each step can be run again.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from ddcrm.atomic import locked, try_locked
from ddcrm.dates import DateRange
from ddcrm.errors import PlanOutdatedError
from ddcrm.pipeline.plan import Plan
from ddcrm.pipeline.planning import State, plan_of, read_state
from ddcrm.pipeline.restate_finish import settled
from ddcrm.pipeline.restate_work import Work, do_all
from ddcrm.pipeline.shadow import (
    ShadowLedger,
    alone_at_work,
    make_shadow,
    remove_shadow,
    restatements_dir,
    take_over,
)
from ddcrm.progress import point
from ddcrm.settings import Settings

if TYPE_CHECKING:
    from ddcrm.warehouse.connect import Warehouse
    from ddcrm.warehouse.ledger import Ledger
    from ddcrm.warehouse.restate import Comparison, Restatement


def propose(settings: Settings, *, who: str, why: str, dates: DateRange | None = None) -> tuple[str | None, Plan]:
    """Make the plan and enter it as a restatement that waits for approval; None and the plan where nothing is to do.

    A restatement of another plan that is still open gives way: its work is taken over as far as it fits. One at a time,
    and not amid a swap: it waits. Raises RestatementError where another process is at work on one that is to give way.
    """
    from ddcrm.pipeline.estimate import estimate
    from ddcrm.pipeline.record import opened
    from ddcrm.warehouse.restate import begin, restatements_known

    with opened(settings) as ledger, settled(settings, ledger.warehouse, shared=False), ExitStack() as held:
        plan = estimate(ledger, plan_of(read_state(settings, ledger), dates))
        if not plan:
            return None, plan
        known = restatements_known(ledger.warehouse)
        others = [each.id for each in known if each.is_open and each.plan_id != plan.id]
        for other in others:
            held.enter_context(alone_at_work(settings, other))
        found = begin(ledger.warehouse, plan.document(), who=who, why=why)
        if found not in {each.id for each in known}:
            remove_shadow(settings, found)  # of a ledger that is no more: this one was restored from a backup
        _give_way(settings, ledger.warehouse, others, found, who)
        point("restate.proposed", restatement=found, plan=plan.id)
    return found, plan


def _give_way(settings: Settings, warehouse: Warehouse, others: list[str], found: str, who: str) -> None:
    """The work first: killed between, the other one has none left, and gives way with the next proposal."""
    for other in others:
        take_over(settings, other, found)
        point("restate.taken_over", restatement=found, of=other)
        drop_with_work(settings, warehouse, other, who=who, why=f"{found} takes its place")


def approve(
    settings: Settings, restatement_id: str, *, who: str, why: str | None = None, seen: str | None = None
) -> None:
    """Approve the plan, or, once it was compared, the comparison; nothing where no approval is asked for.

    seen: what was looked at (`Restatement.waits_for`): nothing else is approved by it; None: what waits now.
    """
    from ddcrm.pipeline.record import opened
    from ddcrm.warehouse import restate as warehouse_side

    with opened(settings) as ledger:
        warehouse_side.approve(ledger.warehouse, restatement_id, who=who, why=why, seen=seen)
        point("restate.approved", restatement=restatement_id)


def restate(settings: Settings, restatement_id: str, *, jobs: int = 2) -> Comparison:
    """Do the work of an approved restatement and compare the days with the published ones; goes on where it was.

    What was published since it was planned, and follows from its causes, it takes up. Raises PlanOutdatedError where
    other things have changed, RestatementError where it is not approved, and what the steps raise.
    """
    from ddcrm.pipeline.record import recorded
    from ddcrm.warehouse.restate import compare, restatement

    with recorded(settings, "restate", restatement=restatement_id) as ledger:
        check_open(restatement(ledger.warehouse, restatement_id))
        with locked(restatements_dir(settings) / restatement_id):
            known = restatement(ledger.warehouse, restatement_id)  # as it is after waiting for others
            check_open(known)
            with settled(settings, ledger.warehouse, shared=True):
                state, plan = _plan_to_work(settings, ledger, known)
            do_all(_work(settings, ledger, restatement_id, state, plan, jobs))
            point("restate.worked", restatement=restatement_id)
            return compare(ledger.warehouse, restatement_id, settings.restate)


def plan_to_swap(settings: Settings, ledger: Ledger, known: Restatement) -> Plan:
    """The plan of a restatement, made again; raises PlanOutdatedError where it has become another one."""
    _, plan = _plan_now(settings, ledger, known)
    if plan.id == known.plan["id"]:
        return plan
    if plan.grew_from(known.plan):
        hint = (f"`ddcrm restate run {known.id}`, or in Airflow: clear the task `restate`. It computes what came "
                "since, and no more, and compares again.")  # fmt: skip
        raise PlanOutdatedError("days were published since it was compared", restatement=known.id, hint=hint)
    raise _outdated(known)


def _plan_to_work(settings: Settings, ledger: Ledger, known: Restatement) -> tuple[State, Plan]:
    """The same; one that only grew becomes that of the restatement."""
    from ddcrm.warehouse.restate import extend

    state, plan = _plan_now(settings, ledger, known)
    if plan.id != known.plan["id"]:
        if not plan.grew_from(known.plan):
            raise _outdated(known)
        extend(ledger.warehouse, known.id, plan.document(), who=known.who)
    return state, plan


def _plan_now(settings: Settings, ledger: Ledger, known: Restatement) -> tuple[State, Plan]:
    state = read_state(settings, ledger)
    bounds = known.plan["inputs"].get("range")
    return state, plan_of(state, DateRange.parse(*bounds) if bounds else None)


def _outdated(known: Restatement) -> PlanOutdatedError:
    first, last = known.plan["inputs"].get("range") or (None, None)
    command = f"ddcrm restate --from {first} --to {last}" if first else "ddcrm restate"
    hint = (f"Plan again: `{command}` (with --yes it is done at once), or start crm_restate again. It takes up what "
            "came since and keeps the work that is done.")  # fmt: skip
    return PlanOutdatedError("things have changed since it was planned", restatement=known.id, hint=hint)


def check_open(known: Restatement) -> None:
    """Raise RestatementError unless it is approved and not at its end."""
    from ddcrm.errors import RestatementError

    if not known.is_open:
        raise RestatementError("it is at its end", restatement=known.id, state=known.state, hint=known.way_on)
    if known.state == "planned":
        raise RestatementError("nobody has approved it yet", restatement=known.id, hint=known.way_on)


def give_up(settings: Settings, restatement_id: str, *, who: str, why: str | None = None) -> None:
    """Drop an open restatement and all its work.

    A process that is at work on it fails at its next step in the warehouse; what it leaves on disk, `clean` removes.
    """
    from ddcrm.pipeline.record import opened
    from ddcrm.warehouse.restate import drop

    with opened(settings) as ledger:
        drop(ledger.warehouse, restatement_id, who=who, why=why)
        with try_locked(restatements_dir(settings) / restatement_id) as ours:
            if ours:
                remove_shadow(settings, restatement_id)


def drop_with_work(
    settings: Settings, warehouse: Warehouse, restatement_id: str, *, who: str, why: str | None = None
) -> None:
    """The same for whoever holds its lock."""
    from ddcrm.warehouse.restate import drop

    drop(warehouse, restatement_id, who=who, why=why)
    remove_shadow(settings, restatement_id)


def _work(settings: Settings, ledger: Ledger, restatement_id: str, state: State, plan: Plan, jobs: int) -> Work:
    from ddcrm.pipeline.planning import expected_batches

    shadow = make_shadow(settings, restatement_id)
    own = ShadowLedger(ledger.warehouse, restatements_dir(settings) / restatement_id)
    own.run_id = ledger.run_id
    made = expected_batches(state)
    return Work(settings, shadow, own, restatement_id, plan, made, state.contracts, state.batches, jobs)
