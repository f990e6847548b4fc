"""`ddcrm backfill`: says what a range of days means, then asks Airflow to run them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ddcrm.cli.output import Output
from ddcrm.dates import DateRange
from ddcrm.errors import DdcrmError

STARVE = 20  # with so many normal runs running Airflow 3.3.2 starts none of a backfill's


class AirflowCommandError(DdcrmError):
    """Airflow's command line refused, or is not there; facts: command."""


def backfill(out: Output, dates: DateRange, dag: str, runs: int, behavior: str, *, backwards: bool, yes: bool) -> None:
    """Print the partitions and what to know of them; with `yes` create the backfill."""
    from ddcrm.pipeline.backfill import look_at

    found = look_at(out.settings, dates)
    command = ["backfill", "create", "--dag-id", dag, "--from-date", str(dates.first), "--to-date", str(dates.last),
               "--max-active-runs", str(runs), "--reprocess-behavior", behavior]  # fmt: skip
    command += ["--run-backwards"] * backwards
    out.document |= {**found.as_dict(), "command": ["airflow", *command], "asked": False}
    out.say(f"{dag}: {len(dates)} partitions, {'newest' if backwards else 'oldest'} first, {runs} at once")
    for line in found.lines:
        out.say(f"    {line}")
    if found.waits_for:
        _warn(out, f"{found.waits_for}: the days are taken in and wait for them; begin there")
    if found.published_after:
        number, last = len(found.published_after), found.published_after[-1]
        _warn(out, f"{number} published days after them (up to {last}) keep their scores: ask `ddcrm plan` afterwards")
    if not yes:
        out.say(f"with --yes this is asked: {shlex.join(['airflow', *command])}")
        return
    _warn_of_starvation(out, dag)
    _airflow(command)
    out.document["asked"] = True
    out.say("Airflow runs them now; training and scoring follow each day")


def _warn(out: Output, text: str) -> None:
    out.document.setdefault("warnings", []).append(text)
    out.say(f"    warning: {text}")


def _warn_of_starvation(out: Output, dag: str) -> None:
    words = ["dags", "list-runs", dag, "--state", "running", "--no-backfill", "--output", "json"]
    running = len(_listed(_airflow(words)))
    if running >= STARVE:
        _warn(out, f"{running} other runs of {dag} are running: as long as there are {STARVE} or more, "
                   "Airflow 3.3 starts none of a backfill")  # fmt: skip


def _listed(said: str) -> list[Any]:
    """The JSON list in what Airflow printed: log lines stand before it, and have brackets of their own."""
    begin = re.search(r"^\[\s*[{\]]", said, re.MULTILINE)
    found: list[Any] = json.JSONDecoder().raw_decode(said[begin.start() :].replace("\n", ""))[0] if begin else []
    return found


def _airflow(words: Sequence[str]) -> str:
    """What Airflow's command line prints; raises AirflowCommandError with the last thing it said."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    program = shutil.which("airflow", path=places)
    line = shlex.join(["airflow", *words])
    if program is None:
        raise AirflowCommandError("there is no airflow command here", command=line,
                                  hint="Run the command where Airflow is installed.")  # fmt: skip
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or ["it said nothing"]
        raise AirflowCommandError(f"Airflow refused: {said[0][:300]}", command=line)
    return done.stdout
