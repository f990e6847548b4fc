"""Idempotence, determinism and point in time: same inputs, same bytes, whatever the order of the runs."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from ddcrm.warehouse.embedded import EmbeddedPostgres
from tests.pipeline import days as run
from tests.pipeline.lived import TRAINED, Lived, lived_in
from tests.pipeline.reading import conformed, ledger, published, rows
from tests.pipeline.shop import Shop, order

WEEK = [TRAINED + timedelta(days=offset) for offset in range(1, 8)]


@pytest.fixture(scope="module")
def week(trained_shop: Lived, postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """A shop whose week came and was scored day by day."""
    with trained_shop.copy(postgres_server, tmp_path_factory.mktemp("week") / "shop") as shop:
        for day in WEEK:
            run.ingest(shop.settings, day)
            run.score(shop.settings, [day])
        return lived_in(shop)


@pytest.fixture
def shop(week: Lived, postgres_server: EmbeddedPostgres, tmp_path: Path) -> Iterator[Shop]:
    with week.copy(postgres_server, tmp_path / "shop") as own:
        yield own


def test_the_same_day_twice(shop: Shop) -> None:
    settings = shop.settings
    first = published(settings, WEEK[0]), conformed(settings), ledger(settings)
    assert len(first[0]["customer_scores"]) > 100
    methods = rows(settings, "SELECT DISTINCT value_method FROM crm.customer_scores WHERE value_method IS NOT NULL")
    assert ["nbd" in method for (method,) in methods] == [True], "a model speaks, no heuristic"
    run.ingest(settings, WEEK[0])
    run.train(settings, TRAINED)
    run.score(settings, WEEK[:1])
    assert (published(settings, WEEK[0]), conformed(settings), ledger(settings)) == first


@pytest.mark.slow
def test_a_week_in_any_order(
    shop: Shop, trained_shop: Lived, postgres_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    in_order = {day: published(shop.settings, day) for day in WEEK}
    assert len({str(content["digests"]) for content in in_order.values()}) == len(WEEK)
    with trained_shop.copy(postgres_server, tmp_path / "other") as other:
        for day in random.Random(3).sample(WEEK, len(WEEK)):
            run.ingest(other.settings, day)
        run.score(other.settings, random.Random(4).sample(WEEK, len(WEEK)))
        assert {day: published(other.settings, day) for day in WEEK} == in_order


def test_a_late_row_changes_the_days_from_its_arrival_on(shop: Shop) -> None:
    settings = shop.settings
    before = {day: published(settings, day) for day in WEEK}
    shop.rows[WEEK[5]] += order("LATE1", "C0000", WEEK[2], 55.0)
    shop.write(WEEK[5])
    run.ingest(settings, WEEK[5])
    run.score(settings, WEEK)
    after = {day: published(settings, day) for day in WEEK}
    changed = [day for day in WEEK if after[day]["digests"] != before[day]["digests"]]
    assert changed == WEEK[5:]
    assert all(after[day] == before[day] for day in WEEK[:5])


def test_rows_dated_after_as_of_change_nothing(shop: Shop) -> None:
    """Neither scores nor models: both days are taken in, trained and scored anew."""
    settings = shop.settings
    before = [published(settings, day) for day in (TRAINED, WEEK[0])]
    for day, customer in (TRAINED, "C0001"), (WEEK[0], "C9999"):
        shop.rows[day] += order(f"FUTURE{day}", customer, WEEK[6], 999.0)
        shop.rows[day] += order(f"FAR{day}", "C9998", date(2027, 1, 1), 5.0)
        shop.write(day)
        run.ingest(settings, day)
    run.train(settings, TRAINED)
    run.score(settings, [TRAINED, WEEK[0]])
    assert [published(settings, day) for day in (TRAINED, WEEK[0])] == before


def test_what_came_later_changes_nothing_of_today(shop: Shop) -> None:
    """A week of batches and another training; what was kept of the day is gone, so that it is computed anew."""
    settings = shop.settings
    before = published(settings, WEEK[0])
    run.train(settings, WEEK[-1])
    shutil.rmtree(settings.lake_dir / "scores" / str(WEEK[0]))
    run.score(settings, WEEK[:1])
    assert published(settings, WEEK[0]) == before
