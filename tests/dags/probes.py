"""A DAG for test_month.py: what is tried again, and a deadline that is missed. Read by Airflow, not by pytest."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, get_current_context, task
from ddcrm_policy import DAG_DEFAULTS, TASK_DEFAULTS, deadline

DEFAULTS = {**DAG_DEFAULTS, "default_args": {**TASK_DEFAULTS, "retry_delay": timedelta(seconds=1)}}

with DAG(dag_id="probes", deadline=deadline(1 / 3600, "A second is not enough."), **DEFAULTS):

    @task
    def passes() -> None:
        from ddcrm.errors import SourceUnavailableError

        if get_current_context()["ti"].try_number < 2:
            raise SourceUnavailableError("it does not answer", source="shop")

    @task
    def stays() -> None:
        from ddcrm.errors import ContractError

        raise ContractError("the contract is broken", file="1.0.0.yaml")

    @task
    def is_killed_once() -> None:
        import os
        import signal

        if get_current_context()["ti"].try_number < 2:
            os.kill(os.getpid(), signal.SIGKILL)

    @task
    def has_packages() -> list[str]:
        import sys

        return sorted({"great_expectations", "pandas", "duckdb", "sklearn"} & set(sys.modules))

    passes()
    stays()
    is_killed_once()
    has_packages()
