"""`ddcrm demo`: the company's sources and its history, then Airflow for its last days; what came of it, where to look.

A second demo makes the same sources again and computes the same days in place: with the same digests. Airflow's own
records begin anew each time.
"""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from ddcrm import progress
from ddcrm.dates import DateRange
from ddcrm.demo.airflow import USER, Airflow
from ddcrm.demo.alone import alone, ignore_interrupts, interruptible, was_interrupted
from ddcrm.demo.findings import show_findings
from ddcrm.demo.show import Show
from ddcrm.demo.systems import DATES, start_systems, write_variables
from ddcrm.demo.watch import DAGS, run_days
from ddcrm.demo.world import World, build_airflow, build_world
from ddcrm.settings import Settings

DAYS = 7  # so many go through Airflow; the days before them are its history
_TASKS = {
    "extract": "extract",
    "source": "extract",
    "land": "extract",
    "conform": "transform",
}  # by points; else validate


def run_demo(settings: Settings, exit_when_done: bool = False) -> int:
    """Run the demo; returns the exit code: 0 if all days were published, 130 if it was interrupted before.

    On a terminal Airflow stays up until Ctrl-C, unless `exit_when_done`. Whatever happens, no process is left behind.
    Raises DdcrmError where something can't be done.
    """
    show = Show()
    stay = show.console.is_terminal and not exit_when_done
    done = False
    with alone(settings), interruptible(), ExitStack() as stack:
        try:
            airflow = _run(settings, show, stack, stay=stay)
            done = True
            while stay:
                airflow.processes.check()
                time.sleep(1)
        except KeyboardInterrupt:
            return 0 if done else 130
        except Exception:
            if was_interrupted():
                return 130
            raise
        finally:
            ignore_interrupts()
            show.line("stopping")
    return 0


def _run(settings: Settings, show: Show, stack: ExitStack, *, stay: bool) -> Airflow:
    """All parts in their order; `stack` takes what is to be stopped."""
    dates, last_days = DATES, DateRange(DATES.last - timedelta(days=DAYS - 1), DATES.last)
    history = DateRange(dates.first, last_days.first - timedelta(days=1))
    with show.step("starting PostgreSQL"):
        world = build_world(settings, stack)
        airflow = build_airflow(world, dates)
    starting = _start(airflow, stack)  # it takes its time: the history is loaded meanwhile
    start_systems(world, dates, show, stack)
    _load_history(world, history, show)
    with show.step("waiting for Airflow"):
        starting.result()
        airflow.wait_for_dags(set(DAGS))
    show.line(f"Airflow is at {airflow.place.url} (user {USER}, password {airflow.password})")
    with show.step(f"Airflow: train as of {history.last}, ingest and score {last_days}"):
        run_days(airflow, last_days, history.last, show.doing)
    _show_results(world, airflow, show, write_variables(world, stack) if stay else None)
    return airflow


def _start(airflow: Airflow, stack: ExitStack) -> Future[None]:
    shutil.rmtree(airflow.place.home, ignore_errors=True)
    pool = stack.enter_context(ThreadPoolExecutor(1))
    stack.enter_context(airflow)  # after the pool: it is stopped first, and ends what the pool waits for
    return pool.submit(airflow.start)


def _load_history(world: World, history: DateRange, show: Show) -> None:
    from ddcrm.pipeline import ingest
    from ddcrm.warehouse.connect import Warehouse
    from ddcrm.warehouse.migrate import upgrade

    with Warehouse.open(world.settings) as warehouse:
        upgrade(warehouse)
    with show.step(f"loading the history: {history}"):
        for source in ingest.sources(world.settings):
            with progress.listening(partial(_tell, show, source)):
                result = ingest.ingest(world.settings, source, history)
            show.line(f"{source}: {result.landed:,} rows, {result.conformed:,} conformed")


def _tell(show: Show, source: str, name: str, facts: Mapping[str, Any]) -> None:
    """A point of the work in the words of one who watches: the source's task, and its days."""
    if was_interrupted():
        raise KeyboardInterrupt
    task = _TASKS.get(name.partition(".")[0], "validate")
    show.doing(" ".join(str(part) for part in (f"{source}: {task}", facts.get("dates")) if part))


def _show_results(world: World, airflow: Airflow, show: Show, variables: Path | None) -> None:
    """What was found, and where to look on: without `variables` everything is about to be stopped."""
    from ddcrm.warehouse.connect import Warehouse

    with Warehouse.open(world.settings) as warehouse:
        show_findings(warehouse, show)
    command = shlex.join([str(Path(sys.executable).with_name("ddcrm")), "--project", str(world.settings.project_dir)])
    show.say(f"status    {command} status")
    show.say(f"report    {command} report")
    show.say(f"SQL       {command} warehouse psql")
    show.say(f"logs      {airflow.place.home / 'logs'}")
    if variables is None:
        show.say(f"again     {command} demo --serve  (the sources alone, for the other commands)")
        return
    show.say(f"Airflow   {airflow.place.url}  user {USER}  password {airflow.password}")
    show.say(f"sources   . {shlex.quote(str(variables))}  (in another terminal: then the other commands find them)")
    show.say("Ctrl-C stops everything.")
