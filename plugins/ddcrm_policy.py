"""What holds for every task and DAG: what is tried again and when, how long it may take, who is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference
from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy
from airflow.sdk.exceptions import AirflowTaskTimeout
from ddcrm_notifier import CrmNotifier

from ddcrm.errors import DdcrmError


class RetryWhatCanPass(RetryPolicy):
    """Try again what may succeed without a change: errors that say so, a broken connection, a timeout.

    Everything else (a contract broken, bad data, a bug) fails at once. A task whose process was killed raises
    nothing, and is tried again by Airflow's own rule.
    """

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        """Airflow's hook: called in the task's process after a failure."""
        name = type(exception).__name__
        if can_pass(exception):
            return RetryDecision.retry(reason=f"{name} may pass")
        return RetryDecision.fail(reason=f"{name} does not pass by itself")


def can_pass(exception: BaseException) -> bool:
    """Whether the same task may succeed later without a change."""
    if isinstance(exception, DdcrmError):
        return exception.retryable
    return isinstance(exception, ConnectionError | TimeoutError | AirflowTaskTimeout)


def deadline(hours: float, message: str) -> DeadlineAlert:
    """Tell whoever is in charge where a run is not done `hours` after it was queued."""
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=hours),
        callback=AsyncCallback(CrmNotifier, kwargs={"event": "deadline missed", "message": message}),
        name=message,
    )


TASK_DEFAULTS: dict[str, Any] = {
    "owner": "crm",
    "retries": 4,  # after 1, 2, 4 and 8 minutes
    "retry_delay": timedelta(minutes=1),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=15),
    "retry_policy": RetryWhatCanPass(),
    "execution_timeout": timedelta(hours=1),
}
DAG_DEFAULTS: dict[str, Any] = {
    "default_args": TASK_DEFAULTS,
    "catchup": False,
    "max_active_runs": 1,  # one day after another; a backfill of crm_ingest has a limit of its own
    "on_failure_callback": CrmNotifier(event="run failed"),
}
