"""A source changes in the middle of a month, with a real Airflow: the day fails, a proposal, a commit, a backfill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ddcrm.contracts import load_contracts
from ddcrm.demo.airflow import Airflow, Place, free_port
from ddcrm.demo.watch import DAGS, last_error
from ddcrm.warehouse.embedded import EmbeddedPostgres
from tests.airflow_home import CALM, PLUGINS
from tests.airflow_home import DAGS as DAGS_FOLDER
from tests.dags.month import BEFORE, CHANGE, HISTORY, SOURCES, WAITING, Project, make_company
from tests.dags.test_scheduler import wait
from tests.pipeline.reading import TABLES, conformed, rows

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.xdist_group("airflow")]
COMMAND = str(Path(sys.executable).with_name("ddcrm"))
DIGESTS = "SELECT as_of, table_name, rows, digest FROM ops.publications ORDER BY 1, 2"
MODELS = "SELECT name, version, data_digest, fingerprint FROM ops.models ORDER BY 1, 2"
BATCHES = ("SELECT source, batch_date, contract_version, landed, conformed, quarantined, excluded, duplicates, digest "
           "FROM ops.batches ORDER BY 1, 2")  # fmt: skip


@dataclass
class Running:
    """An Airflow with a project whose first fourteen days are published, and one that knew of the change."""

    airflow: Airflow
    project: Project
    from_start: Project
    from_start_lives: subprocess.Popen[str]
    variables: Mapping[str, str]

    def ddcrm(self, *words: str) -> str:
        """What a command prints, in a shell that knows this project and this Airflow."""
        done = subprocess.run([COMMAND, *words], env={**os.environ, **self.variables}, capture_output=True, text=True,
                              check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def tasks(self, run: str) -> dict[str, tuple[str, int]]:
        """Of a run of crm_ingest, the state of each task and how often it was tried."""
        tasks = self.airflow.api.tasks("crm_ingest", run)
        return {each["task_id"]: (each["state"], each["try_number"]) for each in tasks}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, postgres_server: EmbeddedPostgres) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("month")
    urls = {}
    for name in ("airflow", "project", "from_start"):
        database = f"month_{name}_{os.getpid()}"
        postgres_server.create_database(database)
        urls[name] = postgres_server.url(database)
    project, from_start = (Project(folder / name, folder / "company", urls[name]) for name in ("project", "from_start"))
    dags = folder / "dags"
    dags.mkdir()
    for dag in DAGS:
        (dags / f"{dag}.py").write_text((DAGS_FOLDER / f"{dag}.py").read_text("utf-8"))
    place = Place(folder / "airflow", dags, PLUGINS, urls["airflow"], free_port())
    variables = {**CALM, **project.variables, "DDCRM_SCHEDULE_END": str(BEFORE.last)}
    with Airflow(place, variables) as airflow:
        project.make()
        threading.Thread(target=airflow.start, daemon=True).start()
        make_company(project.company)
        from_start.make(knows_the_change=True)
        with _living(from_start) as lives:
            project.live()
            airflow.wait_for_dags(set(DAGS), timeout=300)
            yield Running(airflow, project, from_start, lives, {**place.environment(), **variables})


@contextmanager
def _living(project: Project) -> Iterator[subprocess.Popen[str]]:
    """The whole month by the command line, meanwhile: its days know the second contract from the start."""
    script = (f'"$0" ingest --from {HISTORY.first} --to {HISTORY.last} && '
              f'"$0" run --from {BEFORE.first} --to {WAITING.last}')  # fmt: skip
    with subprocess.Popen(
        ["sh", "-c", script, COMMAND], env={**os.environ, **project.variables}, start_new_session=True,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as lives:  # fmt: skip
        try:
            yield lives
        finally:
            if lives.poll() is None:
                os.killpg(lives.pid, signal.SIGTERM)


def test_the_day_of_the_change_fails_once_and_says_what_to_do(running: Running) -> None:
    api, settings = running.airflow.api, running.project.settings
    for dag in DAGS:
        api.unpause(dag)
    run = api.trigger("crm_ingest", CHANGE)
    wait(lambda: api.get(f"/dags/crm_ingest/dagRuns/{run}")["state"] == "failed", 400)
    steps = {f"{source}.{step}": ("success", 1) for source in SOURCES for step in ("extract", "transform", "validate")}
    waiting = ("upstream_failed", 0)
    failed = {"orders.transform": ("failed", 1), "orders.validate": waiting, "conformed": waiting}
    assert running.tasks(run) == steps | failed
    said = last_error(api.log("crm_ingest", run, "orders.transform"))
    for words in (
        "SchemaChangedError: the source has changed: Amount may now be total_cents", "so the unit may be another one",
        "column Amount", "what is published stays current", f"`ddcrm contract propose orders --batch {CHANGE}`",
    ):  # fmt: skip
        assert words in said
    assert api.runs("crm_train") == api.runs("crm_score") == []
    assert rows(settings, "SELECT DISTINCT as_of FROM crm.current_customer_scores") == [(BEFORE.last,)]
    arrived = rows(settings, "SELECT source FROM ops.batches WHERE batch_date = %s ORDER BY 1", CHANGE)
    assert arrived == [("market",)]


def test_the_proposal_finds_rename_unit_and_channel(running: Running) -> None:
    said = json.loads(running.ddcrm("contract", "propose", "orders", "--batch", str(CHANGE), "--json"))
    file = running.project.contract("2.0.0")
    assert (said["version"], said["file"], said["undecided"], said["reads"]) == ("2.0.0", str(file), [], True)
    assert said["decided"] == [
        "Amount is called total_cents", "amount is in another unit: / 100", "channel may be marketplace",
    ]  # fmt: skip
    text = file.read_text("utf-8")
    for evidence in (
        "# Renamed: Amount did not arrive, total_cents did. Evidence (0 to 1): names alike 0.38, values readable 1.00",
        "# Another unit: the median of amount is", "# New values: channel has values outside its enumeration",
        "# - {name: loyalty_tier, physicalName: loyalty_tier, logicalType: string}  # in 100% of the rows",
    ):  # fmt: skip
        assert evidence in text
    assert _in_force(running.project) == "1.0.0", "it reads nothing until a person says so"
    assert text.count("\nstatus: proposed\n") == 1
    file.write_text(text.replace("\nstatus: proposed\n", "\nstatus: active\n"), "utf-8")
    assert _in_force(running.project) == "2.0.0"


def _in_force(project: Project) -> str:
    return load_contracts(project.settings.contracts_dir).for_batch("orders", CHANGE).version


def test_a_backfill_of_four_at_once_brings_the_days_that_waited(running: Running) -> None:
    said = running.ddcrm(
        "backfill", "--from", str(WAITING.first), "--to", str(WAITING.last), "--max-active-runs", "4", "--yes"
    )
    assert said.splitlines() == [
        "crm_ingest: 6 partitions, oldest first, 4 at once",
        f"    {CHANGE} (1): market 1.0.0 again, orders 2.0.0; not published yet",
        "    2026-03-16..2026-03-20 (5): market 1.0.0, orders 2.0.0; not published yet",
        "Airflow runs them now; training and scoring follow each day",
    ]
    wait(lambda: _are_scored(running), 900)
    runs = [run for run in running.airflow.api.runs("crm_ingest") if run["run_type"] == "backfill"]
    assert {run["partition_key"] for run in runs} == {str(day) for day in WAITING}
    assert max(_at_once(run, runs) for run in runs) == 4


def _are_scored(running: Running) -> bool:
    """Whether all days that waited are; fails where a run has failed since."""
    running.airflow.processes.check()
    time.sleep(2)  # each look costs the API server time
    runs = {dag: running.airflow.api.runs(dag) for dag in DAGS}
    assert not [run for of in runs.values() for run in of if run["state"] == "failed" and run["run_type"] != "manual"]
    scored = {run["partition_key"] for run in runs["crm_score"] if run["state"] == "success"}
    return scored >= {str(day) for day in WAITING}


def _at_once(run: dict[str, Any], runs: list[dict[str, Any]]) -> int:
    """How many runs were on when this one began."""
    return sum(each["start_date"] <= run["start_date"] < each["end_date"] for each in runs)


def test_all_is_as_if_the_contract_had_been_there_from_the_start(running: Running) -> None:
    output, _ = running.from_start_lives.communicate(timeout=900)
    assert running.from_start_lives.returncode == 0, output
    mine, other = running.project.settings, running.from_start.settings
    for query in (BATCHES, MODELS, DIGESTS):
        assert rows(mine, query) == rows(other, query)
    published = [(day, table) for days in (BEFORE, WAITING) for day in days for table in sorted(TABLES)]
    assert [(day, table) for day, table, _, _ in rows(mine, DIGESTS)] == published
    assert {day for (day,) in rows(mine, "SELECT DISTINCT trained_as_of FROM ops.models")} >= {BEFORE.first, CHANGE}


def test_cents_are_taken_for_cents(running: Running) -> None:
    """Not only alike in both: as the files say."""
    for day in WAITING:
        said = running.project.amounts(day)
        read = {(order, line): amount for batch, order, line, _, _, amount in conformed(running.project.settings)
                if str(batch) == str(day)}  # fmt: skip
        assert len(read) >= 30
        assert read == {key: said[key] for key in read}
