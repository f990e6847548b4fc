"""Two runs of the same day at once: both end well, and what stays is one of them."""

from __future__ import annotations

import multiprocessing
from datetime import date
from functools import partial

import pytest

from tests.pipeline import days as run
from tests.pipeline.forks import ended, forked, warm
from tests.pipeline.reading import conformed, ledger
from tests.pipeline.shop import Shop

pytestmark = pytest.mark.slow

FIRST, LAST = date(2026, 1, 5), date(2026, 1, 9)


def ingest_again_and_again(shop: Shop) -> None:
    for _ in range(3):
        run.ingest(shop.settings, FIRST, LAST)


def two_at_once(shop: Shop) -> None:
    """In a process of its own, which has not worked: so it can be forked."""
    warm()
    runs = [forked(partial(ingest_again_and_again, shop)) for _ in range(2)]
    assert [ended(run) for run in runs] == [0, 0]


def test_ingest(shop: Shop) -> None:
    run.ingest(shop.settings, FIRST, LAST)
    expected = conformed(shop.settings), ledger(shop.settings)
    assert len(expected[0]) == sum(len(shop.rows[day]) for day in shop.rows if FIRST <= day <= LAST)
    process = multiprocessing.get_context("spawn").Process(target=two_at_once, args=(shop,))
    process.start()
    process.join(480)
    assert process.exitcode == 0
    assert (conformed(shop.settings), ledger(shop.settings)) == expected
