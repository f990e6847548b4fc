"""What holds for every DAG: it can be read, quickly, and says of itself and its tasks what they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.airflow_home import DAGS, PLUGINS
from tests.pipeline.shop import REPOSITORY

pytestmark = pytest.mark.xdist_group("airflow")
FILES = sorted(DAGS.glob("*.py"))
SOURCES = sorted(path.name for path in (REPOSITORY / "contracts").iterdir() if any(path.glob("*.yaml")))


@pytest.fixture(scope="module")
def bag() -> Any:
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(DAGS, bundle_name="dags-folder")


def test_every_dag_is_read(bag: Any) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == {"crm_ingest", "crm_restate", "crm_score", "crm_train"} == {path.stem for path in FILES}


def test_every_dag_says_what_it_is(bag: Any) -> None:
    for dag in bag.dags.values():
        assert all((dag.doc_md, dag.description, dag.tags, dag.deadline, dag.dagrun_timeout)), dag.dag_id
        assert (dag.catchup, dag.max_active_runs) == (False, 1), dag.dag_id


def test_every_task_says_what_it_is_and_when_it_is_tried_again(bag: Any) -> None:
    tasks = [task for dag in bag.dags.values() for task in dag.tasks]
    assert len(tasks) > 5
    for task in tasks:
        assert len(task.doc_md or "") > 20, task.task_id
        assert (task.owner, type(task.retry_policy).__name__) == ("crm", "RetryWhatCanPass"), task.task_id
        assert all((task.execution_timeout, task.retries, task.retry_exponential_backoff > 1)), task.task_id


def test_each_source_has_its_own_steps_and_the_last_task_waits_for_all(bag: Any) -> None:
    dag = bag.dags["crm_ingest"]
    assert len(SOURCES) > 1
    assert len(dag.tasks) == 3 * len(SOURCES) + 1
    for source in SOURCES:
        assert dag.get_task(f"{source}.extract").downstream_task_ids == {f"{source}.transform"}
        assert dag.get_task(f"{source}.transform").downstream_task_ids == {f"{source}.validate"}
        assert dag.get_task(f"{source}.validate").downstream_task_ids == {"conformed"}
    assert dag.get_task("conformed").trigger_rule == "none_failed_min_one_success"


def test_one_dag_calls_the_next(bag: Any) -> None:
    outlets = {task.task_id: {asset.name for asset in task.outlets} for dag in bag.dags.values() for task in dag.tasks}
    assert outlets["conformed"] == {"ddcrm_conformed"}
    assert outlets["train"] == {"ddcrm_models"}
    assert outlets["publish"] == {"ddcrm_published"}
    consumed = {name: repr(bag.dags[name].timetable.asset_condition) for name in ("crm_train", "crm_score")}
    assert "ddcrm_conformed" in consumed["crm_train"]
    assert "ddcrm_models" in consumed["crm_score"]


def test_those_who_are_told_are_on_from_the_start(bag: Any) -> None:
    """What a paused DAG is told is lost."""
    on = {name: dag.is_paused_upon_creation is False for name, dag in bag.dags.items()}
    assert on == {"crm_ingest": False, "crm_train": True, "crm_score": True, "crm_restate": True}


def test_the_key_of_a_scheduled_run_is_the_day_that_ended(bag: Any) -> None:
    from airflow.serialization.encoders import coerce_to_core_timetable
    from airflow.timetables.base import TimeRestriction
    from pendulum import datetime

    timetable = coerce_to_core_timetable(bag.dags["crm_ingest"].timetable)
    restriction = TimeRestriction(earliest=datetime(2026, 3, 5, 12), latest=None, catchup=True)
    info = timetable.next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction)
    assert (info.run_after, info.partition_key) == (datetime(2026, 3, 6), "2026-03-05")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_dag_file_is_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 80


PARSE = """
import sys, time
import airflow.sdk.execution_time.task_runner
from airflow.dag_processing.dagbag import DagBag
import airflow.sdk.definitions.decorators, airflow.sdk.definitions.timetables.trigger, pydantic_settings
heavy = ("pandas", "numpy", "pyarrow", "duckdb", "deltalake", "great_expectations", "ibis", "sklearn", "scipy", "dlt")
loaded = {name for name in heavy if name in sys.modules}
begin = time.process_time()
bag = DagBag(sys.argv[1], bundle_name="dags-folder")
print(f"seconds={(time.process_time() - begin) / len(bag.dags)}")
print("heavy=" + ",".join(sorted(name for name in heavy if name in sys.modules and name not in loaded)))
"""


@pytest.mark.slow
def test_parsing_is_cheap() -> None:
    """Paid at every parse and in every task: 0.01 s of CPU a DAG here, so 0.3 s is a heavy import."""
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(DAGS)], capture_output=True, text=True, check=True, env=_environment()
    )
    said = dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith(("seconds=", "heavy=")))
    assert said["heavy"] == ""
    assert float(said["seconds"]) < 0.3


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PLUGINS), "DDCRM_PROJECT_DIR": str(REPOSITORY)}
