"""SIGKILL at every point that a step reports: run again, the result is that of a run left alone; readers saw no part.

The steps run in forked children of a process that has imported everything, so that a kill costs no second import.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ddcrm import progress
from ddcrm.warehouse.connect import Warehouse
from tests.pipeline import days as run
from tests.pipeline.reading import conformed, ledger, published
from tests.pipeline.shop import Shop

DAY = date(2026, 2, 3)
TRAINED = DAY - timedelta(days=1)

pytestmark = pytest.mark.slow


def work(shop: Shop) -> None:
    """What a day costs: ingest, train, score, publish."""
    run.ingest(shop.settings, DAY)
    run.train(shop.settings, TRAINED)
    run.score(shop.settings, [DAY])


def in_child(body: Callable[[], None]) -> int:
    """Run `body` in a forked child; returns the signal that ended it (0: it ended well, -1: it failed)."""
    child = os.fork()
    if child == 0:
        try:
            body()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)


def killed_at(shop: Shop, name: str) -> int:
    """Do the work in a child that kills itself when it first passes the point `name`."""

    def kill(reached: str, facts: dict[str, Any]) -> None:
        if reached == name:
            os.kill(os.getpid(), signal.SIGKILL)

    def body() -> None:
        with progress.listening(kill):
            work(shop)

    return in_child(body)


def points(shop: Shop) -> list[str]:
    """Do the work in a child and give the names of the points that it passed, in the order of their first time."""
    file = shop.folder / "points"

    def body() -> None:
        with file.open("w") as names, progress.listening(lambda name, facts: print(name, file=names)):
            work(shop)

    assert in_child(body) == 0
    return list(dict.fromkeys(file.read_text().split()))


def state(shop: Shop) -> dict[str, str]:
    """Everything that a day leaves, as text; read in a child, for the lake's library must not be used before a fork."""
    file = shop.folder / "state"

    def body() -> None:
        parts = {**published(shop.settings, DAY), "lake": conformed(shop.settings), "ledger": ledger(shop.settings)}
        file.write_text(json.dumps({name: repr(part) for name, part in parts.items()}))

    assert in_child(body) == 0
    found: dict[str, str] = json.loads(file.read_text())
    return found


SEEN = (
    "SELECT (SELECT count(*) FROM crm.current_customer_scores), "
    "(SELECT count(DISTINCT as_of) FROM crm.current_customer_scores), "
    "(SELECT count(*) FROM crm.current_customer_segments WHERE scheme = 'rfm'), "
    "(SELECT max(as_of) FROM crm.current_segment_profiles)"
)


@contextmanager
def reader(url: str, query: str = SEEN) -> Iterator[list[tuple[Any, ...]]]:
    """Poll the current views all the while; gives the different states that it saw."""
    states: list[tuple[Any, ...]] = []
    stop = threading.Event()

    def poll() -> None:
        with psycopg.connect(Warehouse(url).conninfo, autocommit=True) as connection:
            while not stop.is_set():
                state = connection.execute(query).fetchone()
                if state not in states:
                    states.append(state)
                stop.wait(0.01)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield states
    finally:
        stop.set()
        thread.join()


def warm() -> None:
    """Import what the steps need, and nothing that starts a thread."""
    import great_expectations  # noqa: F401
    import ibis  # noqa: F401
    import sklearn.cluster  # noqa: F401


def test_killed_anywhere_then_run_again(
    shop: Shop, tmp_path: Path, warehouse_url: str, other_warehouse_url: str
) -> None:
    """In a process of its own: the lake's library can't be used in forks of a process that has used it."""
    alone = Shop(tmp_path / "alone").make()
    arguments = (shop, alone, warehouse_url, other_warehouse_url)
    process = multiprocessing.get_context("spawn").Process(target=kill_at_every_point, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0


def kill_at_every_point(shop: Shop, alone: Shop, warehouse_url: str, other_warehouse_url: str) -> None:
    """Compare a shop that is killed at every point with one that is left alone."""
    warm()
    os.environ["DDCRM_WAREHOUSE_URL"] = other_warehouse_url
    assert in_child(lambda: run.ingest(alone.settings, date(2026, 1, 1), TRAINED)) == 0
    names = points(alone)
    expected = state(alone)
    whole = len(published(alone.settings, DAY)["customer_scores"])
    os.environ["DDCRM_WAREHOUSE_URL"] = warehouse_url
    assert in_child(lambda: run.ingest(shop.settings, date(2026, 1, 1), TRAINED)) == 0

    assert len(names) >= 20
    with reader(warehouse_url) as states:
        for name in names:
            assert killed_at(shop, name) == signal.SIGKILL, name
            assert len(published(shop.settings, DAY)["customer_scores"]) in (0, whole)
        assert in_child(lambda: work(shop)) == 0
    found = state(shop)
    assert {name for name in expected if found[name] != expected[name]} == set()
    assert set(states) <= {(0, 0, 0, None), (whole, 1, whole, DAY)}
    assert (whole, 1, whole, DAY) in states
