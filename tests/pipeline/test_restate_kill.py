"""SIGKILL all through a restatement, its swap and its undoing: run again, the result is that of one left alone."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ddcrm import progress
from ddcrm.warehouse.embedded import EmbeddedPostgres
from tests.pipeline.lived import NET_AMOUNT, PUBLISHED, Lived, version
from tests.pipeline.shop import Shop
from tests.pipeline.test_kill import in_child, reader, warm

pytestmark = pytest.mark.slow

KILLS = 20
SEEN = (
    "SELECT (SELECT sum(monetary_value) FROM crm.current_customer_scores), "
    "(SELECT sum(monetary_value_mean) FROM crm.current_segment_profiles), "
    "(SELECT md5(string_agg(digest, ',' ORDER BY as_of, table_name)) FROM ops.publications)"
)


def everything(shop: Shop) -> None:
    """What an engineer types, again and again, until it is done."""
    from ddcrm.pipeline.restate import approve, propose, restate
    from ddcrm.pipeline.restate_swap import swap

    found, _ = propose(shop.settings, who="ann", why="shipping")
    if found is not None:
        approve(shop.settings, found, who="ann")
        if restate(shop.settings, found, jobs=2).beyond_limits:
            approve(shop.settings, found, who="ann")
        swap(shop.settings, found, who="ann")


def back(shop: Shop) -> None:
    from ddcrm.pipeline.restate_swap import undo

    undo(shop.settings, "r1", who="ann")


def points(shop: Shop, work: Callable[[Shop], None]) -> list[str]:
    """Do the work in a child; the names of the points that it passed, in the order of their first time."""
    file = shop.folder / "points"

    def body() -> None:
        with file.open("w") as names, progress.listening(lambda name, facts: print(name, file=names)):
            work(shop)

    assert in_child(body) == 0
    return list(dict.fromkeys(file.read_text().split()))


def killed(shop: Shop, work: Callable[[Shop], None], names: list[str]) -> list[str]:
    """Do the work in children that kill themselves, one at each of the points; the points at which one died."""
    died = []
    for name in names:

        def kill(reached: str, facts: dict[str, Any], name: str = name) -> None:
            if reached == name:
                os.kill(os.getpid(), signal.SIGKILL)

        def body(kill: progress.Listener = kill) -> None:
            with progress.listening(kill):
                work(shop)

        ended = in_child(body)
        assert ended in (0, signal.SIGKILL), name
        died += [name] if ended else []
    return died


def state(shop: Shop) -> dict[str, str]:
    """Read in a child, for the lake's library must not be used before a fork."""
    from tests.pipeline.test_restate import state as read

    file = shop.folder / "state"

    def body() -> None:
        file.write_text(json.dumps({name: repr(part) for name, part in read(shop.settings).items()}))

    assert in_child(body) == 0
    found: dict[str, str] = json.loads(file.read_text())
    return found


def spread(names: list[str], number: int) -> list[str]:
    """So many of the names, evenly, in their order."""
    return [names[place * len(names) // number] for place in range(number)] if len(names) > number else names


def test_killed_anywhere_then_run_again(lived: Lived, postgres_server: EmbeddedPostgres, tmp_path: Path) -> None:
    """In a process of its own: the lake's library can't be used in forks of a process that has used it."""
    with lived.copy(postgres_server, tmp_path / "alone"):
        url = os.environ["DDCRM_WAREHOUSE_URL"]
        with lived.copy(postgres_server, tmp_path / "shop"):
            arguments = (tmp_path, os.environ["DDCRM_WAREHOUSE_URL"], url)
            process = multiprocessing.get_context("spawn").Process(target=kill_all_through, args=arguments)
            process.start()
            process.join()
    assert process.exitcode == 0


def kill_all_through(folder: Path, warehouse_url: str, other_warehouse_url: str) -> None:
    """Compare a shop whose restatement is killed all through with one whose is left alone."""
    warm()
    alone, shop = Shop(folder / "alone"), Shop(folder / "shop")
    os.environ["DDCRM_WAREHOUSE_URL"] = warehouse_url
    before = state(shop)
    for each in (alone, shop):
        version(each, "1.1.0", PUBLISHED[2], NET_AMOUNT)  # two batches, a training, two days
    os.environ["DDCRM_WAREHOUSE_URL"] = other_warehouse_url
    names = points(alone, everything)
    expected = state(alone)
    undoing = points(alone, back)
    os.environ["DDCRM_WAREHOUSE_URL"] = warehouse_url
    ours = [name for name in names if name.startswith("restate.")]
    others = [name for name in names if name not in ours]
    chosen = set(ours) | set(spread(others, max(0, KILLS + 4 - len(ours))))
    with reader(warehouse_url, SEEN) as states:
        died = killed(shop, everything, [name for name in names if name in chosen])
        assert len(died) >= KILLS, died
        assert in_child(lambda: everything(shop)) == 0
        found = state(shop)
        assert {name for name in expected if found[name] != expected[name]} == set()
        assert {name for name in before if found[name] == before[name]} == {"2026-01-16", "2026-01-17"}
        assert len(states) == 2
        assert killed(shop, back, undoing)
        assert in_child(lambda: back(shop)) == 0
        assert state(shop) == before
        assert len(states) == 2
