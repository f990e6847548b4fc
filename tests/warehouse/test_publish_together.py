"""Publishing beside others: readers, a second publisher, a reader who does not let go, a connection that is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest

from ddcrm.errors import PublishBlockedError, WarehouseUnavailableError
from ddcrm.progress import listening
from ddcrm.warehouse.connect import Warehouse
from ddcrm.warehouse.digest import digest_published
from ddcrm.warehouse.publish import publish_day
from ddcrm.warehouse.tables import PUBLISHED
from tests.warehouse.days import DAY, make_day, no_audit
from tests.warehouse.test_publish import query, staged

SIZES = {"a": 20, "b": 31}
ALL_TABLES = """
    SELECT (SELECT count(*) FROM crm.current_customer_scores),
           (SELECT count(*) FROM crm.current_customer_segments),
           (SELECT string_agg(DISTINCT withheld, ',') FROM crm.current_customer_scores),
           (SELECT string_agg(DISTINCT segment, ',') FROM crm.current_customer_segments),
           (SELECT string_agg(typical, ',') FROM crm.current_segment_profiles),
           (SELECT string_agg(to_segment, ',') FROM crm.current_segment_migration)"""
JOINED = """
    SELECT count(*), count(*), min(withheld), max(customer_segments.segment), min(typical), max(to_segment)
    FROM crm.current_customer_scores JOIN crm.current_customer_segments AS customer_segments USING (as_of, customer_id)
    JOIN crm.current_segment_profiles USING (as_of) JOIN crm.current_segment_migration USING (as_of)"""
ONE_DAY = """
    SELECT count(*), count(*), min(withheld), max(withheld), min(withheld), max(withheld)
    FROM crm.customer_scores WHERE as_of = '2026-03-05'"""


def _day(as_of, marker: str) -> dict:
    return make_day(as_of, customers=SIZES[marker], marker=marker)


@contextmanager
def _polling(warehouse: Warehouse, statements: list[str]) -> Iterator[list[tuple]]:
    """Ask again and again, each statement on a connection of its own, until the block ends."""
    answers: list[tuple] = []
    stop = threading.Event()

    def poll(statement: str, prepare: bool) -> None:
        with psycopg.connect(warehouse.conninfo, autocommit=True) as connection:
            while not stop.is_set():
                answers.extend(connection.execute(statement, prepare=prepare).fetchall())

    with ThreadPoolExecutor(2 * len(statements)) as pool:
        polls = [pool.submit(poll, statement, prepare) for statement in statements for prepare in (False, True)]
        try:
            yield answers
        finally:
            stop.set()
            for each in polls:
                each.result()


def test_readers_see_the_old_day_or_the_new_one(warehouse: Warehouse) -> None:
    """Both when a day is replaced and when a new one becomes the current one."""
    publish_day(warehouse, DAY, _day(DAY, "a"), audit=no_audit)
    with _polling(warehouse, [ALL_TABLES, JOINED, ONE_DAY]) as answers:
        for number in range(5):
            publish_day(warehouse, DAY, _day(DAY, "ba"[number % 2]), audit=no_audit)
            day = DAY + timedelta(days=1 + number)
            publish_day(warehouse, day, _day(day, "ab"[number % 2]), audit=no_audit)
    assert len(answers) > 300
    for first, second, *markers in answers:
        assert len(set(markers)) == 1, (first, second, markers)
        assert first == second == SIZES[markers[0]]
    assert {answer[2] for answer in answers} == {"a", "b"}


@pytest.mark.parametrize("seed", range(3))
def test_two_publishers_at_once_end_as_one_of_them(warehouse: Warehouse, seed: int) -> None:
    both_loaded = threading.Barrier(2)

    def audit(schema: str, table: str, published_name: str) -> None:
        if published_name == "segment_migration":
            both_loaded.wait(20)

    def publish(marker: str):
        with Warehouse(warehouse.url) as own:
            return publish_day(own, DAY, _day(DAY, marker), audit=audit, run_id=marker)

    with ThreadPoolExecutor(2) as pool:
        published = dict(zip("ab", pool.map(publish, "ab"), strict=True))
    (winner,) = {run for (run,) in query(warehouse, "SELECT run_id FROM ops.publications")}
    assert query(warehouse, "SELECT min(withheld), max(withheld) FROM crm.customer_scores") == [(winner, winner)]
    for each in published[winner]:
        assert digest_published(warehouse, each.table, DAY) == each.digest
        assert query(warehouse, f"SELECT rows, digest FROM ops.publications WHERE table_name = '{each.table}'") == [
            (each.rows, each.digest)
        ]
    assert staged(warehouse) == []


def test_publishers_of_many_days_at_once(warehouse: Warehouse) -> None:
    days = [DAY + timedelta(days=number) for number in range(4)]

    def publish(day):
        with Warehouse(warehouse.url) as own:
            return publish_day(own, day, _day(day, "a"), audit=no_audit)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(publish, days))
    rows = query(warehouse, "SELECT as_of, count(*) FROM crm.customer_scores GROUP BY 1 ORDER BY 1")
    assert rows == [(day, 20) for day in days]


def test_what_a_living_publisher_loads_is_left_alone(warehouse: Warehouse) -> None:
    loading: list[str] = []

    def audit(schema: str, table: str, published_name: str) -> None:
        loading.append(table)
        if published_name == PUBLISHED[-1].name:
            with Warehouse(warehouse.url) as other:
                publish_day(other, DAY, _day(DAY, "b"), audit=no_audit)
            assert sorted(staged(warehouse)) == sorted(loading)

    publish_day(warehouse, DAY, _day(DAY, "a"), audit=audit)
    assert query(warehouse, "SELECT count(*), min(withheld) FROM crm.customer_scores") == [(20, "a")]
    assert staged(warehouse) == []


@contextmanager
def _idle_reader(warehouse: Warehouse) -> Iterator[psycopg.Connection]:
    """A reader that has read, and keeps its transaction open."""
    with psycopg.connect(warehouse.conninfo, application_name="forgotten window") as reader:
        reader.execute("SELECT count(*) FROM crm.current_customer_scores")
        yield reader


def test_a_reader_who_keeps_a_transaction_open_delays_the_swap_not_the_other_readers(warehouse: Warehouse) -> None:
    publish_day(warehouse, DAY, _day(DAY, "a"), audit=no_audit)
    waiting = threading.Event()

    def listener(name: str, facts: dict) -> None:
        if name == "publish.waiting":
            waiting.set()

    with ThreadPoolExecutor(1) as pool, listening(listener):
        with _idle_reader(warehouse):
            publishing = pool.submit(publish_day, warehouse, DAY, _day(DAY, "b"), audit=no_audit, patience=60)
            assert waiting.wait(30)
            longest = 0.0
            for _ in range(40):
                began = time.monotonic()
                assert query(warehouse, "SELECT count(*) FROM crm.current_customer_scores") == [(20,)]
                longest = max(longest, time.monotonic() - began)
                time.sleep(0.02)
            assert longest < 3  # one lock_timeout, and what a busy machine adds
            assert not publishing.done()
        publishing.result(60)
    assert query(warehouse, "SELECT count(*) FROM crm.current_customer_scores") == [(31,)]


def test_patience_ends(warehouse: Warehouse) -> None:
    publish_day(warehouse, DAY, _day(DAY, "a"), audit=no_audit)
    with _idle_reader(warehouse) as reader:
        with pytest.raises(PublishBlockedError, match="readers held the tables") as caught:
            publish_day(warehouse, DAY, _day(DAY, "b"), audit=no_audit, patience=0.7)
        assert caught.value.retryable
        assert f"{reader.info.backend_pid} (postgres, forgotten window, idle in transaction)" in str(caught.value)
    assert query(warehouse, "SELECT count(*) FROM crm.current_customer_scores") == [(20,)]
    assert staged(warehouse) == []


def test_a_snapshot_from_before_sees_the_old_day_whole(warehouse: Warehouse) -> None:
    """A reader in REPEATABLE READ that has not touched the tables yet holds no lock on them, and is waited for."""
    publish_day(warehouse, DAY, _day(DAY, "a"), audit=no_audit)
    waiting = threading.Event()
    with ThreadPoolExecutor(1) as pool, psycopg.connect(warehouse.conninfo) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("SELECT 1")
        with listening(lambda name, facts: waiting.set() if name == "publish.waiting" else None):
            publishing = pool.submit(publish_day, warehouse, DAY, _day(DAY, "b"), audit=no_audit, patience=60)
            assert waiting.wait(30)
        for statement in (ONE_DAY, JOINED):
            assert reader.execute(statement).fetchall() == [(20, 20, "a", "a", "a", "a")]
        with pytest.raises(PublishBlockedError, match=rf"sessions {reader.info.backend_pid} \("):
            publish_day(warehouse, DAY, _day(DAY, "b"), audit=no_audit, patience=0.1)
        new = DAY + timedelta(days=1)
        reader.rollback()
        publishing.result(60)
        reader.execute("SELECT 1")
        publish_day(warehouse, new, _day(new, "a"), audit=no_audit, patience=5)  # a new day needs no such wait
        assert reader.execute(JOINED).fetchall() == [(31, 31, "b", "b", "b", "b")]


def test_a_publisher_that_loses_its_connection_leaves_the_old_day(warehouse: Warehouse) -> None:
    publish_day(warehouse, DAY, _day(DAY, "a"), audit=no_audit)

    def audit(schema: str, table: str, published_name: str) -> None:
        with psycopg.connect(warehouse.conninfo, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    with pytest.raises(WarehouseUnavailableError, match="was lost"):
        publish_day(warehouse, DAY, _day(DAY, "b"), audit=audit)
    assert query(warehouse, "SELECT count(*) FROM crm.current_customer_scores") == [(20,)]
    assert 1 <= len(staged(warehouse)) <= len(PUBLISHED)  # as far as it came: nobody was left to drop them
    publish_day(warehouse, DAY, _day(DAY, "b"), audit=no_audit)
    assert query(warehouse, "SELECT count(*) FROM crm.current_customer_scores") == [(31,)]
    assert staged(warehouse) == []


def test_orphans_of_other_days_go_too_and_other_tables_stay(warehouse: Warehouse) -> None:
    with warehouse.session() as session:
        session.execute('CREATE TABLE crm_staging."customer_scores_20200101_00000001" (n int)')
        session.execute("CREATE TABLE crm_staging.somebody_elses (n int)")
    publish_day(warehouse, DAY, _day(DAY, "a"), audit=no_audit)
    assert staged(warehouse) == ["somebody_elses"]
