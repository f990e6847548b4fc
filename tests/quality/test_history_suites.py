"""The suites of the tables about the whole business: what is made passes, each planted fault is found."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from ddcrm.lake.engine import Engine
from ddcrm.quality.check import check_table
from ddcrm.quality.gate import decide
from ddcrm.quality.suites import load_suite
from ddcrm.scoring.history import read_history
from tests.pipeline.shop import REPOSITORY
from tests.scoring import lake

AS_OF = lake.FIRST + timedelta(days=80)
CENT = Decimal("0.01")

FAULTS: list[tuple[str, str, dict[str, Any]]] = [
    ("cohort_retention", "Those who bought are among", {"active": 10**6}),
    ("cohort_retention", "Every cohort has every month", {"months_since": 40}),
    ("cohort_retention", "retention", {"retention": 1.5}),
    ("cohort_retention", "A cohort is a month", {"cohort": date(2026, 1, 2)}),
    ("revenue_tree", "Each split is the whole change", {"change": CENT}),
    ("revenue_tree", "A change is the later", {"revenue_after": Decimal("9999999.00")}),
    ("revenue_tree", "split", {"split": "another"}),
    ("value_by_period", "Profit is revenue less cost", {"cost": Decimal(5), "profit": Decimal("1.23")}),
    ("value_by_period", "What is cumulative is the sum", {"cumulative_profit": Decimal(7), "profit": None}),
    ("value_by_period", "Every month from the first", {"period": date(2024, 1, 1)}),
    ("value_by_period", "market_share", {"market_share": Decimal(2)}),
]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pa.Table]:
    settings = lake.project(tmp_path_factory.mktemp("history") / "project", "[value]\nmargin = 0.3")
    lake.commit(settings, lake.history())
    with Engine(settings) as engine:
        return dict(read_history(engine, AS_OF).tables)


def check(url: str, name: str, rows: list[dict[str, Any]]) -> Any:
    from ddcrm.warehouse.tables import metadata

    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS audited"))
        plain = sa.Table(name, sa.MetaData(), *(sa.Column(column.name, column.type)
                         for column in metadata.tables[f"crm.{name}"].columns), schema="audited")  # fmt: skip
        plain.drop(connection, checkfirst=True)
        plain.create(connection)
        connection.execute(sa.insert(plain), rows)
    return check_table(load_suite(Path(REPOSITORY) / "expectations", f"crm_{name}"), engine, "audited", name)


@pytest.mark.parametrize("name", ["cohort_retention", "revenue_tree", "value_by_period"])
def test_what_is_made_passes(postgres_url: str, tables: dict[str, pa.Table], name: str) -> None:
    results = check(postgres_url, name, tables[name].to_pylist())
    assert [result.message for result in results if result.status != "passed"] == []


@pytest.mark.parametrize(("name", "words", "fault"), FAULTS, ids=[f"{name}: {words}" for name, words, _ in FAULTS])
def test_a_fault_is_found(
    postgres_url: str, tables: dict[str, pa.Table], name: str, words: str, fault: dict[str, Any]
) -> None:
    first, *others = tables[name].to_pylist()
    results = check(postgres_url, name, [{**first, **fault}, *others])
    assert [result.message for result in results if result.status == "error"] == []
    assert any(words in f"{result.column} {result.message} {result.requirement}" for result in results
               if result.status == "failed")  # fmt: skip
    assert not decide(results, 100, 1.0).accepted
