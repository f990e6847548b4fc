"""`ddcrm plan`: what must be restated, for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ddcrm.cli.output import Output
from ddcrm.dates import DateRange

if TYPE_CHECKING:
    from ddcrm.pipeline.plan import Plan, PlannedDay, PlannedTraining


def plan(out: Output, dates: DateRange | None) -> None:
    """Make the plan and print it."""
    from ddcrm.pipeline.planning import make_plan

    made = make_plan(out.settings, dates)
    out.document |= {"nothing_to_do": not made, "plan": made.as_dict()}
    show(out, made)


def show(out: Output, made: Plan) -> None:
    """Print a plan for people."""
    if not made:
        out.say("nothing to restate: everything is as it would be made now")
    else:
        rows, batches = made.rows(), sum(len(each.dates) for each in made.batches)
        out.say(f"plan {made.id}: {batches:,} batches ({rows['landed']:,} rows), {len(made.trainings)} trainings, "
                f"{len(made.days)} published days ({rows['published']:,} rows); {duration(made.seconds)}")  # fmt: skip
    for each in made.batches:
        versions = each.version if each.made_by_version == each.version else f"{each.made_by_version} -> {each.version}"
        follow = "" if each.scored else "; no score follows"
        out.say(f"batches    {each.source} {each.dates}, contract {versions}: {'; '.join(each.reasons)}{follow}")
    _dated(out, "trainings", made.trainings)
    _dated(out, "days", made.days)
    for line in made.kept:
        out.say(f"not touched: {line}")


def _dated(out: Output, what: str, each: Sequence[PlannedTraining | PlannedDay]) -> None:
    """One line for days that stand beside each other and have the same reasons."""
    groups: list[list[PlannedTraining | PlannedDay]] = []
    for one in each:
        if not groups or groups[-1][-1].reasons != one.reasons:
            groups.append([])
        groups[-1].append(one)
    for group in groups:
        dates = DateRange(group[0].as_of, group[-1].as_of)
        number = f" ({len(group)})" if len(group) > 1 else ""
        out.say(f"{what:<10} {dates}{number}: {'; '.join(group[0].reasons)}")


def duration(seconds: float | None) -> str:
    """In words."""
    if seconds is None:
        return "how long it takes is not known: no such run is in the ledger"
    return f"about {seconds:.0f} s of work" if seconds < 100 else f"about {seconds / 60:.0f} min of work"
