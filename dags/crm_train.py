"""
### Models

Runs for each conformed day and trains on Sundays, and where there is no model yet; on other days it
says that the models stand. Scoring waits for it: so a day has the same models whenever and in whatever order days
are run, and a Sunday whose training failed is not scored before someone has looked.

- **Train now**: trigger it with a partition key (it uses what was known at the end of that day) and `force`; the day is
  scored afterwards.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, Param, PartitionedAssetTimetable, get_current_context, task
from ddcrm_policy import DAG_DEFAULTS, deadline
from ddcrm_steps import train_day

CONFORMED = Asset("ddcrm_conformed", uri="ddcrm://lake/conformed")
MODELS = Asset("ddcrm_models", uri="ddcrm://lake/models")


@task(outlets=[MODELS], multiple_outputs=False)
def train() -> dict[str, Any]:
    """Fit the models on what was known at the end of the day, where it is due; earlier days whose turn it is first."""
    result = train_day()
    get_current_context()["outlet_events"][MODELS].extra = result
    return result


with DAG(
    dag_id="crm_train",
    schedule=PartitionedAssetTimetable(assets=CONFORMED),
    params={"force": Param(False, type="boolean", description="Train whatever the day of the week")},
    is_paused_upon_creation=False,  # it only runs when it is told to; what a paused DAG is told is lost
    dagrun_timeout=timedelta(hours=6),
    deadline=deadline(3, "The models are late: the day is scored once they are there."),
    description="The models, weekly, before the day is scored",
    doc_md=__doc__,
    tags=["crm", "models", "weekly"],
    **DAG_DEFAULTS,
):
    train()
