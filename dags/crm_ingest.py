"""
### Daily ingest

A run takes in one business day (its partition key, `YYYY-MM-DD`): each source of `contracts/` is read as it arrived,
conformed, and published to the lake once it was audited. Sources wait neither for each other nor for other days.
`conformed` waits for all of them; a day is scored when all days before it are there, by whichever comes last.

- **A source failed**: read the log of the red task, mend what it names, clear the task with those downstream of it.
- **Again**: every step replaces what it wrote for the day, so each of them can be cleared at any time.
- **Many days**: a backfill, in any order, several days at once. For months, `ddcrm run --from --to` is quicker.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, CronPartitionTimetable, Param, TaskGroup, get_current_context, task
from ddcrm_policy import DAG_DEFAULTS, deadline
from ddcrm_project import schedule_end, schedule_timezone, source_names
from ddcrm_steps import check_day, release_days, source_step

CONFORMED = Asset("ddcrm_conformed", uri="ddcrm://lake/conformed")


@task(multiple_outputs=False)
def extract(source: str) -> dict[str, Any]:
    """Read the day from the source into landing: every value as text, exactly as received."""
    from ddcrm.pipeline import ingest

    check_day(source)
    return source_step(ingest.extract, source)


@task(multiple_outputs=False)
def transform(source: str) -> dict[str, Any]:
    """Conform what landed: names, types, duplicates, exclusions; what can't be read goes into quarantine."""
    from ddcrm.pipeline import ingest

    return source_step(ingest.transform, source)


@task(multiple_outputs=False)
def validate(source: str) -> dict[str, Any]:
    """Audit the conformed day by its suite; publish it to the lake where the gate lets it pass."""
    from ddcrm.pipeline import ingest

    return source_step(ingest.validate, source)


@task(outlets=[CONFORMED], multiple_outputs=False, trigger_rule="none_failed_min_one_success")
def conformed(batches: list[dict[str, Any] | None]) -> dict[str, Any]:
    """The day of every source is in the lake: tell those who wait, once all days before it are, too."""
    days, counts = release_days(), {batch["source"]: batch for batch in batches if batch}
    event = get_current_context()["outlet_events"][CONFORMED]
    event.extra = counts
    event.add_partitions(days)
    return {"sources": len(counts), "days": days}


with DAG(
    dag_id="crm_ingest",
    schedule=CronPartitionTimetable("0 0 * * *", timezone=schedule_timezone(), run_offset=-1, key_format="%Y-%m-%d"),
    end_date=schedule_end(),
    params={"allow_gap": Param(False, type="boolean", description="Go on although earlier days are missing")},
    dagrun_timeout=timedelta(hours=12),
    deadline=deadline(2, "The data of the day is late: yesterday's scores stay current."),
    description="One business day of every source into the lake, checked",
    doc_md=__doc__,
    tags=["crm", "ingest", "daily"],
    **DAG_DEFAULTS,
):
    published = []
    for source in source_names():
        with TaskGroup(source, tooltip=f"contracts/{source}"):
            validated = validate(source)
            extract(source) >> transform(source) >> validated
            published.append(validated)
    conformed(published)
