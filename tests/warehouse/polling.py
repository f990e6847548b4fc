"""Readers in a process of their own, each asking one thing again and again on a connection of its own."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg

from ddcrm.warehouse.connect import Warehouse

Answers = dict[str, list[tuple[float, Any]]]  # for each reader: when it was answered, and what


@contextmanager
def polling(warehouse: Warehouse, statements: Mapping[str, str]) -> Iterator[Answers]:
    """What the readers saw, filled in when the block ends; all of them have begun when it begins."""
    forks = multiprocessing.get_context("forkserver")
    stop, found = forks.Event(), forks.Queue()
    child = forks.Process(target=_poll_all, args=(warehouse.conninfo, dict(statements), stop, found))
    child.start()
    answers: Answers = {}
    try:
        deadline = time.monotonic() + 30
        while _connected(warehouse) < len(statements):
            assert time.monotonic() < deadline, "the readers don't begin"
            time.sleep(0.05)
        yield answers
    finally:
        stop.set()
        answers.update(found.get(timeout=60))
        child.join(60)


def rate(answers: Answers, began: float, ended: float) -> float:
    """Answers a second between two moments."""
    return sum(began <= at <= ended for each in answers.values() for at, _ in each) / (ended - began)


def _poll(conninfo: str, statement: str, stop: Any, answers: list[tuple[float, Any]]) -> None:
    with psycopg.connect(conninfo, autocommit=True, application_name="polling") as connection:
        while not stop.is_set():
            rows = tuple(connection.execute(statement).fetchall())
            answers.append((time.monotonic(), rows))


def _poll_all(conninfo: str, statements: Mapping[str, str], stop: Any, found: Any) -> None:
    answers: Answers = {name: [] for name in statements}
    threads = [threading.Thread(target=_poll, args=(conninfo, statement, stop, answers[name]))
               for name, statement in statements.items()]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.put(answers)


def _connected(warehouse: Warehouse) -> int:
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'polling' AND query <> ''"
    )
    with psycopg.connect(warehouse.conninfo, autocommit=True) as connection:
        (row,) = connection.execute(query).fetchall()
    return int(row[0])
