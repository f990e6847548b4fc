"""Airflow's REST interface, as far as the demo and its tests need it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import date
from typing import Any
from urllib.parse import quote, urlencode

from ddcrm.dates import DateRange
from ddcrm.errors import DdcrmError

_SECONDS = 45  # a machine that is busy with the tasks of four days answers late


class AirflowApiError(DdcrmError):
    """Airflow refused a request; facts: method, path, status."""


class AirflowApi:
    """Requests as one user, whose token is fetched when it is first needed."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._url = url
        self._login = {"username": user, "password": password}
        self._token: str | None = None

    def healthy(self) -> bool:
        """Whether the API server answers and all other components have lately said that they live."""
        try:
            health = self._send("GET", "/api/v2/monitor/health", None, None)
        except (OSError, AirflowApiError):
            return False
        parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
        return all((health.get(part) or {}).get("status") == "healthy" for part in parts)

    def dags(self) -> set[str]:
        """The DAGs that have been read."""
        return {dag["dag_id"] for dag in self.get("/dags", limit=100)["dags"]}

    def import_errors(self) -> list[str]:
        """What went wrong when the DAGs were read."""
        return [f"{error['filename']}: {error['stack_trace']}" for error in self.get("/importErrors")["import_errors"]]

    def unpause(self, dag_id: str) -> None:
        """Let a DAG run."""
        self.request("PATCH", f"/dags/{quote(dag_id)}", {"is_paused": False})

    def trigger(self, dag_id: str, day: date, **conf: Any) -> str:
        """Start a run of one business day; returns its run_id."""
        body = {"logical_date": None, "partition_key": str(day), "conf": conf}
        return str(self.request("POST", f"/dags/{quote(dag_id)}/dagRuns", body)["dag_run_id"])

    def backfill(self, dag_id: str, dates: DateRange, max_active_runs: int = 1, *, run_backwards: bool = False) -> int:
        """Run every day of a range again, oldest first or newest first; returns the backfill's id."""
        body = {
            "dag_id": dag_id, "from_date": f"{dates.first}T00:00:00Z", "to_date": f"{dates.last}T00:00:00Z",
            "max_active_runs": max_active_runs, "reprocess_behavior": "completed", "dag_run_conf": {},
            "run_backwards": run_backwards,
        }  # fmt: skip
        return int(self.request("POST", "/backfills", body)["id"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The runs of a DAG, newest first: dag_run_id, partition_key, state, run_type, ..."""
        return list(self.get(f"/dags/{quote(dag_id)}/dagRuns", limit=100, order_by="-id")["dag_runs"])

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run: task_id, state, try_number, start_date, end_date, ..."""
        return list(
            self.get(f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id)}/taskInstances", limit=100)["task_instances"]
        )

    def running(self) -> list[str]:
        """The tasks that are running now."""
        found = self.get("/dags/~/dagRuns/~/taskInstances", state="running", limit=20)["task_instances"]
        return sorted(task["task_id"] for task in found)

    def log(self, dag_id: str, run_id: str, task_id: str, attempt: int = 1) -> Any:
        """What a task wrote: `content` is a list of events (level, event, logger, ...)."""
        path = f"/dags/{quote(dag_id)}/dagRuns/{quote(run_id)}/taskInstances/{quote(task_id)}/logs/{attempt}"
        return self.get(path)

    def get(self, path: str, **query: Any) -> Any:
        """A GET of /api/v2; asked once more where no answer came in time: a busy Airflow loses one now and then."""
        path = f"{path}?{urlencode(query)}" if query else path
        try:
            return self.request("GET", path)
        except TimeoutError:
            return self.request("GET", path)

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """A request of /api/v2 as the user; raises AirflowApiError, or OSError where nobody answers."""
        if self._token is None:
            self._token = self._send("POST", "/auth/token", self._login, None)["access_token"]
        return self._send(method, f"/api/v2{path}", body, self._token)

    def _send(self, method: str, path: str, body: Any, token: str | None) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self._url + path, data, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            said = error.read().decode("utf-8", "replace")[:300]
            raise AirflowApiError(f"Airflow refused: {said}", method=method, path=path, status=error.code) from None
