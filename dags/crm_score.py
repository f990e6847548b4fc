"""
### Daily scores and segments

Runs for each day whose sources are conformed and whose models stand: computes the features as of that day, applies
the newest models trained on or before it, audits the result and swaps it into the warehouse whole. Readers see the
old day or the new one, never a part. Same inputs, same digests: the asset's event carries them.

- **Again**: trigger it with a partition key, or clear it; no other day is touched.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, PartitionedAssetTimetable, get_current_context, task
from ddcrm_policy import DAG_DEFAULTS, deadline
from ddcrm_steps import day_step

MODELS = Asset("ddcrm_models", uri="ddcrm://lake/models")
PUBLISHED = Asset("ddcrm_published", uri="ddcrm://warehouse/crm")


@task(multiple_outputs=False)
def score() -> dict[str, Any]:
    """Features, scores and segments of every customer as of the day, staged beside the lake."""
    from ddcrm.pipeline.ready import score_when_ready as step

    return day_step(step)


@task(outlets=[PUBLISHED], multiple_outputs=False)
def publish() -> dict[str, Any]:
    """Audit what was staged, and swap the day into the warehouse in one transaction."""
    from ddcrm.pipeline.score import publish as step

    result = day_step(step)
    get_current_context()["outlet_events"][PUBLISHED].extra = result
    return result


with DAG(
    dag_id="crm_score",
    schedule=PartitionedAssetTimetable(assets=MODELS),
    is_paused_upon_creation=False,  # it only runs when it is told to; what a paused DAG is told is lost
    dagrun_timeout=timedelta(hours=6),
    deadline=deadline(1, "The scores are late: yesterday's stay current."),
    description="Segments and value scores of one day, published to the warehouse",
    doc_md=__doc__,
    tags=["crm", "scores", "daily"],
    **DAG_DEFAULTS,
):
    score() >> publish()
