"""A shop's project for the DAGs, and a way to run them in this process, for one partition."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.airflow_home import DAGS, make_tables
from tests.pipeline.shop import Shop

RunDag = Callable[..., Any]


@pytest.fixture(scope="session")
def airflow_tables() -> None:
    """Airflow's own tables, in SQLite."""
    make_tables()


@pytest.fixture
def shop(tmp_path: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The project that the DAGs find, with an empty warehouse."""
    made = Shop(tmp_path / "shop").make()
    monkeypatch.setenv("DDCRM_PROJECT_DIR", str(made.folder))
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", warehouse_url)
    return made


@pytest.fixture
def run_dag(airflow_tables: None, monkeypatch: pytest.MonkeyPatch) -> RunDag:
    """`run_dag(dag_id, key, **conf)`: a run of one partition (DAG.test knows none by itself); returns the run."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.models import dagrun
    from airflow.utils.types import DagRunType

    def run(dag_id: str, key: str | None, **conf: Any) -> Any:
        def create(*, dag: Any, session: Any, data_interval: Any, **values: Any) -> Any:
            day = dag.timetable.resolve_partition_date(key) if key else None
            values |= {"partition_key": key, "partition_date": day, "run_type": DagRunType.MANUAL}
            return dag.create_dagrun(state="running", session=session, data_interval=None, **values)

        monkeypatch.setattr(dagrun, "get_or_create_dagrun", create)
        # a fresh bag: parameters of one run stay in the DAG object
        dag = DagBag(DAGS / f"{dag_id}.py", bundle_name="dags-folder").dags[dag_id]
        dag.deadline = None  # DAG.test gives it to the run as the scheduler never does; test_month.py has one
        return dag.test(logical_date=None, run_conf=conf)

    return run
