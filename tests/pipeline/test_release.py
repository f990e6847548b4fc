"""Days that come in any order, several at once: in the end what is published is what the days in their order give."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest

from ddcrm.errors import EarlierBatchMissingError
from ddcrm.pipeline.planning import make_plan
from ddcrm.pipeline.record import opened
from ddcrm.pipeline.release import Wave, announce, train_in_turn, waiting
from ddcrm.warehouse.embedded import EmbeddedPostgres
from tests.pipeline import days as run
from tests.pipeline.lived import PUBLISHED, Lived
from tests.pipeline.shop import FIRST, Shop, order
from tests.pipeline.test_restate import state

DAYS = PUBLISHED  # there is no model before the first, and the third is a Sunday


def day(number: int) -> date:
    return FIRST + timedelta(days=number - 1)


def correct(shop: Shop) -> Shop:
    """Deliver two of the days otherwise."""
    for place in (0, 2):
        shop.rows[DAYS[place]] += order(f"LATE{place}", "C0000", FIRST, 55.0)
        shop.write(DAYS[place])
    return shop


def waits(shop: Shop) -> dict[date, str]:
    with opened(shop.settings) as ledger:
        return waiting(shop.settings, ledger)


def come(shop: Shop, wave: Wave, days: Sequence[date]) -> list[list[date]]:
    """The days come one after another, and what each releases is done, the last first; returns that, day by day."""
    found = []
    for each in days:
        run.ingest(shop.settings, each)
        found.append(announce(shop.settings, each, wave)[::-1])
        for released in found[-1]:  # as crm_train and crm_score do
            train_in_turn(shop.settings, released)
            run.score(shop.settings, [released])
    return found


def test_again_with_other_data_in_any_order(lived: Lived, postgres_server: EmbeddedPostgres, tmp_path: Path) -> None:
    """The days were published; two of their batches come otherwise, together with the others, in no order."""
    first, second, third, fourth = DAYS
    with lived.copy(postgres_server, tmp_path / "in-order") as shop:
        correct(shop)
        run.ingest(shop.settings, first, fourth)
        run.days(shop.settings, first, fourth)
        expected = state(shop.settings)
    with lived.copy(postgres_server, tmp_path / "shop") as shop:
        correct(shop)
        released = come(shop, Wave("backfill 2", first), [third, fourth, first, second])
        assert released == [[third], [fourth], [fourth, third, first], [second]]
        assert not make_plan(shop.settings)
        found = state(shop.settings)
        assert {name for name in expected if found[name] != expected[name]} == set()


def test_a_day_of_no_wave_leaves_published_days_to_the_plan(
    lived: Lived, postgres_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    with lived.copy(postgres_server, tmp_path / "shop") as shop:
        correct(shop)
        run.ingest(shop.settings, DAYS[0])
        assert announce(shop.settings, DAYS[0]) == [DAYS[0]]
        assert [each.as_of for each in make_plan(shop.settings).days] == DAYS


def test_days_that_are_announced_at_once_are_all_released(shop: Shop) -> None:
    """An empty lake, newest first: nothing is taken for the first day before the wave's first one is there."""
    wave, days = Wave("backfill 1", day(1)), [day(number) for number in range(1, 6)]
    for each in days[:0:-1]:
        run.ingest(shop.settings, each)
        assert announce(shop.settings, each, wave) == []
    run.ingest(shop.settings, days[0])
    with ThreadPoolExecutor(5) as pool:
        found = list(pool.map(lambda each: announce(shop.settings, each, wave), days))
    assert set().union(*found) == set(days)


def test_a_day_waits_and_is_released_by_the_one_it_lacks(shop: Shop) -> None:
    run.ingest(shop.settings, day(1))
    assert announce(shop.settings, day(1)) == [day(1)]
    run.ingest(shop.settings, day(3))
    with pytest.raises(EarlierBatchMissingError, match=f"orders {day(2)} ") as caught:
        announce(shop.settings, day(3))
    assert not caught.value.retryable, "it need not be tried again"
    assert waits(shop) == {day(3): f"orders {day(2)}"}
    run.ingest(shop.settings, day(2))
    assert announce(shop.settings, day(2)) == [day(2), day(3)]
    assert waits(shop) == {}


def test_a_gap_that_is_let_pass_lets_those_after_it_pass(shop: Shop) -> None:
    wave = Wave("backfill 1", day(1))
    run.ingest(shop.settings, day(3), day(5))
    assert announce(shop.settings, day(4), wave) == []
    assert announce(shop.settings, day(3), wave, allow_gap=True) == [day(3), day(4)]
