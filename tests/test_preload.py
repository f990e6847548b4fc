"""ddcrm.preload keeps its promise: with it imported, a day's steps import hardly anything any more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.shop import FIRST, Shop

STEPS = """
import json, sys
import ddcrm.preload
from datetime import date
from pathlib import Path
from ddcrm.dates import DateRange
from ddcrm.pipeline import ingest, score, train
from ddcrm.settings import load_settings

settings = load_settings(Path(sys.argv[1]))
first, last = map(date.fromisoformat, sys.argv[2:])
before = set(sys.modules)
dates = DateRange(first, last)
for step in (ingest.extract, ingest.transform, ingest.validate):
    step(settings, "orders", dates)
train.train(settings, last)
score.score(settings, last)
score.publish(settings, last)
print(json.dumps(sorted(name for name in set(sys.modules) - before if not name.startswith("ddcrm."))))
"""


@pytest.mark.slow
def test_the_steps_find_their_packages_imported(tmp_path: Path, warehouse_url: str) -> None:
    shop = Shop(tmp_path / "shop").make()
    command = [sys.executable, "-c", STEPS, str(shop.folder), str(FIRST), str(shop.last)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "DDCRM_WAREHOUSE_URL": warehouse_url}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    imported = json.loads(done.stdout.splitlines()[-1])
    assert len(imported) < 40, imported


@pytest.mark.slow
def test_a_package_that_is_not_there_is_left_to_whoever_needs_it() -> None:
    code = "import sys; sys.modules['great_expectations'] = None; import ddcrm.preload, sklearn.cluster"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "great_expectations can't be preloaded" in done.stderr


@pytest.mark.slow
def test_it_starts_no_python_thread_and_makes_airflow_say_nothing(tmp_path: Path) -> None:
    """What is forked from a process with threads has half of them; skops asks all modules for all names of scipy's."""
    code = "import threading, airflow.utils.timezone, ddcrm.preload; print(threading.active_count())"
    variables = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=variables)
    assert done.stdout.split()[-1] == "1"
    assert "airflow.utils.timezone" not in done.stdout + done.stderr
