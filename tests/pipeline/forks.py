"""Work in forked children that are killed: at a point that a step reports, or after some time.

They are forked from a process that has imported everything, so that a kill costs no second import, and that has not
worked itself: the lake's library can't be used in forks of a process that has used it.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import psycopg

from ddcrm import progress
from ddcrm.warehouse.connect import Warehouse

Work = Callable[[], object]


def warm() -> None:
    """Import what the steps need, and do what is done slowly the first time and has nothing to do with the lake."""
    import ddcrm
    import ddcrm.preload  # noqa: F401

    for package in ("contracts", "features", "lake", "models", "pipeline", "quality", "scoring", "sources", "training",
                    "warehouse"):  # fmt: skip
        found = importlib.import_module(f"ddcrm.{package}")
        for module in pkgutil.walk_packages(found.__path__, f"{found.__name__}."):
            if "migrations" not in module.name:
                importlib.import_module(module.name)
    _judge()
    _translate()


def _judge() -> None:
    import pandas as pd

    from ddcrm.quality.gx import judge_frame
    from ddcrm.quality.suites import Expectation

    (found,) = judge_frame(
        [Expectation("expect_column_values_to_not_be_null", {"column": "a"})], pd.DataFrame({"a": [1]})
    )
    assert found.success


def _translate() -> None:
    import ibis

    from ddcrm.features.purchases import purchase_features
    from ddcrm.settings import PurchaseSettings

    columns = {"customer_key": "string", "order_id": "string", "event_date": "date", "amount": "decimal(18, 2)"}
    features = purchase_features(ibis.table(columns, name="orders"), date(2026, 1, 1), PurchaseSettings())
    assert "GROUP BY" in ibis.to_sql(features, dialect="duckdb")


def forked(work: Work) -> int:
    """The process that does the work."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child


def ended(child: int) -> int:
    """How a child ended: 0 well, -1 not, else by this signal."""
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)


def in_child(work: Work) -> int:
    """Do the work in a child, which nobody disturbs; returns how it ended."""
    return ended(forked(work))


def killed_at(name: str, work: Work) -> int:
    """Do the work in a child that kills itself when it first passes the point `name`; returns how it ended."""

    def kill(reached: str, facts: dict[str, Any]) -> None:
        if reached == name:
            os.kill(os.getpid(), signal.SIGKILL)

    return in_child(lambda: _listening(kill, work))


def killed_after(seconds: float, work: Work) -> int:
    """Do the work in a child that is killed after so long, if it has not ended; returns how it ended."""
    child = forked(work)
    clock = threading.Timer(seconds, os.kill, (child, signal.SIGKILL))
    clock.start()
    try:
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # nobody else gets its number before the clock is stopped
    finally:
        clock.cancel()
        clock.join()
    return ended(child)


def points(file: Path, work: Work) -> list[str]:
    """Do the work in a child; the points that it passed, in the order of their first time, by way of `file`."""
    with file.open("w") as names:
        assert in_child(lambda: _listening(lambda name, facts: print(name, file=names, flush=True), work)) == 0
    return list(dict.fromkeys(file.read_text().split()))


def told(file: Path, read: Callable[[], Mapping[str, object]]) -> dict[str, str]:
    """What `read` gives in a child, as text, by way of `file`."""
    assert in_child(lambda: file.write_text(json.dumps({name: repr(part) for name, part in read().items()}))) == 0
    found: dict[str, str] = json.loads(file.read_text())
    return found


def differing(found: Mapping[str, str], expected: Mapping[str, str]) -> set[str]:
    """The parts that are not as expected."""
    return {name for name in {*found, *expected} if found.get(name) != expected.get(name)}


@contextmanager
def reader(url: str, query: str, pause: float = 0.05) -> Iterator[list[tuple[Any, ...]]]:
    """Ask all the while, with so many seconds between; gives the answers, one for each time that they changed.

    What a killed child left stands until the next one has come as far: for longer than that.
    """
    states: list[tuple[Any, ...]] = []
    stop = threading.Event()

    def poll() -> None:
        with psycopg.connect(Warehouse(url).conninfo, autocommit=True) as connection:
            while not stop.is_set():
                state = connection.execute(query).fetchone()
                if state not in states[-1:]:
                    states.append(state)
                stop.wait(pause)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield states
    finally:
        stop.set()
        thread.join()


def _listening(listener: progress.Listener, work: Work) -> None:
    with progress.listening(listener):
        work()
