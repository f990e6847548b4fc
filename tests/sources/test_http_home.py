"""Reading a service leaves no trace in the home of whoever runs it, and imports no Airflow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.sources.conftest import Answer, Service

CODE = """
import sys
from ddcrm.sources.http_client import Service
print(list(Service(sys.argv[1], "orders", {}).items({"params": {}, "paginator": {"type": "single_page"}})))
print("airflow" in sys.modules)
"""


def test_the_home_stays_empty(service: Service, tmp_path: Path) -> None:
    service.answer = lambda _: Answer([{"id": 1}])
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "XDG", "PROVIDERS"))}
    done = subprocess.run([sys.executable, "-c", CODE, service.url], env={**kept, "HOME": str(home)}, cwd=work,
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.splitlines() == ["[{'id': '1'}]", "False"]
    assert [*home.iterdir(), *work.iterdir()] == []
