"""Idempotence, determinism and point in time: same inputs, same bytes, whatever the order of the runs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from ddcrm.warehouse.embedded import EmbeddedPostgres
from tests.pipeline import days as run
from tests.pipeline.lived import Lived, shared
from tests.pipeline.reading import conformed, ledger, published
from tests.pipeline.shop import Shop, order

WEEK = [date(2026, 2, 3) + timedelta(days=offset) for offset in range(7)]
TRAINED = WEEK[0] - timedelta(days=1)


def trained(folder: Path) -> None:
    """A shop with everything before the week ingested, and models trained on it."""
    shop = Shop(folder).make()
    run.ingest(shop.settings, date(2026, 1, 1), TRAINED)
    run.train(shop.settings, TRAINED)


@pytest.fixture(scope="module")
def before(postgres_server: EmbeddedPostgres, _template: str) -> Lived:
    return shared(postgres_server, _template, "trained", trained)


@pytest.fixture
def history(before: Lived, postgres_server: EmbeddedPostgres, tmp_path: Path) -> Iterator[Shop]:
    with before.copy(postgres_server, tmp_path / "shop") as own:
        yield own


def test_the_same_day_twice(history: Shop) -> None:
    settings = history.settings
    for _ in range(2):
        run.ingest(settings, WEEK[0])
        run.score(settings, WEEK[:1])
    first = published(settings, WEEK[0]), conformed(settings), ledger(settings)
    assert len(first[0]["customer_scores"]) > 100
    run.ingest(settings, WEEK[0])
    run.train(settings, TRAINED)
    run.score(settings, WEEK[:1])
    assert (published(settings, WEEK[0]), conformed(settings), ledger(settings)) == first


@pytest.mark.slow
def test_a_week_in_any_order(history: Shop, before: Lived, postgres_server: EmbeddedPostgres, tmp_path: Path) -> None:
    for day in WEEK:
        run.ingest(history.settings, day)
        run.score(history.settings, [day])
    in_order = {day: published(history.settings, day) for day in WEEK}
    shuffled = random.Random(3).sample(WEEK, len(WEEK))
    with before.copy(postgres_server, tmp_path / "other") as other:
        for day in shuffled:
            run.ingest(other.settings, day)
        run.score(other.settings, random.Random(4).sample(WEEK, len(WEEK)))
        assert {day: published(other.settings, day) for day in WEEK} == in_order
    assert len({str(content["digests"]) for content in in_order.values()}) == len(WEEK)


def test_a_late_row_changes_the_days_from_its_arrival_on(history: Shop) -> None:
    settings = history.settings
    run.ingest(settings, WEEK[0], WEEK[-1])
    run.score(settings, WEEK)
    before = {day: published(settings, day) for day in WEEK}
    history.rows[WEEK[5]] += order("LATE1", "C0000", WEEK[2], 55.0)
    history.write(WEEK[5])
    run.ingest(settings, WEEK[5])
    run.score(settings, WEEK)
    after = {day: published(settings, day) for day in WEEK}
    changed = [day for day in WEEK if after[day]["digests"] != before[day]["digests"]]
    assert changed == WEEK[5:]
    assert all(after[day] == before[day] for day in WEEK[:5])


def test_rows_dated_after_as_of_change_nothing(history: Shop) -> None:
    settings = history.settings
    run.ingest(settings, WEEK[0])
    run.score(settings, WEEK[:1])
    before = published(settings, WEEK[0])
    future = order("FUTURE1", "C0001", WEEK[6], 999.0) + order("FUTURE2", "C9999", date(2027, 1, 1), 5.0)
    history.rows[WEEK[0]] += future
    history.write(WEEK[0])
    run.ingest(settings, WEEK[0])
    run.score(settings, WEEK[:1])
    assert published(settings, WEEK[0]) == before
    run.train(settings, TRAINED)
    run.score(settings, WEEK[:1])
    assert published(settings, WEEK[0]) == before


def test_tomorrows_batch_changes_nothing_of_today(history: Shop) -> None:
    settings = history.settings
    run.ingest(settings, WEEK[0])
    run.score(settings, WEEK[:1])
    before = published(settings, WEEK[0])
    run.ingest(settings, WEEK[1], WEEK[-1])
    run.train(settings, WEEK[-1])
    run.score(settings, WEEK[:1])
    assert published(settings, WEEK[0]) == before
