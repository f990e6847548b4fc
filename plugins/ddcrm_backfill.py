"""Tells the runs of a backfill that they belong together: a task can't see that by itself.

A listener in the scheduler: when a run of a backfill of crm_ingest starts, its conf is given the backfill's id and
first day, which the run's tasks can read. A run that has no such note counts as one that was asked for alone.
"""

from __future__ import annotations

import sys
from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

DAG_ID = "crm_ingest"


@hookimpl
def on_dag_run_running(dag_run: Any, msg: str) -> None:
    """Airflow's hook; the scheduler's transaction saves the conf."""
    if dag_run.dag_id == DAG_ID and dag_run.backfill_id is not None:
        dag_run.conf = {**(dag_run.conf or {}), "backfill": note(dag_run)}


def note(dag_run: Any) -> dict[str, Any]:
    """Which backfill the run belongs to, and its first business day."""
    from airflow.models.backfill import BackfillDagRun
    from sqlalchemy import func, select
    from sqlalchemy.orm import object_session

    days = select(func.min(BackfillDagRun.partition_key)).where(BackfillDagRun.backfill_id == dag_run.backfill_id)
    session = object_session(dag_run)
    first = session.scalar(days) if session else None
    return {"id": dag_run.backfill_id, "first": first or dag_run.partition_key}


class BackfillPlugin(AirflowPlugin):
    """Registers this module as a listener."""

    name = "ddcrm_backfill"
    listeners = [sys.modules[__name__]]
