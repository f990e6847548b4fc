"""Restate: from an approved plan to days that stand beside the published ones, compared, ready to be swapped in.

    propose ─▶ approve ─▶ restate ─▶ swap ─▶ undo        (swap and undo: restate_swap.py)

Nothing that readers see, and nothing of the live lake, changes before the swap. Each step can be run again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddcrm.atomic import locked
from ddcrm.dates import DateRange
from ddcrm.errors import PlanOutdatedError
from ddcrm.pipeline.plan import Plan
from ddcrm.pipeline.planning import State, plan_of, read_state
from ddcrm.pipeline.restate_work import Work, do_all
from ddcrm.pipeline.shadow import ShadowLedger, make_shadow, remove_shadow, restatements_dir, take_over
from ddcrm.progress import point
from ddcrm.settings import Settings

if TYPE_CHECKING:
    from ddcrm.warehouse.ledger import Ledger
    from ddcrm.warehouse.restate import Comparison, Restatement

AGAIN = "Run `ddcrm restate --yes`: it takes up what came since and keeps the work that is done."


def propose(settings: Settings, *, who: str, why: str, dates: DateRange | None = None) -> tuple[str | None, Plan]:
    """Make the plan and enter it as a restatement that waits for approval; None and the plan where nothing is to do.

    A restatement of another plan that is still open gives way: its work is taken over as far as it fits.
    """
    from ddcrm.pipeline.estimate import estimate
    from ddcrm.pipeline.record import opened
    from ddcrm.warehouse.restate import begin, drop, restatements_known

    with opened(settings) as ledger:
        plan = estimate(ledger, plan_of(read_state(settings, ledger), dates))
        if not plan:
            return None, plan
        found = begin(ledger.warehouse, plan.document(), who=who, why=why)
        for other in restatements_known(ledger.warehouse):
            if other.is_open and other.id != found:
                take_over(settings, other.id, found)
                drop(ledger.warehouse, other.id, who=who, why=f"{found} takes its place")
        point("restate.proposed", restatement=found, plan=plan.id)
    return found, plan


def approve(settings: Settings, restatement_id: str, *, who: str, why: str | None = None) -> None:
    """Approve the plan, or, once it was compared, the comparison; nothing where no approval is asked for."""
    from ddcrm.pipeline.record import opened
    from ddcrm.warehouse import restate as warehouse_side

    with opened(settings) as ledger:
        warehouse_side.approve(ledger.warehouse, restatement_id, who=who, why=why)
        point("restate.approved", restatement=restatement_id)


def restate(settings: Settings, restatement_id: str, *, jobs: int = 2) -> Comparison:
    """Do the work of an approved restatement and compare the days with the published ones; goes on where it was.

    Raises PlanOutdatedError where things have changed since it was planned, RestatementError where it is not approved,
    and what the steps raise.
    """
    from ddcrm.pipeline.record import opened
    from ddcrm.warehouse.restate import compare, restatement

    with opened(settings) as ledger, ledger.run("restate", restatement=restatement_id):
        known = restatement(ledger.warehouse, restatement_id)
        check_open(known)
        state, plan = current_plan(settings, ledger, known)
        with locked(restatements_dir(settings) / restatement_id):
            do_all(_work(settings, ledger, restatement_id, state, plan, jobs))
            point("restate.worked", restatement=restatement_id)
            return compare(ledger.warehouse, restatement_id, settings.restate)


def current_plan(settings: Settings, ledger: Ledger, known: Restatement) -> tuple[State, Plan]:
    """The plan of a restatement, made again; raises PlanOutdatedError where it has become another one."""
    state = read_state(settings, ledger)
    bounds = known.plan["inputs"].get("range")
    plan = plan_of(state, DateRange.parse(*bounds) if bounds else None)
    if plan.id != known.plan["id"]:
        raise PlanOutdatedError("things have changed since it was planned", restatement=known.id, hint=AGAIN)
    return state, plan


def check_open(known: Restatement) -> None:
    """Raise RestatementError unless it is approved and not at its end."""
    from ddcrm.errors import RestatementError

    if not known.is_open:
        raise RestatementError("it is at its end", restatement=known.id, state=known.state)
    if known.state == "planned":
        hint = f"Approve it: ddcrm restate approve {known.id}"
        raise RestatementError("nobody has approved it yet", restatement=known.id, hint=hint)


def give_up(settings: Settings, restatement_id: str, *, who: str, why: str | None = None) -> None:
    """Drop an open restatement and all its work."""
    from ddcrm.pipeline.record import opened
    from ddcrm.warehouse.restate import drop

    with opened(settings) as ledger:
        drop(ledger.warehouse, restatement_id, who=who, why=why)
        remove_shadow(settings, restatement_id)


def _work(settings: Settings, ledger: Ledger, restatement_id: str, state: State, plan: Plan, jobs: int) -> Work:
    from ddcrm.pipeline.planning import expected_batches

    shadow = make_shadow(settings, restatement_id)
    own = ShadowLedger(ledger.warehouse, restatements_dir(settings) / restatement_id)
    own.run_id = ledger.run_id
    return Work(settings, shadow, own, restatement_id, plan, expected_batches(state), state.contracts, jobs)
