"""The demo's days through Airflow: train, ingest by a backfill, score; watched by REST."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import Any

from ddcrm.dates import DateRange
from ddcrm.demo.airflow import Airflow, AirflowError
from ddcrm.demo.rest import AirflowApi

DAGS = ("crm_score", "crm_train", "crm_ingest")  # consumers first: what a paused DAG is told is lost
TIMEOUT_SECONDS = 900.0
_PAUSE_SECONDS = 2.0  # each look costs the API server a tenth of a second of CPU


def run_days(
    airflow: Airflow, dates: DateRange, trained_as_of: date, doing: Callable[[str], None], **backfill: Any
) -> None:
    """Train as of a day, then ingest and score `dates`; returns when all of them are published.

    backfill: what else it is asked for (see `AirflowApi.backfill`).

    Raises AirflowError where a run failed, with what its task said, or where it takes too long; ProcessEndedError where
    a component ended.
    """
    api = airflow.api
    for dag in DAGS:
        api.unpause(dag)
    api.trigger("crm_train", trained_as_of, force=True)
    api.backfill("crm_ingest", dates, **backfill)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while (missing := _missing(api, dates, doing)) and time.monotonic() < deadline:
        airflow.processes.check()
        time.sleep(_PAUSE_SECONDS)
    if missing:
        raise AirflowError(f"{len(missing)} of {len(dates)} days were not scored in time", logs=airflow.place.home)


def _missing(api: AirflowApi, dates: DateRange, doing: Callable[[str], None]) -> set[str]:
    """The days that are not scored yet; raises AirflowError where a run failed."""
    days = {str(day) for day in dates}
    done = {}
    for dag in DAGS:
        runs = api.runs(dag)
        if failed := [run for run in runs if run["state"] == "failed"]:
            raise _failure(api, dag, failed[-1])
        done[dag] = days & {run["partition_key"] for run in runs if run["state"] == "success"}
    told = f"{len(done['crm_ingest'])} of {len(days)} days ingested, {len(done['crm_score'])} scored"
    doing(f"{told}; now {', '.join(api.running()) or 'waiting for the next task'}")
    return days - done["crm_score"]


def _failure(api: AirflowApi, dag: str, run: dict[str, Any]) -> AirflowError:
    run_id, key = run["dag_run_id"], run["partition_key"]
    failed = [task for task in api.tasks(dag, run_id) if task["state"] == "failed"]
    if not failed:
        return AirflowError(f"the run of {dag} for {key} failed")
    task = failed[0]
    said = ""
    with suppress(OSError, AirflowError):
        said = last_error(api.log(dag, run_id, task["task_id"], task["try_number"]))
    return AirflowError(f"the task {task['task_id']} of {dag} failed for {key}: {said or 'see its log'}")


def last_error(log: Any) -> str:
    """The last thing that a task's log calls an error; empty where there is none."""
    events = [event for event in log["content"] if isinstance(event, dict) and event.get("level") == "error"]
    named = [event for event in events if event.get("logger") == "ddcrm.task"] or events
    if not named:
        return ""
    details = named[-1].get("error_detail") or []
    return (
        ": ".join(str(details[0][part]) for part in ("exc_type", "exc_value")) if details else str(named[-1]["event"])
    )
