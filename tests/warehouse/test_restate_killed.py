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
def test_staging_killed_there_goes_on(published: Warehouse, point: str) -> None:
    found = planned(published, DAYS)
    _kill(published, found, point, _stage)
    assert markers(published) == all_marked(DAYS, "old", 20)
    whole = point == "restate.staged"
    assert list(restate.staged_days(published, found)) == (DAYS[:1] if whole else [])
    _stage(published, found)
    assert len(staged(published)) == 2 * EACH
    _compare(published, found)
    _swap(published, found)
    assert markers(published) == all_marked(DAYS, "new", 31)
    assert staged(published) == []


@pytest.mark.parametrize("point", ["restate.compared_day", "restate.compared"])
def test_comparing_killed_there_is_done_again(published: Warehouse, point: str) -> None:
    found = planned(published, DAYS)
    _stage(published, found)
    _kill(published, found, point, _compare)
    first = restate.restatement(published, found).comparison
    again = restate.compare(published, found, ANYTHING)
    assert first is None if point == "restate.compared_day" else first["days"] == again.document["days"]


@pytest.mark.parametrize("point", ["restate.swapped", "restate.committed"])
def test_a_swap_killed_there_is_done_again(published: Warehouse, point: str) -> None:
    found = ready(published, DAYS)
    _kill(published, found, point, _swap)
    done = point == "restate.committed"
    assert markers(published) == (all_marked(DAYS, "new", 31) if done else all_marked(DAYS, "old", 20))
    _swap(published, found)
    assert markers(published) == all_marked(DAYS, "new", 31)
    assert (tables_in(published, "crm_staging"), tables_in(published, "crm_archive")) == (0, 2 * EACH)
    assert [event.event for event in restate.restatement(published, found).events].count("swapped") == 1


@pytest.mark.parametrize("point", ["restate.undone", "restate.undo_committed"])
def test_an_undo_killed_there_is_done_again(published: Warehouse, point: str) -> None:
    before = ledger_of(published)
    found = ready(published, DAYS)
    _swap(published, found)
    _kill(published, found, point, _undo)
    done = point == "restate.undo_committed"
    assert markers(published) == (all_marked(DAYS, "old", 20) if done else all_marked(DAYS, "new", 31))
    _undo(published, found)
    assert markers(published) == all_marked(DAYS, "old", 20)
    assert ledger_of(published) == before
    assert (tables_in(published, "crm_staging"), tables_in(published, "crm_archive")) == (0, 0)
    assert tables_in(published, "crm_days") == 2 * EACH


def test_staging_killed_and_given_up(published: Warehouse) -> None:
    found = planned(published, DAYS)
    _kill(published, found, "publish.audited", _stage)
    restate.drop(published, found, who=WHO)
    publish(published, DAYS[:1])  # whoever loads next sweeps up
    assert staged(published) == []


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
