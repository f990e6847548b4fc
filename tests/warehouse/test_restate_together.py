"""A swap of thirty days beside others: readers, a second swap, publishers, a reader who does not let go."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest

from ddcrm.errors import DdcrmError, PlanOutdatedError, PublishBlockedError
from ddcrm.progress import listening
from ddcrm.warehouse import restate
from ddcrm.warehouse.connect import Warehouse
from ddcrm.warehouse.embedded import EmbeddedPostgres
from tests.warehouse.days import make_day, no_audit
from tests.warehouse.polling import polling, rate
from tests.warehouse.restating import (
    ANYTHING,
    EACH,
    WHO,
    all_marked,
    copy_of,
    days_from,
    filled,
    ledger_of,
    markers,
    planned,
    publish,
    ready,
    stage_days,
    tables_in,
)

DAYS = days_from(30)
SOME = DAYS[:4]
READERS = {  # each answers with the number of days, all markers that it saw, and rows a day
    "all days of a table": """
        SELECT count(DISTINCT as_of), string_agg(DISTINCT withheld, ','), count(*) / count(DISTINCT as_of)
        FROM crm.customer_scores""",
    "all tables of all days": """
        SELECT count(DISTINCT as_of), string_agg(DISTINCT marker, ','), max(customers) FROM (
          SELECT as_of, segment AS marker, NULL::bigint AS customers FROM crm.customer_segments
          UNION ALL SELECT as_of, typical, customers FROM crm.segment_profiles
          UNION ALL SELECT as_of, to_segment, customers FROM crm.segment_migration) AS tables""",
    "the current day": """
        SELECT 30, concat_ws(',', min(withheld), nullif(max(segment), min(withheld)),
          nullif(min(typical), min(withheld)), nullif(max(to_segment), min(withheld))), count(*)
        FROM crm.current_customer_scores JOIN crm.current_customer_segments USING (as_of, customer_id)
        JOIN (SELECT as_of, typical FROM crm.current_segment_profiles) AS p USING (as_of)
        JOIN (SELECT as_of, to_segment FROM crm.current_segment_migration) AS m USING (as_of)""",
    "digests": """
        SELECT count(DISTINCT as_of), coalesce(string_agg(DISTINCT split_part(fingerprint, ' ', 1), ','), ''),
          max(rows) FROM ops.publications""",
    "one day": """
        SELECT 30, string_agg(DISTINCT withheld, ','), count(*) FROM crm.customer_scores WHERE as_of = '2026-03-20'""",
}
SEEN = {(30, "old", 20), (30, "new", 31)}


@pytest.fixture(scope="module")
def some_days(postgres_server: EmbeddedPostgres, _template: str) -> Iterator[str]:
    def fill(warehouse: Warehouse) -> None:
        publish(warehouse, SOME)
        assert ready(warehouse, SOME) == "r1"

    with filled(postgres_server, _template, fill) as name:
        yield name


@pytest.fixture
def compared(postgres_server: EmbeddedPostgres, some_days: str) -> Iterator[Warehouse]:
    """Some days are staged and compared: r1."""
    with copy_of(postgres_server, some_days) as warehouse:
        yield warehouse


def test_readers_see_all_old_days_or_all_new_ones(warehouse: Warehouse) -> None:
    """Thirty days of four tables, swapped in and back, with at least a hundred polls a second during each."""
    publish(warehouse, DAYS)
    found = ready(warehouse, DAYS)
    for step, order in ((restate.swap, ["old", "new"]), (restate.undo, ["new", "old"])):
        with polling(warehouse, READERS) as answers:
            time.sleep(0.4)
            began = time.monotonic()
            step(warehouse, found, who=WHO)
            ended = time.monotonic()
            time.sleep(0.4)
        for name, rows in answers.items():
            assert {row for _, (row,) in rows} == SEEN, name
            marked = [row[1] for _, (row,) in rows]
            assert marked == sorted(marked, key=order.index), f"{name}: there is no way back"
        assert rate(answers, began, ended) >= 100, f"polls a second during the {step.__name__}"


def test_two_swaps_at_once_are_one(compared: Warehouse) -> None:
    def swap(who: str) -> restate.Restatement:
        with Warehouse(compared.url) as own:
            return restate.swap(own, "r1", who=who)

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(swap, ["anna", "bert"]))
    assert [known.state for known in both] == ["swapped"] * 2
    events = [event.event for event in restate.restatement(compared, "r1").events]
    assert events.count("swapped") == 1
    assert markers(compared) == all_marked(SOME, "new", 31)
    assert tables_in(compared, "crm_archive") == 4 * EACH


def test_of_two_restatements_of_a_day_one_is_swapped_in(compared: Warehouse) -> None:
    other = planned(compared, SOME[1:3])
    stage_days(compared, other, SOME[1:3], "other", 25)
    restate.compare(compared, other, ANYTHING)

    def swap(found: str) -> str | DdcrmError:
        with Warehouse(compared.url) as own:
            try:
                return restate.swap(own, found, who=WHO).state
            except DdcrmError as error:
                return error

    with ThreadPoolExecutor(2) as pool:
        ended = dict(zip(["r1", other], pool.map(swap, ["r1", other]), strict=True))
    (winner,) = [found for found, how in ended.items() if how == "swapped"]
    (refused,) = [how for how in ended.values() if how != "swapped"]
    assert isinstance(refused, PlanOutdatedError)
    new = all_marked(SOME, "new", 31) if winner == "r1" else all_marked(SOME[1:3], "other", 25)
    old = {} if winner == "r1" else {row[0]: row for row in all_marked(SOME, "old", 20)}
    assert markers(compared) == sorted({**old, **{row[0]: row for row in new}}.values())


def test_a_day_is_published_meanwhile(compared: Warehouse) -> None:
    """Either it comes first, then the swap is refused; or after, then the day is as published, the others restated."""

    def later() -> None:
        with Warehouse(compared.url) as own:
            publish(own, SOME[3:], "later")

    with ThreadPoolExecutor(1) as pool:
        publishing = pool.submit(later)
        try:
            restate.swap(compared, "r1", who=WHO)
            rest = all_marked(SOME[:3], "new", 31)
        except PlanOutdatedError:
            rest = all_marked(SOME[:3], "old", 20)
        publishing.result(60)
    assert markers(compared) == [*rest, *all_marked(SOME[3:], "later", 20)]
    assert tables_in(compared, "crm_days") == 4 * EACH


def test_new_days_are_published_while_others_are_staged(warehouse: Warehouse) -> None:
    days = SOME
    publish(warehouse, days)
    found = planned(warehouse, days)

    def one(day):
        with Warehouse(warehouse.url) as own:
            if day in days:
                restate.stage(own, found, day, make_day(day, 31, "new"), audit=no_audit)
            else:
                publish(own, [day])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, [*days, *(SOME[-1] + timedelta(days=n) for n in range(1, 5))]))
    assert list(restate.staged_days(warehouse, found)) == days
    restate.compare(warehouse, found, ANYTHING)
    restate.swap(warehouse, found, who=WHO)
    assert markers(warehouse)[:4] == all_marked(days, "new", 31)
    assert len(markers(warehouse)) == 8


def test_a_reader_who_keeps_a_transaction_open_is_named(compared: Warehouse) -> None:
    before = ledger_of(compared)
    with psycopg.connect(compared.conninfo, application_name="forgotten window") as reader:
        reader.execute("SELECT count(*) FROM crm.current_customer_scores")
        with pytest.raises(PublishBlockedError, match=r"restatement r1.*forgotten window, idle in transaction"):
            restate.swap(compared, "r1", who=WHO, patience=0.7)
        assert ledger_of(compared) == before
        waiting = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            with listening(lambda name, _: waiting.set() if name == "publish.waiting" else None):
                swapping = pool.submit(restate.swap, compared, "r1", who=WHO, patience=60)
                assert waiting.wait(30)
            reader.rollback()
            swapping.result(60)
    assert markers(compared) == all_marked(SOME, "new", 31)


def test_a_snapshot_from_before_sees_the_old_days_whole(warehouse: Warehouse) -> None:
    publish(warehouse, SOME)
    with psycopg.connect(warehouse.conninfo) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("SELECT 1")  # it has a snapshot, and no lock
        found = ready(warehouse, SOME)
        with pytest.raises(PublishBlockedError):
            restate.swap(warehouse, found, who=WHO, patience=0.3)
        assert reader.execute("SELECT DISTINCT withheld FROM crm.customer_scores").fetchall() == [("old",)]
    restate.swap(warehouse, found, who=WHO)
    with psycopg.connect(warehouse.conninfo) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("SELECT 1")
        restate.undo(warehouse, found, who=WHO, patience=0.3)  # what comes back was visible to it all along
        assert reader.execute("SELECT DISTINCT withheld FROM crm.customer_scores").fetchall() == [("old",)]
