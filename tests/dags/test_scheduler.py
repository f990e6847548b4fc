"""A real Airflow, as the demo starts one: three days by a backfill, what is tried again, a deadline, a clean end."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from ddcrm.dates import DateRange
from ddcrm.demo.airflow import Airflow, Place, free_port
from ddcrm.demo.processes import living
from ddcrm.demo.watch import DAGS, last_error, run_days
from ddcrm.warehouse.embedded import EmbeddedPostgres
from tests.airflow_home import CALM, PLUGINS
from tests.airflow_home import DAGS as DAGS_FOLDER
from tests.pipeline.reading import rows
from tests.pipeline.shop import FIRST, Shop

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.xdist_group("airflow")]


@dataclass
class Running:
    """An Airflow with a shop that has a history, and the alerts that it sent."""

    airflow: Airflow
    shop: Shop
    alerts: list[dict[str, Any]]


@pytest.fixture(scope="module")
def alerts() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A webhook: the connection that leads to it, and what was posted."""
    posted: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        values = {"conn_type": "http", "schema": "http", "host": "127.0.0.1", "port": server.server_port}
        yield json.dumps(values), posted
        server.shutdown()


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: EmbeddedPostgres, alerts: tuple[str, list[Any]]
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("scheduler")
    shop = Shop(folder / "shop").make()
    dags = folder / "dags"
    dags.mkdir()
    for file in (*DAGS_FOLDER.glob("*.py"), Path(__file__).with_name("probes.py")):
        (dags / file.name).write_text(file.read_text("utf-8"))
    databases = [f"scheduler_{name}_{os.getpid()}" for name in ("airflow", "warehouse")]
    for database in databases:
        postgres_server.create_database(database)
    place = Place(folder / "airflow", dags, PLUGINS, postgres_server.url(databases[0]), free_port())
    warehouse = postgres_server.url(databases[1])
    variables = CALM | {
        "DDCRM_PROJECT_DIR": str(shop.folder), "DDCRM_WAREHOUSE_URL": warehouse, "AIRFLOW_CONN_DDCRM_ALERTS": alerts[0],
        "DDCRM_SCHEDULE_END": str(shop.last),
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch, Airflow(place, variables) as airflow:
        patch.setenv("DDCRM_WAREHOUSE_URL", warehouse)
        threading.Thread(target=airflow.start, daemon=True).start()
        load_history(shop, warehouse)
        airflow.wait_for_dags({*DAGS, "probes"}, timeout=300)
        yield Running(airflow, shop, alerts[1])


def load_history(shop: Shop, warehouse: str) -> None:
    """All days but the last three, as `ddcrm ingest --from --to` does."""
    from ddcrm.pipeline.ingest import ingest
    from ddcrm.warehouse.connect import Warehouse
    from ddcrm.warehouse.migrate import upgrade

    with Warehouse(warehouse) as opened:
        upgrade(opened)
    ingest(shop.settings, "orders", DateRange(FIRST, shop.last - timedelta(days=3)))


def wait(condition: Callable[[], Any], seconds: float = 180) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.5)
    return found


def buyers(shop: Shop, until: date) -> int:
    return len({row["Cust"] for day, lines in shop.rows.items() for row in lines if day <= until})


def test_three_days_at_once_and_newest_first_are_scored_as_in_their_order(running: Running) -> None:
    from ddcrm.pipeline.planning import make_plan

    shop = running.shop
    days = DateRange(shop.last - timedelta(days=2), shop.last)
    before = days.first - timedelta(days=1)
    run_days(running.airflow, days, before, lambda _: None, max_active_runs=3, run_backwards=True)
    assert not make_plan(shop.settings), "each day and each training is as it would be made now"
    counted = dict(rows(shop.settings, "SELECT as_of, count(*) FROM crm.customer_scores GROUP BY as_of"))
    assert {day: counted[day] for day in days} == {day: buyers(shop, day) for day in days}
    landed = dict(rows(shop.settings, "SELECT batch_date, landed FROM ops.batches WHERE source = 'orders'"))
    assert landed == {day: len(lines) for day, lines in shop.rows.items()}
    runs = running.airflow.api.runs("crm_ingest")
    assert {run["run_type"] for run in runs} == {"backfill"}, "nothing is scheduled after the last day"
    assert {str(run["conf"]["backfill"]["first"]) for run in runs} == {str(days.first)}
    last = {task["task_id"]: task["state"] for task in running.airflow.api.tasks("crm_ingest", runs[-1]["dag_run_id"])}
    assert last["conformed"] in ("skipped", "success"), "it waits without a slot, or came last"


def test_the_asset_carries_the_digests_of_the_warehouse(running: Running) -> None:
    api = running.airflow.api
    wait(lambda: not api.get("/dags/~/dagRuns", state="queued")["dag_runs"])  # Airflow fails to list the events of one
    events = api.get("/assets/events", limit=100)["asset_events"]
    events = sorted(events, key=lambda event: event["timestamp"])
    told = [event["extra"] for event in events if (event["extra"] or {}).get("step") == "publish"]
    digests = dict(rows(running.shop.settings, "SELECT table_name, digest FROM ops.publications WHERE as_of = %s",
                        running.shop.last))  # fmt: skip
    assert [extra["digests"] for extra in told if extra["as_of"] == str(running.shop.last)][-1] == digests


def test_what_can_pass_is_tried_again_and_a_missed_deadline_is_told(running: Running) -> None:
    api = running.airflow.api
    api.unpause("probes")
    run = api.request("POST", "/dags/probes/dagRuns", {"logical_date": None, "conf": {}})["dag_run_id"]
    wait(lambda: api.get(f"/dags/probes/dagRuns/{run}")["state"] == "failed")
    tasks = {task["task_id"]: (task["state"], task["try_number"]) for task in api.tasks("probes", run)}
    expected = {"passes": ("success", 2), "stays": ("failed", 1), "is_killed_once": ("success", 2)}
    assert tasks == expected | {"has_packages": ("success", 1)}
    found = api.get(f"/dags/probes/dagRuns/{run}/taskInstances/has_packages/xcomEntries/return_value")["value"]
    assert found == ["duckdb", "great_expectations", "pandas", "sklearn"], "inherited, not imported"
    told = wait(
        lambda: {alert["event"] for alert in running.alerts} >= {"deadline missed", "run failed"} and running.alerts
    )
    assert {(alert["dag_id"], alert["run_id"]) for alert in told} == {("probes", run)}


def test_a_run_without_a_partition_key_says_what_it_lacks(running: Running) -> None:
    api = running.airflow.api
    body = {"logical_date": None, "conf": {}}
    run = api.request("POST", "/dags/crm_score/dagRuns", body)["dag_run_id"]
    wait(lambda: api.get(f"/dags/crm_score/dagRuns/{run}")["state"] == "failed")
    assert "this run has no partition key" in last_error(api.log("crm_score", run, "score"))


def test_nothing_is_left_running(running: Running) -> None:
    """The last test of the module: it stops Airflow."""
    leaders = [child.pid for child in running.airflow.processes.children.values()]
    assert len(living(leaders)) > len(leaders)
    running.airflow.processes.stop()
    assert living(leaders) == []
