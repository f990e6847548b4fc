"""A home of the session's own for Airflow: importing this, before airflow, sets the variables that it reads then."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
DAGS, PLUGINS = REPOSITORY / "dags", REPOSITORY / "plugins"
HOME = Path(tempfile.mkdtemp(prefix="ddcrm-airflow-"))

os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
}
CALM = {
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1",
}
"""For an Airflow that takes little from what runs beside it: it reads its DAGs once, and looks about less often."""

if str(PLUGINS) not in sys.path:
    sys.path.append(str(PLUGINS))  # as Airflow does
atexit.register(shutil.rmtree, HOME, ignore_errors=True)


@cache  # once a process; the file tells nothing, as whoever looks into it makes it
def make_tables() -> None:
    """Airflow's own tables, in SQLite: enough where no two tasks run beside each other."""
    from airflow.utils.db import initdb

    initdb()
