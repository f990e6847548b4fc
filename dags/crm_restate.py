"""
### Restatement

Started by hand after something changed that published days were made by: a contract, an expectation, a setting, the
code, a batch that came late. Plans what must be computed again, and waits for somebody to approve the plan (*Required
actions*); computes it beside the live data, where readers see nothing of it; compares; asks again where the changes go
beyond the limits of `ddcrm.toml`; then swaps all days in at once.

*Undo:* `ddcrm restate undo ID`, while the replaced days are kept. *Rejected, failed, killed:* nothing has changed for
readers. Clear the task, or start a new run: the same plan goes on where it was.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, Param, get_current_context, task
from ddcrm_policy import DAG_DEFAULTS, deadline
from ddcrm_restatement import RestatementApproval, propose, swap_in, work

PUBLISHED = Asset("ddcrm_published", uri="ddcrm://warehouse/crm")
DAY = {"type": ["null", "string"], "format": "date"}
ID = "{{ ti.xcom_pull(task_ids='plan')['restatement'] }}"
PLAN = "{{ ti.xcom_pull(task_ids='plan')['plan'] }}"
COMPARISON = "{{ ti.xcom_pull(task_ids='restate')['comparison'] }}"


@task(multiple_outputs=False)
def plan() -> dict[str, Any]:
    """Say what must be restated, and enter it in the ledger; nothing to do skips the rest."""
    return propose()


@task(multiple_outputs=False, execution_timeout=timedelta(hours=12))
def restate(restatement: str) -> dict[str, Any]:
    """Conform, train and score again beside the live data, from landing; compare with what is published."""
    return work(restatement, get_current_context()["params"]["jobs"])


@task(outlets=[PUBLISHED], multiple_outputs=False)
def swap(restatement: str) -> dict[str, Any]:
    """All restated days in one transaction; refused where a day was published since it was planned."""
    result = swap_in(restatement)
    get_current_context()["outlet_events"][PUBLISHED].extra = result
    return result


with DAG(
    dag_id="crm_restate",
    schedule=None,
    is_paused_upon_creation=False,  # it only runs when it is told to
    params={
        "from": Param(None, **DAY, description="First day of causes; empty: all"),
        "to": Param(None, **DAY, description="Last day of causes"),
        "why": Param("", type="string", description="The reason, for the ledger"),
        "jobs": Param(2, type="integer", minimum=1, description="Units of work at once"),
    },
    dagrun_timeout=timedelta(days=15),
    deadline=deadline(24, "A restatement is not done: it may wait for an approval."),
    description="From a change to restated scores: plan, approval, work beside the live data, comparison, swap",
    doc_md=__doc__,
    tags=["crm", "scores", "restatement"],
    **DAG_DEFAULTS,
):
    approve_plan = RestatementApproval(
        task_id="approve_plan", restatement=ID, seen=PLAN, response_timeout=timedelta(days=7),
        subject=f"Restate {ID}?", body="{{ ti.xcom_pull(task_ids='plan')['text'] }}",
        doc_md="Waits for somebody to approve the plan; the ledger says who did.",
    )  # fmt: skip
    approve_changes = RestatementApproval(
        task_id="approve_changes", restatement=ID, seen=COMPARISON, response_timeout=timedelta(days=7),
        subject=f"Swap {ID} in?", body="{{ ti.xcom_pull(task_ids='restate')['text'] }}",
        doc_md="Waits for somebody to approve the changes, where they go beyond the limits of the settings.",
    )  # fmt: skip
    plan() >> approve_plan >> restate(ID) >> approve_changes >> swap(ID)
