"""Steps in processes that are forked from one that has the packages loaded, as Airflow's tasks are (ddcrm/preload.py).

python -m bench.preloaded OUT STEP:FIRST:LAST... PROJECT     writes a JSON list of what each step took
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import ddcrm.preload  # noqa: F401  (this is what it is for)
from bench.step import main as run_step


def main(out: str, *arguments: str) -> None:
    """Run the steps one after another, each in a fork."""
    *steps, project = arguments
    Path(out).write_text(json.dumps([_forked(*step.split(":"), project) for step in steps]), "utf-8")


def _forked(step: str, first: str, last: str, project: str) -> dict[str, Any]:
    marks = Path(project) / f"{step}.forked.json"
    marks.unlink(missing_ok=True)
    begun = time.monotonic()
    if not (child := os.fork()):
        run_step(step, project, str(marks), str(begun), first, last)  # it leaves the process, as Airflow's tasks do
    _, status, usage = os.wait4(child, 0)
    wall = time.monotonic() - begun
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{step} failed")
    left = json.loads(marks.read_text("utf-8"))
    return {"name": step, "wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss / 1024, **left}


if __name__ == "__main__":
    main(*sys.argv[1:])
