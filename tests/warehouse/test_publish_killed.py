"""A publisher killed with SIGKILL at any point, then run again: the same rows, nothing left over, no part ever seen."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from ddcrm import progress
from ddcrm.warehouse.connect import Warehouse
from ddcrm.warehouse.digest import digest_published
from ddcrm.warehouse.embedded import EmbeddedPostgres
from ddcrm.warehouse.publish import publish_day
from ddcrm.warehouse.tables import PUBLISHED
from tests.warehouse.days import DAY, make_day, no_audit
from tests.warehouse.restating import copy_of, filled
from tests.warehouse.test_publish import query, staged

POINTS = [
    "publish.begin",
    *(f"{name} {table}" for table in make_day() for name in ("publish.load", "publish.loaded")),
    "publish.audited",
    "publish.swapped",  # in the transaction, before its commit
    "publish.committed",
    "publish.end",
]
_forks = multiprocessing.get_context("forkserver")  # imports once, then forks: no second of imports a child
_forks.set_forkserver_preload(["tests.warehouse.test_publish_killed", "adbc_driver_postgresql.dbapi", "psycopg"])


def _publish_and_die(url: str, point: str) -> None:
    def listener(name: str, facts: dict[str, Any]) -> None:
        if point in (name, f"{name} {facts.get('table')}"):
            os.kill(os.getpid(), signal.SIGKILL)

    with progress.listening(listener), Warehouse(url) as warehouse:
        publish_day(warehouse, DAY, make_day(customers=30, marker="new"), audit=no_audit)


def test_these_are_all_the_points(warehouse: Warehouse) -> None:
    seen: list[str] = []
    with progress.listening(lambda name, facts: seen.append(" ".join(filter(None, [name, facts.get("table")])))):
        publish_day(warehouse, DAY, make_day(), audit=no_audit)
    assert seen == POINTS


@pytest.fixture(scope="module")
def old_days(postgres_server: EmbeddedPostgres, _template: str) -> Iterator[str]:
    def fill(warehouse: Warehouse) -> None:
        publish_day(warehouse, DAY, make_day(marker="old"), audit=no_audit)

    with filled(postgres_server, _template, fill) as name:
        yield name


@pytest.fixture
def old_day(postgres_server: EmbeddedPostgres, old_days: str) -> Iterator[Warehouse]:
    """A warehouse in which the day is published as it was before."""
    with copy_of(postgres_server, old_days) as warehouse:
        yield warehouse


@pytest.mark.parametrize("point", POINTS)
def test_killed_there_and_run_again(old_day: Warehouse, point: str) -> None:
    child = _forks.Process(target=_publish_and_die, args=(old_day.url, point))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    visible = query(old_day, "SELECT count(*), min(withheld), max(withheld) FROM crm.current_customer_scores")
    done = point in ("publish.committed", "publish.end")
    assert visible == [(30, "new", "new") if done else (20, "old", "old")]
    published = publish_day(old_day, DAY, make_day(customers=30, marker="new"), audit=no_audit)
    assert [digest_published(old_day, each.table, DAY) for each in published] == [each.digest for each in published]
    assert staged(old_day) == []
    assert query(old_day, "SELECT count(*) FROM pg_class WHERE relkind = 'r' "
                 "AND relnamespace = 'crm_days'::regnamespace") == [(len(PUBLISHED),)]  # fmt: skip
