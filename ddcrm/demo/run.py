"""`ddcrm demo`: the company's sources and its history, then Airflow for its last days; what came of it, where to look.

A second demo makes the same sources again and computes the same days in place: with the same digests. Airflow's own
records begin anew each time.
"""

from __future__ import annotations

import fcntl
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NoReturn

from ddcrm import progress
from ddcrm.dates import DateRange
from ddcrm.demo import serve
from ddcrm.demo.airflow import USER, Airflow
from ddcrm.demo.findings import show_findings
from ddcrm.demo.show import Show
from ddcrm.demo.watch import DAGS, run_days
from ddcrm.demo.world import World, build_airflow, build_world
from ddcrm.errors import SettingsError
from ddcrm.settings import Settings

FIRST_DAY, LAST_DAY = date(2025, 1, 1), date(2026, 6, 30)
DAYS = 7  # so many go through Airflow; the days before them are its history


def run_demo(settings: Settings, exit_when_done: bool = False) -> int:
    """Run the demo; returns the exit code: 0 if all days were published, 130 if it was interrupted before.

    On a terminal Airflow stays up until Ctrl-C, unless `exit_when_done`. Whatever happens, no process is left behind.
    Raises DdcrmError where something can't be done.
    """
    show = Show()
    stay = show.console.is_terminal and not exit_when_done
    done = False
    with _alone(settings), _interruptible(), ExitStack() as stack:
        try:
            airflow = _run(settings, show, stack)
            done = True
            while stay:
                airflow.processes.check()
                time.sleep(1)
        except KeyboardInterrupt:
            return 0 if done else 130
        finally:
            _ignore_interrupts()
            show.line("stopping")
    return 0


def _run(settings: Settings, show: Show, stack: ExitStack) -> Airflow:
    """All parts in their order; `stack` takes what is to be stopped."""
    dates = DateRange(FIRST_DAY, LAST_DAY)
    last_days = DateRange(dates.last - timedelta(days=DAYS - 1), dates.last)
    history = DateRange(dates.first, last_days.first - timedelta(days=1))
    with show.step("starting PostgreSQL"):
        world = build_world(settings, stack)
        airflow = build_airflow(world, dates)
    starting = _start(airflow, stack)  # it takes its time: the history is loaded meanwhile
    _make_company(world, dates, show, stack)
    _load_history(world, history, show)
    with show.step("waiting for Airflow"):
        starting.result()
        airflow.wait_for_dags(set(DAGS))
    show.line(f"Airflow is at {airflow.place.url} (user {USER}, password {airflow.password})")
    with show.step(f"Airflow: train as of {history.last}, ingest and score {last_days}"):
        run_days(airflow, last_days, history.last, show.doing)
    _show_results(world, airflow, show)
    return airflow


def _start(airflow: Airflow, stack: ExitStack) -> Future[None]:
    shutil.rmtree(airflow.place.home, ignore_errors=True)
    pool = stack.enter_context(ThreadPoolExecutor(1))
    stack.enter_context(airflow)  # after the pool: it is stopped first, and ends what the pool waits for
    return pool.submit(airflow.start)


def _make_company(world: World, dates: DateRange, show: Show, stack: ExitStack) -> None:
    from ddcrm.demo.company import make
    from ddcrm.demo.shop import load_shop_database

    with show.step("making the company's systems: files, a database, a help desk"):
        made = make(world.settings, first_day=dates.first, last_day=dates.last)
        load_shop_database(world.server.url(), world.folder)
        helpdesk = serve.start(world.folder, world.helpdesk_token, world.helpdesk_port)
        stack.callback(helpdesk.stop)
    show.line(f"{made.customers:,} customers, {sum(made.rows.values()):,} rows in {len(made.rows)} sources, {dates}")


def _load_history(world: World, history: DateRange, show: Show) -> None:
    from ddcrm.pipeline import ingest
    from ddcrm.warehouse.connect import Warehouse
    from ddcrm.warehouse.migrate import upgrade

    with Warehouse.open(world.settings) as warehouse:
        upgrade(warehouse)
    with show.step(f"loading the history: {history}"), progress.listening(lambda name, _: show.doing(name)):
        for source in ingest.sources(world.settings):
            result = ingest.ingest(world.settings, source, history)
            show.line(f"{source}: {result.landed:,} rows, {result.conformed:,} conformed")


def _show_results(world: World, airflow: Airflow, show: Show) -> None:
    from ddcrm.warehouse.connect import Warehouse

    with Warehouse.open(world.settings) as warehouse:
        show_findings(warehouse, show)
        psql = shlex.join([str(world.server.programs / "psql"), *warehouse.psql_arguments[1:]])
    command = shlex.join([str(Path(sys.executable).with_name("ddcrm")), "--project", str(world.settings.project_dir)])
    show.say(f"Airflow   {airflow.place.url}  user {USER}  password {airflow.password}")
    show.say(f"psql      {psql}")
    show.say(f"report    {command} status")
    show.say(f"logs      {airflow.place.home / 'logs'}")
    if show.console.is_terminal:
        show.say("Ctrl-C stops everything.")


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    with open(settings.state_dir / "demo.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError("a demo is running here already", folder=settings.state_dir,
                                hint="Stop it with Ctrl-C, or choose another state_dir.") from None  # fmt: skip
        yield


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and a closed terminal stop it as Ctrl-C does."""
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


def _ignore_interrupts() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
