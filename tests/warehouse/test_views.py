"""The views of the newest complete day: which day that is, what they show, and that they read no other."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import inspect, text

from ddcrm.warehouse.connect import Warehouse
from ddcrm.warehouse.ledger import Ledger
from ddcrm.warehouse.publish import publish_day
from ddcrm.warehouse.tables import CORE, PUBLISHED
from tests.warehouse.days import DAY, NEXT, make_day, no_audit
from tests.warehouse.test_publish import query


def test_nothing_is_current_at_first(warehouse: Warehouse) -> None:
    assert Ledger(warehouse).current_day() is None
    for table in PUBLISHED:
        assert query(warehouse, f"SELECT * FROM crm.current_{table.name}") == []


def test_the_newest_day_is_current_in_whatever_order_days_are_published(warehouse: Warehouse) -> None:
    for day in (DAY, NEXT, DAY - timedelta(days=1), DAY):
        publish_day(warehouse, day, make_day(day, marker=str(day)), audit=no_audit)
    assert Ledger(warehouse).current_day() == NEXT
    for table in PUBLISHED:
        rows = query(warehouse, f"SELECT DISTINCT as_of FROM crm.current_{table.name}")
        assert rows == [(NEXT,)]
    assert query(warehouse, "SELECT count(*) FROM crm.customer_scores") == [(60,)]


@pytest.mark.parametrize("table", [table.name for table in CORE])
def test_a_day_that_is_not_complete_is_not_current(warehouse: Warehouse, table: str) -> None:
    publish_day(warehouse, DAY, make_day(), audit=no_audit)
    publish_day(warehouse, NEXT, make_day(NEXT), audit=no_audit)
    with warehouse.begin() as connection:
        where = f"WHERE as_of = '{NEXT}' AND table_name = '{table}'"
        connection.execute(text(f"DELETE FROM ops.publications {where}"))
    assert Ledger(warehouse).current_day() == DAY
    assert query(warehouse, "SELECT DISTINCT as_of FROM crm.current_customer_segments") == [(DAY,)]


def test_the_views_have_the_tables_columns(warehouse: Warehouse) -> None:
    inspector = inspect(warehouse.engine)
    for table in PUBLISHED:
        columns = [column["name"] for column in inspector.get_columns(f"current_{table.name}", "crm")]
        assert columns == table.columns.keys()


def test_only_the_current_days_partition_is_read(warehouse: Warehouse) -> None:
    days = [DAY + timedelta(days=number) for number in range(5)]
    for day in days:
        publish_day(warehouse, day, make_day(day), audit=no_audit)
    explain = "EXPLAIN (ANALYZE, FORMAT JSON) SELECT customer_id, p_alive FROM crm.current_customer_scores"
    with warehouse.begin() as connection:
        plan = connection.execute(text(explain)).scalar()
    nodes = [node for node in _nodes(plan[0]["Plan"]) if node.get("Relation Name", "").startswith("customer_scores")]
    scans = {node["Relation Name"]: node["Actual Loops"] for node in nodes}
    assert len(scans) == 5
    assert {name for name, loops in scans.items() if loops} == {f"customer_scores_{days[-1]:%Y%m%d}"}


def _nodes(plan: dict) -> list[dict]:
    return [plan, *(node for child in plan.get("Plans", []) for node in _nodes(child))]


def test_a_day_named_in_the_query_is_found_while_planning(warehouse: Warehouse) -> None:
    for day in (DAY, NEXT):
        publish_day(warehouse, day, make_day(day), audit=no_audit)
    explain = f"EXPLAIN SELECT * FROM crm.customer_scores WHERE as_of = '{DAY}' AND customer_id = 'C0003'"
    plan = "\n".join(line for (line,) in query(warehouse, explain))
    assert "customer_scores_20260305" in plan
    assert "customer_scores_20260306" not in plan
