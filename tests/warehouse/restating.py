"""Days to restate: published as "old", staged as "new"."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

from sqlalchemy import make_url

from ddcrm.settings import RestateSettings
from ddcrm.warehouse.connect import Warehouse
from ddcrm.warehouse.embedded import EmbeddedPostgres
from ddcrm.warehouse.ledger import Ledger
from ddcrm.warehouse.publish import publish_day
from ddcrm.warehouse.restate import approve, begin, compare, stage
from ddcrm.warehouse.tables import PUBLISHED
from tests.conftest import _database
from tests.warehouse.days import DAY, make_day, no_audit
from tests.warehouse.test_publish import query

ANYTHING = RestateSettings(max_value_change=1e9, max_segment_moves=1, max_customers_change=1e9)
WHO = "somebody@example"
EACH = len(PUBLISHED)  # tables of a day


@contextmanager
def filled(server: EmbeddedPostgres, template: str, fill: Callable[[Warehouse], object]) -> Iterator[str]:
    """The name of a warehouse that `fill` has filled, to be copied: nobody may connect to it."""
    for url in _database(server, template):
        with Warehouse(url) as warehouse:
            fill(warehouse)
        yield make_url(url).database or ""


@contextmanager
def copy_of(server: EmbeddedPostgres, name: str) -> Iterator[Warehouse]:
    """A copy of such a warehouse, open."""
    for url in _database(server, name):
        with Warehouse(url) as warehouse:
            yield warehouse


def days_from(number: int) -> list[date]:
    return [DAY + timedelta(days=n) for n in range(number)]


def publish(warehouse: Warehouse, days: Sequence[date], marker: str = "old", customers: int = 20) -> None:
    for day in days:
        publish_day(warehouse, day, make_day(day, customers, marker), audit=no_audit, fingerprint=f"{marker} {day}")


def plan_for(warehouse: Warehouse, days: Sequence[date]) -> dict[str, Any]:
    ledger = Ledger(warehouse)
    known = {day: {each.table: each.digest for each in ledger.publications(day)} for day in days}
    versions = {"from": {"orders": "1.0.0"}, "to": {"orders": "1.1.0"}}
    return {"days": {str(day): digests for day, digests in known.items()}, "versions": versions}


def planned(warehouse: Warehouse, days: Sequence[date]) -> str:
    """A restatement of the days, planned and approved."""
    found = begin(warehouse, plan_for(warehouse, days), who=WHO, why="shipping is no revenue")
    approve(warehouse, found, who="the boss")
    return found


def stage_days(
    warehouse: Warehouse, found: str, days: Sequence[date], marker: str = "new", customers: int = 31
) -> None:
    for day in days:
        tables = make_day(day, customers, marker)
        stage(
            warehouse,
            found,
            day,
            tables,
            audit=no_audit,
            fingerprint=f"{marker} {day}",
            models={"bgnbd": "v2"},
            made_by={"code": "c2"},
        )


def ready(warehouse: Warehouse, days: Sequence[date]) -> str:
    """A restatement that only needs to be swapped in."""
    found = planned(warehouse, days)
    stage_days(warehouse, found, days)
    compare(warehouse, found, ANYTHING)
    return found


def ledger_of(warehouse: Warehouse) -> list[tuple]:
    return query(warehouse, "SELECT * FROM ops.publications ORDER BY as_of, table_name")


def markers(warehouse: Warehouse) -> list[tuple]:
    """The markers that each day's tables carry."""
    return query(
        warehouse,
        """
        SELECT as_of, min(withheld), max(withheld), count(*), min(segment), max(segment), min(typical), min(to_segment)
        FROM crm.customer_scores JOIN crm.customer_segments USING (as_of, customer_id)
        JOIN (SELECT as_of, typical FROM crm.segment_profiles) p USING (as_of)
        JOIN (SELECT as_of, to_segment FROM crm.segment_migration) m USING (as_of)
        GROUP BY as_of ORDER BY as_of""",
    )


def all_marked(days: Sequence[date], marker: str, customers: int) -> list[tuple]:
    return [(day, marker, marker, customers, marker, marker, marker, marker) for day in days]


def tables_in(warehouse: Warehouse, schema: str) -> int:
    statement = f"SELECT count(*)::int FROM pg_class WHERE relkind = 'r' AND relnamespace = '{schema}'::regnamespace"
    return int(query(warehouse, statement)[0][0])
