"""SIGKILL all through a restatement, its swap and its undoing: run again, the result is that of one left alone."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from ddcrm.warehouse.embedded import EmbeddedPostgres
from tests.pipeline.forks import differing, in_child, killed_after, killed_at, points, reader, told, warm
from tests.pipeline.lived import NET_AMOUNT, PUBLISHED, Lived, version
from tests.pipeline.reading import rows
from tests.pipeline.shop import Shop

pytestmark = pytest.mark.slow

MOMENTS = 20
NEWEST = "SELECT restatement_id FROM ops.restatement_events WHERE event = 'swapped' ORDER BY id DESC LIMIT 1"
SEEN = (
    "SELECT (SELECT sum(monetary_value) FROM crm.current_customer_scores), "
    "(SELECT sum(monetary_value_mean) FROM crm.current_segment_profiles), "
    "(SELECT md5(string_agg(digest, ',' ORDER BY as_of, table_name)) FROM ops.publications)"
)


def forth(shop: Shop) -> None:
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
    """Undo what was swapped in last, again and again, until it is done."""
    from ddcrm.pipeline.restate_swap import undo

    ((restatement,),) = rows(shop.settings, NEWEST)
    undo(shop.settings, restatement, who="ann")


def look(shop: Shop) -> dict[str, str]:
    """Everything that readers and the next steps see, part by part."""
    from tests.pipeline.test_restate import state

    return told(shop.folder / "state", lambda: state(shop.settings))


def test_killed_anywhere_then_run_again(lived: Lived, postgres_server: EmbeddedPostgres, tmp_path: Path) -> None:
    """In a process of its own, which has not worked."""
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
    before = look(shop)
    for each in (alone, shop):
        version(each, "1.1.0", PUBLISHED[2], NET_AMOUNT)  # two batches, a training, two days
    os.environ["DDCRM_WAREHOUSE_URL"] = other_warehouse_url
    began = time.monotonic()
    going = [name for name in points(folder / "points", partial(forth, alone)) if name.startswith("restate.")]
    took = time.monotonic() - began
    expected = look(alone)
    coming = [name for name in points(folder / "points", partial(back, alone)) if name.startswith("restate.")]
    os.environ["DDCRM_WAREHOUSE_URL"] = warehouse_url
    with reader(warehouse_url, SEEN) as states:
        kill_at_moments(shop, took)
        for name in going:
            assert killed_at(name, partial(forth, shop)) in (0, signal.SIGKILL), name
        assert in_child(partial(forth, shop)) == 0
        found = look(shop)
        assert differing(found, expected) == set()
        assert set(found) - differing(found, before) == {"2026-01-16", "2026-01-17"}
        for name in coming:
            assert killed_at(name, partial(back, shop)) in (0, signal.SIGKILL), name
        assert in_child(partial(back, shop)) == 0
        assert differing(look(shop), before) == set()
    assert len(set(states)) == 2, "the days before and the days after, and nothing between"


def kill_at_moments(shop: Shop, took: float) -> None:
    """Kill the work at twenty moments within the time that it takes alone, early ones first, as it resumes each time.

    Once it is whole it begins anew.
    """
    chance, killed = random.Random(11), 0
    while killed < MOMENTS:
        died = killed_after(chance.uniform(0, took * (killed + 1) / MOMENTS), partial(forth, shop))
        assert died in (0, signal.SIGKILL)
        killed += died == signal.SIGKILL
        if not died:
            assert in_child(partial(back, shop)) == 0
