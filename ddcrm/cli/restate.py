"""What `ddcrm restate` and its subcommands do."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from ddcrm.cli.output import Output
from ddcrm.dates import DateRange

if TYPE_CHECKING:
    from ddcrm.warehouse.restate import Comparison


def propose(out: Output, dates: DateRange | None, why: str, *, yes: bool, jobs: int, page: Path | None) -> None:
    """Plan, and with `yes` all that follows, as far as no other approval is asked for."""
    from ddcrm.cli.plan import show as show_plan
    from ddcrm.pipeline import restate as steps

    found, plan = steps.propose(out.settings, who=getpass.getuser(), why=why, dates=dates)
    out.document |= {"restatement": found, "plan": plan.as_dict()}
    show_plan(out, plan)
    if found is None:
        return
    if not yes:
        out.say(f"{found} waits: `ddcrm restate approve {found}`, then `ddcrm restate run {found}`")
        return
    steps.approve(out.settings, found, who=getpass.getuser(), why=why, seen=plan.id)  # the plan, and no comparison
    if work(out, found, jobs, page):
        swap(out, found, why)
    else:
        out.failed = True  # not all of it is published


def approve(out: Output, restatement_id: str, why: str) -> None:
    """Approve what waits for it."""
    from ddcrm.pipeline.restate import approve

    approve(out.settings, restatement_id, who=getpass.getuser(), why=why or None)
    out.document["restatement"] = restatement_id
    out.say(f"{restatement_id} is approved by {getpass.getuser()}")


def work(out: Output, restatement_id: str, jobs: int, page: Path | None) -> bool:
    """Work and compare; says whether it can be swapped in without another approval."""
    from ddcrm.pipeline.restate import restate

    comparison = restate(out.settings, restatement_id, jobs=jobs)
    _show_comparison(out, comparison, page)
    if waits := bool(comparison.beyond_limits) and _waits(out, restatement_id):
        out.say(f"approve it again, or drop it: `ddcrm restate approve {restatement_id}`, then "
                f"`ddcrm restate swap {restatement_id}`")  # fmt: skip
    return not waits


def _waits(out: Output, restatement_id: str) -> bool:
    """Whether its comparison has to be approved: the same one may have been approved before."""
    from ddcrm.pipeline.record import opened
    from ddcrm.warehouse.restate import restatement

    with opened(out.settings) as ledger:
        return restatement(ledger.warehouse, restatement_id).needs_approval


def _show_comparison(out: Output, comparison: Comparison, page: Path | None) -> None:
    out.document["comparison"] = comparison.summary()
    days = comparison.document["days"]
    out.say(f"{comparison.restatement_id}: {len(days)} days are staged and compared")
    for reason in comparison.beyond_limits:
        out.say(f"    beyond the limits: {reason}")
    if page is not None:
        _write(comparison, page)
        out.say(f"    the comparison stands in {page}")


def _write(comparison: Comparison, file: Path) -> None:
    """All of the comparison, which names customers by their keys: HTML, or JSON where the file's name ends in .json."""
    from ddcrm.atomic import to_json, write_private
    from ddcrm.errors import RestatementError

    try:
        write_private(file, to_json(comparison.as_dict()) if file.suffix == ".json" else comparison.html())
    except OSError as error:
        hint = f"Name another file; `ddcrm restate show {comparison.restatement_id} --page FILE` writes it, too."
        raise RestatementError(f"the comparison can't be written: {error.strerror or error}",
                               restatement=comparison.restatement_id, file=str(file), hint=hint) from None  # fmt: skip


def swap(out: Output, restatement_id: str, why: str) -> None:
    """Swap in, and let go what is kept no longer."""
    from ddcrm.pipeline.restate_swap import expire
    from ddcrm.pipeline.restate_swap import swap as step

    who = getpass.getuser()
    known = step(out.settings, restatement_id, who=who, why=why or None)
    out.document |= {"restatement": known.id, "state": known.state}
    out.say(f"{known.id} is swapped in: {len(known.days)} days; back with `ddcrm restate undo {known.id}`, "
            f"for {out.settings.restate.keep_days} days")  # fmt: skip
    for expired in expire(out.settings, who=who):
        out.say(f"    what {expired} replaced is kept no longer")


def undo(out: Output, restatement_id: str, why: str) -> None:
    """Bring back."""
    from ddcrm.pipeline.restate_swap import undo as step

    known = step(out.settings, restatement_id, who=getpass.getuser(), why=why or None)
    out.document |= {"restatement": known.id, "state": known.state}
    out.say(f"{known.id} is undone: {len(known.days)} days are as they were")


def drop(out: Output, restatement_id: str, why: str) -> None:
    """Give up."""
    from ddcrm.pipeline.restate import give_up

    give_up(out.settings, restatement_id, who=getpass.getuser(), why=why or None)
    out.document["restatement"] = restatement_id
    out.say(f"{restatement_id} is dropped")


def listed(out: Output) -> None:
    """A line for each."""
    from ddcrm.pipeline.record import opened
    from ddcrm.warehouse.restate import restatements_known

    with opened(out.settings) as ledger:
        known = restatements_known(ledger.warehouse)
    for each in known:
        out.add("restatements", {"id": each.id, "state": each.state, "days": len(each.days), "who": each.who,
                                 "why": each.why, "needs_approval": each.is_open and each.needs_approval})  # fmt: skip
    rows = [(each.id, each.state, len(each.days), each.who, each.why) for each in known]
    if rows:
        out.table(rows, ("restatement", "state", "days", "who", "why"))
    else:
        out.say("there are no restatements")


def show(out: Output, restatement_id: str, page: Path | None) -> None:
    """Its events, and its comparison if it was compared."""
    from ddcrm.pipeline.record import opened
    from ddcrm.warehouse.restate import Comparison, restatement

    with opened(out.settings) as ledger:
        known = restatement(ledger.warehouse, restatement_id)
    out.say(f"{known.id}: {known.state}, {len(known.days)} days, planned by {known.who}: {known.why}")
    for event in known.events:
        out.add("events", event.as_dict())
        out.say(f"    {event.at:%Y-%m-%d %H:%M} {event.event} by {event.who}{f': {event.why}' if event.why else ''}")
    out.document |= {"restatement": known.id, "state": known.state}
    if known.comparison is not None:
        _show_comparison(out, Comparison(known.id, known.comparison), page)
