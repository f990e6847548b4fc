"""The steps of a restatement as tasks: what a person has to see before approving it, and who did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException
from ddcrm_project import project_settings
from ddcrm_steps import run_step

from ddcrm.dates import DateRange
from ddcrm.errors import SettingsError

SOMEBODY = "airflow"  # who started a run that nobody started by hand
SHOWN = 40  # lines of a plan


def propose() -> dict[str, Any]:
    """Make the plan and enter it; skips where there is nothing to restate."""
    from ddcrm.pipeline.restate import propose as step

    params = get_current_context()["params"]
    dates = run_step(lambda: _dates(params["from"], params["to"]))
    why = params["why"] or "crm_restate"
    found, plan = run_step(lambda: step(project_settings(), who=_starter(), why=why, dates=dates))
    if found is None:
        raise AirflowSkipException("nothing to restate: everything is as it would be made now")
    return {"restatement": found, "plan": plan.id, "days": len(plan.days), "text": plan_text(plan.as_dict(), why)}


def _dates(first: str | None, last: str | None) -> DateRange | None:
    if bool(first) != bool(last):
        raise SettingsError("a range has two ends, and one is missing", hint="Fill in both from and to, or neither.")
    return DateRange.parse(first, last) if first and last else None


def work(restatement: str, jobs: int) -> dict[str, Any]:
    """Do the work and compare; returns what may be seen by everybody who sees the run, and what an approval is of."""
    from ddcrm.pipeline.restate import restate as step

    compared = run_step(lambda: step(project_settings(), restatement, jobs=jobs))
    beyond = list(compared.beyond_limits)
    return {"restatement": restatement, "days": len(compared.document["days"]), "beyond_limits": beyond,
            "comparison": compared.id, "text": changes_text(restatement, beyond)}  # fmt: skip


def swap_in(restatement: str) -> dict[str, Any]:
    """Make the restated days those that everybody reads, and let go what earlier swaps replaced long enough ago."""
    from ddcrm.pipeline.restate_swap import expire
    from ddcrm.pipeline.restate_swap import swap as step

    known = run_step(lambda: step(project_settings(), restatement, who=_starter()))
    expired = run_step(lambda: expire(project_settings(), who=_starter()))
    return {"restatement": known.id, "state": known.state, "days": len(known.days), "expired": expired}


class RestatementApproval(ApprovalOperator):
    """Asks a person, where the restatement waits for an approval of what was `seen`: the ledger says who gave it.

    seen: the id of the plan, or of the comparison, that is shown; an answer approves nothing else.
    Who may answer is whoever may change a run of the DAG: of the simple auth manager's roles user, op and admin, not
    viewer. Reject skips what follows and leaves the restatement as it is.
    """

    template_fields = (*ApprovalOperator.template_fields, "restatement", "seen")

    def __init__(self, *, restatement: str, seen: str, **values: Any) -> None:
        self.restatement = restatement
        self.seen = seen
        super().__init__(**values)

    def execute(self, context: Any) -> Any:
        """Ask, unless nothing waits."""
        if not run_step(self._waits):
            self.log.info("no approval is needed: within the limits, or approved before")
            return None
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Note who approved."""
        answer = super().execute_complete(context, event)
        if answer["chosen_options"] == [self.APPROVE]:
            user = answer["responded_by_user"] or {}
            run_step(lambda: self._approve(user.get("name") or user.get("id") or SOMEBODY))
        return None  # the answer stands in the ledger and in Airflow's own table

    def _waits(self) -> bool:
        from ddcrm.pipeline.record import opened
        from ddcrm.warehouse.restate import restatement

        with opened(project_settings()) as ledger:
            return restatement(ledger.warehouse, self.restatement).waits_for == self.seen

    def _approve(self, who: str) -> None:
        from ddcrm.pipeline.restate import approve

        approve(project_settings(), self.restatement, who=who, why=f"answered to {self.task_id}", seen=self.seen)


def plan_text(plan: Mapping[str, Any], why: str) -> str:
    """A plan in Markdown, as it is shown to who approves it."""
    rows, days = plan["rows"], list(plan["days"])
    again = f"{len(days)} published days ({rows['published']:,} rows) to compute again. {_duration(plan)}"
    lines = [f"**{why}**", "", f"Plan `{plan['id']}`: {rows['landed']:,} rows to read again from landing, {again}", ""]
    for each in plan["batches"]:
        versions = " to ".join(dict.fromkeys(each["contract"].values()))
        lines.append(f"- batches of {each['source']}, {each['first']} to {each['last']}, contract {versions}: "
                     f"{'; '.join(each['reasons'])}")  # fmt: skip
    lines += [f"- training as of {day}: {'; '.join(reasons)}" for day, reasons in plan["trainings"].items()]
    lines += [f"- published days {days[0]} to {days[-1]}"] if days else []
    lines += [f"- not touched: {line}" for line in plan["kept"]]
    more = len(lines) - SHOWN
    return "\n".join(lines if more <= 0 else [*lines[:SHOWN], f"- and {more} more: `ddcrm plan`"])


def changes_text(restatement: str, beyond: list[str]) -> str:
    """In Markdown, where a comparison goes beyond the limits."""
    told = "\n".join(f"- {reason}" for reason in beyond)
    return f"{told}\n\nThe comparison: `ddcrm restate show {restatement} --page ~/comparison.html`"


def _duration(plan: Mapping[str, Any]) -> str:
    seconds = plan["seconds"]
    return "How long it takes is not known." if seconds is None else f"About {max(seconds / 60, 1):.0f} min of work."


def _starter() -> str:
    """Who started the run."""
    return get_current_context()["dag_run"].triggering_user_name or SOMEBODY
