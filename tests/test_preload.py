"""ddcrm.preload keeps its promise: with it imported, a day's steps import hardly anything any more."""

from __future__ import annotations

import importlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.shop import FIRST, Shop

STEPS = """
import json, sys, threading
import airflow.utils.timezone
import ddcrm.preload
threads = threading.active_count()
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
imported = sorted(name for name in set(sys.modules) - before if not name.startswith("ddcrm."))
print(json.dumps([threads, imported]))
"""


@pytest.mark.slow
def test_the_steps_find_their_packages_imported(tmp_path: Path, warehouse_url: str) -> None:
    """In a process that has Airflow, too: it starts no Python thread, and makes Airflow say nothing.

    What is forked from a process with threads has half of them; skops asks all modules for all names of scipy's.
    """
    shop = Shop(tmp_path / "shop").make()
    command = [sys.executable, "-c", STEPS, str(shop.folder), str(FIRST), str(shop.last)]
    variables = {**os.environ, "DDCRM_WAREHOUSE_URL": warehouse_url, "AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=variables)
    assert done.returncode == 0, done.stderr[-2000:]
    threads, imported = json.loads(done.stdout.splitlines()[-1])
    assert threads == 1
    assert len(imported) < 40, imported
    assert "airflow.utils.timezone" not in done.stdout + done.stderr


def test_a_package_that_is_not_there_is_left_to_whoever_needs_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from ddcrm import preload

    later = preload.PACKAGES[preload.PACKAGES.index("great_expectations") + 1]
    monkeypatch.setitem(sys.modules, "great_expectations", None)
    monkeypatch.delitem(sys.modules, later)
    with caplog.at_level(logging.WARNING, "ddcrm"):
        importlib.reload(preload)
    assert "great_expectations can't be preloaded" in caplog.text
    assert later in sys.modules, "it goes on"
