"""Two runs of the same day at once: both end well, and what stays is one of them."""

from __future__ import annotations

import multiprocessing
from datetime import date

import pytest

from tests.pipeline import days as run
from tests.pipeline.reading import conformed, ledger
from tests.pipeline.shop import Shop

pytestmark = pytest.mark.slow

FIRST, LAST = date(2026, 1, 5), date(2026, 1, 9)


def ingest_again_and_again(shop: Shop) -> None:
    for _ in range(3):
        run.ingest(shop.settings, FIRST, LAST)


def test_ingest(shop: Shop) -> None:
    run.ingest(shop.settings, FIRST, LAST)
    expected = conformed(shop.settings), ledger(shop.settings)
    assert len(expected[0]) == sum(len(shop.rows[day]) for day in shop.rows if FIRST <= day <= LAST)
    context = multiprocessing.get_context("spawn")
    runs = [context.Process(target=ingest_again_and_again, args=(shop,)) for _ in range(2)]
    for process in runs:
        process.start()
    for process in runs:
        process.join(240)
    assert [process.exitcode for process in runs] == [0, 0]
    assert (conformed(shop.settings), ledger(shop.settings)) == expected
