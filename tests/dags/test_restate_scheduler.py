"""A correction that reaches back, with a real Airflow: plan, approvals by people, work, swap beside readers, undo."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ddcrm.dates import DateRange
from ddcrm.demo.airflow import Airflow, Place, free_port
from ddcrm.demo.rest import AirflowApi, AirflowApiError
from ddcrm.warehouse.connect import Warehouse
from ddcrm.warehouse.embedded import EmbeddedPostgres
from tests.airflow_home import CALM, PLUGINS
from tests.airflow_home import DAGS as DAGS_FOLDER
from tests.dags.test_scheduler import wait as wait_for
from tests.pipeline.forks import reader
from tests.pipeline.lived import NET_AMOUNT, live, version
from tests.pipeline.reading import rows
from tests.pipeline.shop import FIRST, Shop
from tests.warehouse.polling import polling, rate

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.xdist_group("airflow")]
DAG = "crm_restate"
DAYS = DateRange(date(2026, 1, 11), date(2026, 2, 9))  # thirty of them, with five Sundays
SUNDAYS = {day for day in DAYS if day.isoweekday() == 7}
MODELS = "SELECT trained_as_of, name, version FROM ops.models ORDER BY 1, 2, 3"
DIGESTS = "SELECT as_of, table_name, digest FROM ops.publications ORDER BY 1, 2"
READERS = {
    "all days": "SELECT as_of, count(*), sum(monetary_value) FROM crm.customer_scores GROUP BY 1 ORDER BY 1",
    "the current day": "SELECT min(as_of), count(*), sum(monetary_value) FROM crm.current_customer_scores",
    "segments": "SELECT as_of, scheme, segment, count(*) FROM crm.customer_segments GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    "current profiles": "SELECT scheme, segment, customers, monetary_value_mean FROM crm.current_segment_profiles "
    "ORDER BY 1, 2",
}


CURRENT = (
    "SELECT (SELECT md5(string_agg(s::text, ',' ORDER BY s.customer_id)) FROM crm.current_customer_scores s), "
    "(SELECT md5(string_agg(p::text, ',' ORDER BY p.scheme, p.segment)) FROM crm.current_segment_profiles p)"
)


@dataclass
class Running:
    """An Airflow with a shop whose days are published, and its users."""

    airflow: Airflow
    shop: Shop
    warehouse: Warehouse

    def user(self, name: str) -> AirflowApi:
        """Requests as this user."""
        passwords = json.loads(self.airflow.place.password_file.read_text())
        return AirflowApi(self.airflow.place.url, name, passwords[name])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, postgres_server: EmbeddedPostgres) -> Iterator[Running]:
    from ddcrm.warehouse.migrate import upgrade

    folder = tmp_path_factory.mktemp("restate")
    dags = folder / "dags"
    dags.mkdir()
    (dags / f"{DAG}.py").write_text((DAGS_FOLDER / f"{DAG}.py").read_text("utf-8"))
    databases = [f"restate_{name}_{os.getpid()}" for name in ("airflow", "warehouse")]
    for database in databases:
        postgres_server.create_database(database)
    place = Place(folder / "airflow", dags, PLUGINS, postgres_server.url(databases[0]), free_port())
    url = postgres_server.url(databases[1])
    variables = CALM | {
        "DDCRM_PROJECT_DIR": str(folder / "shop"), "DDCRM_WAREHOUSE_URL": url,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,vic:viewer,una:user",
    }  # fmt: skip
    with (
        pytest.MonkeyPatch.context() as patch,
        Airflow(place, variables) as airflow,
        Warehouse(url) as warehouse,
    ):
        patch.setenv("DDCRM_WAREHOUSE_URL", url)
        threading.Thread(target=airflow.start, daemon=True).start()
        upgrade(warehouse)
        shop = live(folder / "shop", days=DAYS)
        _limit(shop.folder)
        version(shop, "1.1.0", FIRST, NET_AMOUNT)
        airflow.wait_for_dags({DAG}, timeout=300)
        yield Running(airflow, shop, warehouse)


def wait(condition: Callable[[], Any]) -> None:
    wait_for(condition, 600)  # seconds, on a busy machine


def _limit(folder: Path) -> None:
    """No value may change without a second approval."""
    with (folder / "ddcrm.toml").open("a") as file:
        file.write("\n[restate]\nmax_value_change = 0.0001\n")


def _state(api: AirflowApi, run: str, task: str) -> str:
    return next(str(each["state"]) for each in api.tasks(DAG, run) if each["task_id"] == task)


def _waits(running: Running, run: str, task: str) -> dict[str, Any]:
    """What a task asks, once it does.

    The scheduler must have heard of the end of the worker that asked: Airflow takes an answer before that for a
    task that was killed, and asks again a minute later.
    """
    api, log = running.airflow.api, running.airflow.place.home / "scheduler.log"
    wait(lambda: _state(api, run, task) in ("awaiting_input", "failed", "upstream_failed"))
    assert _state(api, run, task) == "awaiting_input"
    heard = f"state success for task instance TaskInstanceKey(dag_id='{DAG}', task_id='{task}', run_id='{run}'"
    wait(lambda: heard in log.read_text("utf-8"))
    found: dict[str, Any] = api.get(f"/dags/{DAG}/dagRuns/{run}/taskInstances/{task}/-1/hitlDetails")
    return found


def _answer(api: AirflowApi, run: str, task: str, option: str) -> None:
    body = {"chosen_options": [option], "params_input": {}}
    api.request("PATCH", f"/dags/{DAG}/dagRuns/{run}/taskInstances/{task}/-1/hitlDetails", body)


def _trigger(api: AirflowApi) -> str:
    body = {"logical_date": None, "conf": {"why": "shipping is no revenue"}}
    return str(api.request("POST", f"/dags/{DAG}/dagRuns", body)["dag_run_id"])


def test_a_viewer_neither_starts_nor_approves_and_a_rejected_plan_changes_nothing(running: Running) -> None:
    admin, viewer = running.airflow.api, running.user("vic")
    before = rows(running.shop.settings, DIGESTS)
    run = _trigger(admin)
    asked = _waits(running, run, "approve_plan")
    assert asked["subject"] == "Restate r1?"
    assert "shipping is no revenue" in asked["body"]
    assert f"batches of orders, {FIRST} to {DAYS.last}, contract 1.0.0 to 1.1.0: amount read otherwise" in asked["body"]
    assert f"published days {DAYS.first} to {DAYS.last}" in asked["body"]
    assert viewer.get(f"/dags/{DAG}/dagRuns/{run}")["state"] == "running", "a viewer may look"
    for forbidden in (lambda: _answer(viewer, run, "approve_plan", "Approve"), lambda: _trigger(viewer)):
        with pytest.raises(AirflowApiError) as caught:
            forbidden()
        assert caught.value.status == 403
    _answer(admin, run, "approve_plan", "Reject")
    wait(lambda: admin.get(f"/dags/{DAG}/dagRuns/{run}")["state"] == "success")
    assert {_state(admin, run, task) for task in ("restate", "approve_changes", "swap")} == {"skipped"}
    assert rows(running.shop.settings, DIGESTS) == before


def test_a_correction_that_reaches_back_is_approved_swapped_in_and_undone(running: Running) -> None:
    from ddcrm.pipeline.restate_swap import undo
    from ddcrm.warehouse.restate import restatement

    admin, settings = running.airflow.api, running.shop.settings
    before, models = rows(settings, DIGESTS), rows(settings, MODELS)
    assert {day for day, *_ in before} == set(DAYS)
    old = {name: tuple(rows(settings, statement)) for name, statement in READERS.items()}
    with reader(running.warehouse.url, CURRENT, pause=0.1) as seen_all_the_while:
        run = _trigger(admin)
        assert _waits(running, run, "approve_plan")["subject"] == "Restate r1?", "the same plan goes on"
        _answer(running.user("una"), run, "approve_plan", "Approve")
        asked = _waits(running, run, "approve_changes")
        assert "the sum of monetary_value changes by" in asked["body"]
        assert rows(settings, DIGESTS) == before, "beside the live data"
        assert not any(customer in asked["body"] for customer in ("C0", "C1", "C2", "C3"))
        with polling(running.warehouse, READERS) as answers:
            began = time.monotonic()
            _answer(admin, run, "approve_changes", "Approve")
            wait(lambda: _state(admin, run, "swap") in ("success", "failed"))
            time.sleep(0.3)
            ended = time.monotonic()
    assert _state(admin, run, "swap") == "success"
    assert len(seen_all_the_while) == 2, "the days before, then the restated ones"
    new = {name: tuple(rows(settings, statement)) for name, statement in READERS.items()}
    for name, seen in answers.items():
        assert {answer for _, answer in seen} == {old[name], new[name]}, name
        assert old[name] != new[name]
    assert rate(answers, began, ended) >= 100, "polls a second"
    told = [(event.event, event.who) for event in restatement(running.warehouse, "r1").events]
    assert [each for each in told if each[0] == "approved"] == [("approved", "una"), ("approved", "admin")]
    assert told[-1] == ("swapped", "admin")
    versions = rows(settings, "SELECT DISTINCT contract_version FROM ops.batches WHERE batch_date <= %s", DAYS.last)
    assert versions == [("1.1.0",)]
    after = rows(settings, DIGESTS)
    assert {day for day, *_ in set(after) - set(before)} == set(DAYS)
    assert {day for day, *_ in set(rows(settings, MODELS)) - set(models)} == SUNDAYS
    with polling(running.warehouse, READERS) as answers:
        time.sleep(0.3)
        undo(settings, "r1", who="anna", why="it was wrong")
        time.sleep(0.3)
    assert rows(settings, DIGESTS) == before
    for name, seen in answers.items():
        assert {answer for _, answer in seen} == {old[name], new[name]}, name


def test_with_nothing_to_restate_nobody_is_asked(running: Running) -> None:
    (running.shop.folder / "contracts/orders/1.1.0.yaml").unlink()
    run = _trigger(running.airflow.api)
    wait(lambda: running.airflow.api.get(f"/dags/{DAG}/dagRuns/{run}")["state"] == "success")
    assert {task["state"] for task in running.airflow.api.tasks(DAG, run)} == {"skipped"}
