"""A real Airflow for the month's tests: the project that it works on, its users, the alerts that it sends."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ddcrm.demo.airflow import Airflow, Place, free_port
from ddcrm.demo.rest import AirflowApi
from ddcrm.demo.watch import DAGS
from ddcrm.warehouse.connect import Warehouse
from ddcrm.warehouse.embedded import EmbeddedPostgres
from tests.airflow_home import CALM, PLUGINS
from tests.airflow_home import DAGS as DAGS_FOLDER
from tests.dags.month import BEFORE, BY_LIBRARY, HISTORY, Project, make_company
from tests.webhook import Posted, webhook

RESTATE = "crm_restate"
USERS = "admin:admin,vic:viewer,una:user"


@dataclass
class Running:
    """An Airflow with a project some of whose days are published; an empty one that will know of the change."""

    airflow: Airflow
    project: Project
    from_start: Project
    warehouse: Warehouse  # the project's
    alerts: Posted
    variables: Mapping[str, str]
    digests: list[tuple[Any, ...]] = field(default_factory=list)  # of what was published before the correction
    failed: list[str] = field(default_factory=list)  # the tests that did

    def ddcrm(self, *words: str) -> str:
        """What a command prints, for one who knows this project and this Airflow."""
        from ddcrm.cli import app

        done = CliRunner().invoke(app, words, env=dict(self.variables))
        assert done.exit_code == 0, done.output
        return str(done.stdout)

    def user(self, name: str) -> AirflowApi:
        """Requests as this user."""
        passwords = json.loads(self.airflow.place.password_file.read_text())
        return AirflowApi(self.airflow.place.url, name, passwords[name])

    def trigger(self, dag: str, **conf: str) -> str:
        """Start a run without a partition key; returns its run_id."""
        body = {"logical_date": None, "conf": conf}
        return str(self.airflow.api.request("POST", f"/dags/{dag}/dagRuns", body)["dag_run_id"])

    def ends(self, dag: str, run: str, state: str) -> None:
        """Wait until a run is in this state."""
        wait(lambda: self.airflow.api.get(f"/dags/{dag}/dagRuns/{run}")["state"] == state)

    def tasks(self, dag: str, run: str) -> dict[str, tuple[str, int]]:
        """Of a run, the state of each task and how often it was tried."""
        tasks = self.airflow.api.tasks(dag, run)
        return {each["task_id"]: (each["state"], each["try_number"]) for each in tasks}

    def state(self, run: str, task: str) -> str:
        """The state of a task of a run of crm_restate."""
        return self.tasks(RESTATE, run)[task][0]

    def asked(self, run: str, task: str) -> dict[str, Any]:
        """What a task of crm_restate asks, once it does.

        The scheduler must have heard of the end of the worker that asked: Airflow takes an answer before that for a
        task that was killed, and asks again a minute later.
        """
        log = self.airflow.place.home / "scheduler.log"
        wait(lambda: self.state(run, task) in ("awaiting_input", "failed", "upstream_failed"))
        assert self.state(run, task) == "awaiting_input"
        heard = f"state success for task instance TaskInstanceKey(dag_id='{RESTATE}', task_id='{task}', run_id='{run}'"
        wait(lambda: heard in log.read_text("utf-8"))
        found: dict[str, Any] = self.airflow.api.get(f"{_task(run, task)}/hitlDetails")
        return found


def answer(api: AirflowApi, run: str, task: str, option: str) -> None:
    """Answer what a task of crm_restate asks."""
    api.request("PATCH", f"{_task(run, task)}/hitlDetails", {"chosen_options": [option], "params_input": {}})


def _task(run: str, task: str) -> str:
    return f"/dags/{RESTATE}/dagRuns/{run}/taskInstances/{task}/-1"


def wait(condition: Callable[[], Any], seconds: float = 600, pause: float = 2) -> Any:
    """What the condition gives once it is true; so many seconds are for a busy machine.

    pause: how long between two looks, each of which costs the API server more than Airflow's idling in that time.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(pause)
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, postgres_server: EmbeddedPostgres) -> Iterator[Running]:
    """The project's days before those that Airflow is to run are published while it starts."""
    folder = tmp_path_factory.mktemp("month")
    urls = {}
    for name in ("airflow", "project", "from_start"):
        database = f"month_{name}_{os.getpid()}"
        postgres_server.create_database(database)
        urls[name] = postgres_server.url(database)
    project, from_start = (Project(folder / name, folder / "company", urls[name]) for name in ("project", "from_start"))
    place = Place(folder / "airflow", _dags(folder / "dags"), PLUGINS, urls["airflow"], free_port())
    with webhook() as (connection, alerts):
        variables = {
            **CALM, **project.variables, "DDCRM_SCHEDULE_END": str(BEFORE.last),
            "AIRFLOW_CONN_DDCRM_ALERTS": connection, "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": USERS,
        }  # fmt: skip
        with Airflow(place, variables) as airflow, Warehouse(project.warehouse_url) as warehouse:
            project.make()
            threading.Thread(target=airflow.start, daemon=True).start()
            make_company(project.company)
            from_start.make(knows_the_change=True)
            project.live(BY_LIBRARY, since=HISTORY.first)
            airflow.wait_for_dags({*DAGS, RESTATE, "probes"}, timeout=300)
            yield Running(airflow, project, from_start, warehouse, alerts, {**place.environment(), **variables})


def _dags(folder: Path) -> Path:
    folder.mkdir()
    for file in (*DAGS_FOLDER.glob("*.py"), Path(__file__).with_name("probes.py")):
        (folder / file.name).write_text(file.read_text("utf-8"))
    return folder
