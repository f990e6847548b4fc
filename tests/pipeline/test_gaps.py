"""A day is announced only when the days before it are there."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from ddcrm.dates import DateRange
from ddcrm.errors import EarlierBatchMissingError
from ddcrm.pipeline.gaps import check_days_before
from ddcrm.pipeline.ingest import ingest
from ddcrm.pipeline.score import publish, score
from tests.pipeline.shop import FIRST, Shop


def day(number: int) -> date:
    """The day of the shop, counted from 1."""
    return FIRST + timedelta(days=number - 1)


def ingested(shop: Shop, first: int, last: int) -> None:
    ingest(shop.settings, "orders", DateRange(day(first), day(last)))


def test_a_gap_is_told_with_source_and_days(shop: Shop) -> None:
    ingested(shop, 2, 5)
    check_days_before(shop.settings, day(6))
    with pytest.raises(EarlierBatchMissingError, match=f"orders {day(6)} ") as caught:
        check_days_before(shop.settings, day(7))
    assert (caught.value.retryable, caught.value.partition) == (False, str(day(7)))
    with pytest.raises(EarlierBatchMissingError, match=f"orders {day(6)} and 2 more up to {day(8)}"):
        check_days_before(shop.settings, day(9))


def test_days_before_the_first_batch_are_no_gap(shop: Shop) -> None:
    check_days_before(shop.settings, day(1))
    ingested(shop, 4, 4)
    for number in (1, 3, 4, 5):
        check_days_before(shop.settings, day(number))


def test_a_gap_before_a_published_day_was_let_pass(shop: Shop) -> None:
    ingested(shop, 1, 30)
    ingested(shop, 32, 33)
    with pytest.raises(EarlierBatchMissingError):
        check_days_before(shop.settings, day(33))
    score(shop.settings, day(32))
    publish(shop.settings, day(32))
    check_days_before(shop.settings, day(33))
    with pytest.raises(EarlierBatchMissingError):
        check_days_before(shop.settings, day(32))


def test_a_source_that_is_switched_off_has_no_gaps(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    ingested(shop, 1, 2)
    with pytest.raises(EarlierBatchMissingError):
        check_days_before(shop.settings, day(9))
    monkeypatch.setenv("DDCRM_SOURCES__ORDERS__ENABLED", "false")
    check_days_before(shop.settings, day(9))
