"""The demo's contracts and suites against its deliveries: each row ends where truth.json says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from jsonschema import Draft201909Validator

from ddcrm.contracts import load_contracts
from ddcrm.contracts.model import Contract
from ddcrm.lake.conform import typed_query
from tests.demo.reading import connect

pytestmark = pytest.mark.xdist_group("demo")

ROOT = Path(__file__).parents[2]
SOURCES = ("contacts", "customers", "events", "feedback", "market", "orders", "products", "tickets")
REASONS = {  # what conforming says of each kind of dirt
    "broken_dates": "ordered_at: not a timestamp", "unknown_channels": "channel: not in the enumeration",
    "thousands_separators": "amount: not a decimal(18,2)", "missing_customer_keys": "customer_key: missing",
    "missing_order_ids": "order_id: missing", "anonymous_events": "customer_key: missing",
    "broken_sent_dates": "sent_at: not a timestamp",
}  # fmt: skip
CHECKED = {"negative_prices": "unit_price", "bad_ratings": "rating"}  # what is left to the suites, and where
WARNED = {"invalid_emails": "email", "bad_satisfactions": "satisfaction"}


@pytest.fixture(scope="module")
def contracts() -> dict[str, Contract]:
    loaded = load_contracts(ROOT / "contracts")
    return {source: loaded.versions(source)[0] for source in loaded.sources}


@pytest.fixture(scope="module")
def typed(company: Path, contracts: dict[str, Contract]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Beside each source's table the typed rows: typed_<source>."""
    with connect(company / "sources") as connection:
        for source, contract in contracts.items():
            columns = [row[0] for row in connection.execute(f"DESCRIBE {source}").fetchall()]
            connection.execute(f"CREATE TABLE typed_{source} AS {typed_query(contract, source, columns)}")
        yield connection


def suite(source: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "expectations" / f"{source}.json").read_text("utf-8"))
    return found


def test_every_source_has_a_contract(contracts: dict[str, Contract], truth: dict[str, Any]) -> None:
    assert tuple(sorted(contracts)) == SOURCES == tuple(truth["sources"])
    assert {contract.entity for contract in contracts.values()} == set(SOURCES)
    assert {str(contract.effective_from) for contract in contracts.values()} == {truth["company"]["first_day"]}
    assert {contract.version for contract in contracts.values()} == {"1.0.0"}


@pytest.mark.parametrize("source", SOURCES)
def test_contracts_are_open_data_contracts(source: str) -> None:
    schema = json.loads(files("open_data_contract_standard").joinpath("schema.json").read_text("utf-8"))
    document = yaml.safe_load((ROOT / "contracts" / source / "1.0.0.yaml").read_text("utf-8"))
    assert [error.message for error in Draft201909Validator(schema).iter_errors(document)] == []


@pytest.mark.parametrize("source", SOURCES)
def test_contracts_name_the_columns_that_arrive(
    source: str, contracts: dict[str, Contract], typed: duckdb.DuckDBPyConnection
) -> None:
    arrived = {row[0] for row in typed.execute(f"DESCRIBE {source}").fetchall()} - {"_batch_date", "_source", "_line"}
    assert {column.source_name for column in contracts[source].columns} == arrived


def test_personal_data_is_marked(contracts: dict[str, Contract]) -> None:
    personal = {column.name for column in contracts["customers"].columns if column.classification == "personal"}
    assert personal >= {"name", "email", "phone", "birth_date"}
    keys = [column for contract in contracts.values() for column in contract.columns if column.name == "customer_key"]
    assert len(keys) == 6
    assert {column.classification for column in keys} == {"pseudonymous"}


@pytest.mark.parametrize("source", SOURCES)
def test_conforming_does_with_each_row_what_the_truth_says(
    source: str, contracts: dict[str, Contract], typed: duckdb.DuckDBPyConnection, truth: dict[str, Any]
) -> None:
    counts = truth["sources"][source]
    found = dict(
        typed.execute(f"SELECT _code, count(*) FROM typed_{source} WHERE _excluded IS NULL GROUP BY 1").fetchall()
    )
    accepted = found.pop(None)
    wanted: Counter[str] = Counter()
    for kind, count in counts["quarantined"].items():
        wanted[REASONS.get(kind, "")] += count
    left_to_suite = wanted.pop("", 0)
    assert found == dict(wanted)
    excluded = typed.execute(f"SELECT _excluded, count(*) FROM typed_{source} WHERE _excluded IS NOT NULL GROUP BY 1")
    assert dict(excluded.fetchall()) == counts["excluded"]
    assert accepted == counts["conformed"] + counts["duplicates"] + left_to_suite
    (keys,) = typed.execute(f"SELECT count(*) FROM ({_unique(contracts[source])})").fetchall()
    assert keys[0] == accepted - counts["duplicates"]


@pytest.mark.parametrize("source", SOURCES)
def test_suites_are_readable(source: str, contracts: dict[str, Contract]) -> None:
    """Each expectation says how bad its failure is and why it is there; its columns are the contract's."""
    content, names = suite(source), {column.name for column in contracts[source].columns} | {"batch_date"}
    assert (content["name"], contracts[source].suite) == (source, source)
    assert content["meta"]["notes"]
    for entry in content["expectations"]:
        assert entry["severity"] in ("critical", "warning", "info")
        assert entry["meta"]["notes"].endswith((".", "?"))
        kwargs = entry["kwargs"]
        columns = [kwargs.get("column"), kwargs.get("column_A"), kwargs.get("column_B"), *kwargs.get("column_list", [])]
        assert {column for column in columns if column} <= names
    assert {entry["severity"] for entry in content["expectations"]} >= {"critical", "warning"}


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES)
def test_suites_hold_on_what_is_clean_and_catch_what_is_not(
    source: str, contracts: dict[str, Contract], typed: duckdb.DuckDBPyConnection, truth: dict[str, Any]
) -> None:
    from ddcrm.quality.check import check_frame
    from ddcrm.quality.suites import load_suite

    frame = typed.execute(_unique(contracts[source])).to_arrow_table().to_pandas()
    results = check_frame(load_suite(ROOT / "expectations", source), frame)
    assert len(results) == len(suite(source)["expectations"])
    failed = {
        (result.column, result.severity, result.status): result.failing
        for result in results
        if result.status != "passed"
    }
    counts = truth["sources"][source]
    wanted = {
        (CHECKED[kind], "critical", "failed"): count for kind, count in counts["quarantined"].items() if kind in CHECKED
    }
    wanted |= {(WARNED[kind], "warning", "failed"): count for kind, count in counts["warned"].items()}
    assert failed == wanted


def _unique(contract: Contract) -> str:
    """The accepted rows, the last one of those with the same key in a batch."""
    key = ", ".join(["_batch_date", *contract.key])
    return (
        f"SELECT DISTINCT ON ({key}) * EXCLUDE (_batch_date), _batch_date AS batch_date FROM typed_{contract.source} "
        f"WHERE _code IS NULL AND _excluded IS NULL ORDER BY {key}, _line DESC"
    )
