"""Staging, swap and undo killed with SIGKILL at any point, then run again: as undisturbed, nothing left over."""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import Any

import pytest

from ddcrm import progress
from ddcrm.warehouse import restate
from ddcrm.warehouse.connect import Warehouse
from tests.warehouse.days import make_day, no_audit
from tests.warehouse.restating import (
    ANYTHING,
    EACH,
    WHO,
    all_marked,
    days_from,
    ledger_of,
    markers,
    planned,
    publish,
    ready,
    stage_days,
    tables_in,
)
from tests.warehouse.test_publish import staged

DAYS = days_from(2)
STAGING = [*(f"{name} {table}" for table in make_day() for name in ("publish.load", "publish.loaded")),
           "publish.audited", "restate.kept", "restate.staged"]  # fmt: skip
_forks = multiprocessing.get_context("forkserver")  # imports once, then forks
_forks.set_forkserver_preload(["tests.warehouse.test_restate_killed", "adbc_driver_postgresql.dbapi", "psycopg"])


def _stage(warehouse: Warehouse, found: str) -> None:
    stage_days(warehouse, found, DAYS)


def _compare(warehouse: Warehouse, found: str) -> None:
    restate.compare(warehouse, found, ANYTHING)


def _swap(warehouse: Warehouse, found: str) -> None:
    restate.swap(warehouse, found, who=WHO)


def _undo(warehouse: Warehouse, found: str) -> None:
    restate.undo(warehouse, found, who=WHO)


def _and_die(url: str, found: str, point: str, step: Any) -> None:
    def listener(name: str, facts: dict[str, Any]) -> None:
        if point in (name, f"{name} {facts.get('table')}"):
            os.kill(os.getpid(), signal.SIGKILL)

    with progress.listening(listener), Warehouse(url) as warehouse:
        step(warehouse, found)


def _kill(warehouse: Warehouse, found: str, point: str, step: Any) -> None:
    child = _forks.Process(target=_and_die, args=(warehouse.url, found, point, step))
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("point", STAGING)
def test_staging_killed_there_goes_on(warehouse: Warehouse, point: str) -> None:
    publish(warehouse, DAYS)
    found = planned(warehouse, DAYS)
    _kill(warehouse, found, point, _stage)
    assert markers(warehouse) == all_marked(DAYS, "old", 20)
    whole = point == "restate.staged"
    assert list(restate.staged_days(warehouse, found)) == (DAYS[:1] if whole else [])
    _stage(warehouse, found)
    assert len(staged(warehouse)) == 2 * EACH
    _compare(warehouse, found)
    _swap(warehouse, found)
    assert markers(warehouse) == all_marked(DAYS, "new", 31)
    assert staged(warehouse) == []


@pytest.mark.parametrize("point", ["restate.compared_day", "restate.compared"])
def test_comparing_killed_there_is_done_again(warehouse: Warehouse, point: str) -> None:
    publish(warehouse, DAYS)
    found = planned(warehouse, DAYS)
    _stage(warehouse, found)
    _kill(warehouse, found, point, _compare)
    first = restate.restatement(warehouse, found).comparison
    again = restate.compare(warehouse, found, ANYTHING)
    assert first is None if point == "restate.compared_day" else first["days"] == again.document["days"]


@pytest.mark.parametrize("point", ["restate.swapped", "restate.committed"])
def test_a_swap_killed_there_is_done_again(warehouse: Warehouse, point: str) -> None:
    publish(warehouse, DAYS)
    found = ready(warehouse, DAYS)
    _kill(warehouse, found, point, _swap)
    done = point == "restate.committed"
    assert markers(warehouse) == (all_marked(DAYS, "new", 31) if done else all_marked(DAYS, "old", 20))
    _swap(warehouse, found)
    assert markers(warehouse) == all_marked(DAYS, "new", 31)
    assert (tables_in(warehouse, "crm_staging"), tables_in(warehouse, "crm_archive")) == (0, 2 * EACH)
    assert [event.event for event in restate.restatement(warehouse, found).events].count("swapped") == 1


@pytest.mark.parametrize("point", ["restate.undone", "restate.undo_committed"])
def test_an_undo_killed_there_is_done_again(warehouse: Warehouse, point: str) -> None:
    publish(warehouse, DAYS)
    before = ledger_of(warehouse)
    found = ready(warehouse, DAYS)
    _swap(warehouse, found)
    _kill(warehouse, found, point, _undo)
    done = point == "restate.undo_committed"
    assert markers(warehouse) == (all_marked(DAYS, "old", 20) if done else all_marked(DAYS, "new", 31))
    _undo(warehouse, found)
    assert markers(warehouse) == all_marked(DAYS, "old", 20)
    assert ledger_of(warehouse) == before
    assert (tables_in(warehouse, "crm_staging"), tables_in(warehouse, "crm_archive")) == (0, 0)
    assert tables_in(warehouse, "crm_days") == 2 * EACH


def test_staging_killed_and_given_up(warehouse: Warehouse) -> None:
    publish(warehouse, DAYS)
    found = planned(warehouse, DAYS)
    _kill(warehouse, found, "publish.audited", _stage)
    restate.drop(warehouse, found, who=WHO)
    publish(warehouse, DAYS[:1])  # whoever loads next sweeps up
    assert staged(warehouse) == []


def test_no_point_is_left_out(warehouse: Warehouse) -> None:
    """The points above are all that there are."""
    publish(warehouse, DAYS[:1])
    found = planned(warehouse, DAYS[:1])
    seen: list[str] = []
    with progress.listening(lambda name, facts: seen.append(" ".join(filter(None, [name, facts.get("table")])))):
        restate.stage(warehouse, found, DAYS[0], make_day(DAYS[0], 31, "new"), audit=no_audit)
        assert seen == STAGING
        _compare(warehouse, found)
        _swap(warehouse, found)
        _undo(warehouse, found)
    rest = ["compared_day", "compared", "swapped", "committed", "undone", "undo_committed"]
    assert seen[len(STAGING) :] == [f"restate.{name}" for name in rest]
