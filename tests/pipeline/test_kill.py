"""SIGKILL at every point that a step reports: run again, all is as if left alone; readers saw no part.

One shop is killed at all points of a step, one after the other; others at one point only, and compared at once.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from ddcrm.settings import Settings
from ddcrm.warehouse.embedded import EmbeddedPostgres
from tests.databases import copy_database
from tests.pipeline import days as run
from tests.pipeline.forks import differing, in_child, killed_at, points, reader, told, warm
from tests.pipeline.lived import TRAINED as BEFORE
from tests.pipeline.lived import Lived
from tests.pipeline.reading import conformed, ledger, published, rows
from tests.pipeline.shop import Shop

DAY = BEFORE + timedelta(days=1)

STEPS: dict[str, Callable[[Settings], None]] = {
    "ingest": lambda settings: run.ingest(settings, DAY),
    "train": lambda settings: run.train(settings, DAY),
    "score": lambda settings: run.score(settings, [DAY]),
}
PLACES = {"ingest": 8, "train": 5, "score": 8}  # at which each time a project as it was before the step is killed
SEEN = (
    "SELECT (SELECT count(*) FROM crm.current_customer_scores), "
    "(SELECT count(DISTINCT as_of) FROM crm.current_customer_scores), "
    "(SELECT count(*) FROM crm.current_customer_segments WHERE scheme = 'rfm'), "
    "(SELECT max(as_of) FROM crm.current_segment_profiles)"
)

pytestmark = pytest.mark.slow


def state(settings: Settings) -> dict[str, object]:
    """Everything that a day leaves."""
    models = "SELECT name, version, trained_as_of, data_digest, fingerprint FROM ops.models ORDER BY 1, 2"
    scored = settings.lake_dir / "scores" / str(DAY)
    left = [path.name for path in scored.iterdir() if not path.name.startswith(".")] if scored.is_dir() else []
    lake = {"lake": conformed(settings), "ledger": ledger(settings), "models": rows(settings, models)}
    return {**published(settings, DAY), **lake, "scored days left": len(left)}


def test_killed_anywhere_then_run_again(trained_shop: Lived, postgres_server: EmbeddedPostgres, tmp_path: Path) -> None:
    """In a process of its own, which has not worked."""
    with trained_shop.copy(postgres_server, tmp_path / "alone") as alone:
        url = os.environ["DDCRM_WAREHOUSE_URL"]
        with trained_shop.copy(postgres_server, tmp_path / "shop") as shop:
            arguments = (shop, alone, os.environ["DDCRM_WAREHOUSE_URL"], url)
            process = multiprocessing.get_context("spawn").Process(target=kill_at_every_point, args=arguments)
            process.start()
            process.join()
    assert process.exitcode == 0


def kill_at_every_point(shop: Shop, alone: Shop, warehouse_url: str, other_warehouse_url: str) -> None:
    """Compare, step by step, a shop that is killed at every point with one that is left alone."""
    warm()
    os.environ["DDCRM_WAREHOUSE_URL"] = other_warehouse_url
    passed, expected, before = {}, {}, {}
    for step, work in STEPS.items():
        before[step] = copied(alone.folder, other_warehouse_url, step)
        passed[step] = points(alone.folder / "points", partial(work, alone.settings))
        expected[step] = told(alone.folder / "state", partial(state, alone.settings))
    assert sum(map(len, passed.values())) >= 40
    yesterday, today = (len(published(alone.settings, day)["customer_scores"]) for day in (BEFORE, DAY))

    os.environ["DDCRM_WAREHOUSE_URL"] = warehouse_url
    with reader(warehouse_url, SEEN) as states:
        for step, work in STEPS.items():
            for name in passed[step]:
                assert killed_at(name, partial(work, shop.settings)) == signal.SIGKILL, name
                assert len(published(shop.settings, DAY)["customer_scores"]) in (0, today)
            assert in_child(partial(work, shop.settings)) == 0
            found = told(shop.folder / "state", partial(state, shop.settings))
            assert differing(found, expected[step]) == set(), step
    assert states == [(yesterday, 1, yesterday, BEFORE), (today, 1, today, DAY)]

    for step, work in STEPS.items():
        for number, name in enumerate(spread(passed[step], PLACES[step])):
            folder, url = copied(*before[step], str(number))
            os.environ["DDCRM_WAREHOUSE_URL"] = url
            again = partial(work, Shop(folder).settings)
            assert killed_at(name, again) == signal.SIGKILL, (step, name)
            assert in_child(again) == 0
            found = told(folder / "state", partial(state, Shop(folder).settings))
            assert differing(found, expected[step]) == set(), (step, name)


def spread(names: list[str], count: int) -> list[str]:
    """So many of them, the first and the last among them, and as many between each two."""
    assert len(names) >= count
    return [names[place * (len(names) - 1) // (count - 1)] for place in range(count)]


def copied(folder: Path, url: str, name: str) -> tuple[Path, str]:
    """A project and its warehouse as they are now: another folder, and the URL of another database."""
    place, database = folder.with_name(f"{folder.name}_{name}"), str(make_url(url).database)
    shutil.copytree(folder, place, symlinks=True)
    return place, copy_database(url, f"{database}_{name}", database)
