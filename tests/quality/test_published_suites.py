"""The suites of the published tables: they let good rows pass and find each planted bad one, in a real table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ddcrm.models.rfm import SEGMENT_CODES
from ddcrm.quality.check import check_table
from ddcrm.quality.gate import decide
from ddcrm.quality.result import CheckResult
from ddcrm.quality.suites import load_suite
from ddcrm.warehouse.tables import metadata

pytestmark = pytest.mark.xdist_group("quality")

EXPECTATIONS = Path(__file__).parents[2] / "expectations"
TABLES = ("customer_scores", "customer_segments", "segment_profiles", "segment_migration")
DAY, OTHER_DAY = date(2025, 1, 1), date(2025, 1, 2)

Row = dict[str, Any]
Planted = Sequence[tuple[Row, Sequence[str]]]  # what is changed in a good row, and the checks that must find it

SCORE: Row = {
    "as_of": DAY, "customer_id": "C1", "recency_days": 10, "frequency": 5, "tenure_days": 100, "monetary_value": 20,
    "r": 3, "f": 4, "m": 2, "rfm": "342", "p_alive": 0.7, "expected_orders_90d": 1.0, "expected_orders_365d": 3.0,
    "clv_365d": 80, "value_tier": "gold", "withheld": None, "value_method": "mbgnbd",
    "orders_method": "mbgnbd", "alive_model": "mbgnbd", "value_version": "v1", "clv_365d_low": 0, "clv_365d_high": 210,
    "loyalty_score": 40.25, "loyalty_often": 80, "loyalty_much": 60, "loyalty_kinds": 0, "loyalty_regular": 21,
}  # fmt: skip
GOOD_SCORES: list[Row] = [
    {**SCORE, "customer_id": "C1"},
    {**SCORE, "customer_id": "C2", "frequency": 0, "tenure_days": 10, "monetary_value": 0, "clv_365d": 0},
    {**SCORE, "customer_id": "C3", "recency_days": 0, "tenure_days": 1, "frequency": 1, "p_alive": 1.0},
    {**SCORE, "customer_id": "C4", "p_alive": 0.0, "expected_orders_90d": 0.0, "expected_orders_365d": 0.0},
    {**SCORE, "customer_id": "C6", "loyalty_score": None, "loyalty_often": None, "loyalty_much": None,
     "loyalty_kinds": None, "loyalty_regular": None},
    {**SCORE, "customer_id": "C7", "loyalty_kinds": None, "loyalty_regular": 1, "loyalty_score": 47.0},
    {**SCORE, "customer_id": "C5", "clv_365d": None, "value_tier": None, "withheld": "value: too few customers",
     "value_method": None, "value_version": None, "clv_365d_low": None, "clv_365d_high": None},
    {**SCORE, "customer_id": "C8", "p_alive": None, "withheld": "p_alive: no model", "alive_model": None},
]  # fmt: skip
BAD_SCORES: Planted = [
    ({"as_of": None}, ["as_of not null"]),
    ({"as_of": OTHER_DAY}, ["as_of unique count"]),
    ({"customer_id": None}, ["customer_id not null"]),
    ({"customer_id": "C1"}, ["One row a customer:"]),
    ({"recency_days": None}, ["recency_days not null"]),
    ({"frequency": None}, ["frequency not null"]),
    ({"tenure_days": None}, ["tenure_days not null"]),
    ({"monetary_value": None}, ["monetary_value not null"]),
    ({"recency_days": -1}, ["recency_days between"]),
    ({"recency_days": 101}, ["tenure_days, recency_days greater", "Between the first and"]),
    ({"frequency": -1}, ["frequency between"]),
    ({"frequency": 0}, ["Between the first and"]),
    ({"frequency": 91}, ["Between the first and"]),
    ({"monetary_value": -1}, ["monetary_value between"]),
    ({"r": 6}, ["r between", "The code is made"]),
    ({"f": 0}, ["f between", "The code is made"]),
    ({"m": 9}, ["m between", "The code is made"]),
    ({"rfm": None}, ["rfm not null"]),
    ({"rfm": "34"}, ["rfm regex", "The code is made"]),
    ({"rfm": "3422"}, ["rfm regex", "The code is made"]),
    ({"p_alive": 1.01}, ["p_alive between"]),
    ({"p_alive": float("nan")}, ["p_alive between"]),
    ({"expected_orders_90d": -0.1}, ["expected_orders_90d between"]),
    (
        {"expected_orders_90d": float("nan"), "expected_orders_365d": None, "withheld": "w"},
        ["expected_orders_90d between"],
    ),
    ({"expected_orders_90d": 3.1}, ["expected_orders_365d, expected_orders_90d greater"]),
    ({"expected_orders_365d": -0.1, "expected_orders_90d": None, "withheld": "w"}, ["expected_orders_365d between"]),
    ({"expected_orders_365d": 366.0}, ["expected_orders_365d between (warning)"]),
    (
        {"expected_orders_365d": float("inf")},
        ["expected_orders_365d between", "expected_orders_365d between (warning)"],
    ),
    ({"clv_365d": -1}, ["clv_365d between"]),
    ({"value_tier": "tin"}, ["value_tier in set"]),
    ({"value_tier": None}, ["A score is given,"]),
    ({"clv_365d": None, "value_tier": None}, ["A score is given,"]),
    ({"withheld": "no model"}, ["A score is given,"]),
    ({"p_alive": None}, ["A score is given,"]),
    ({"clv_365d_low": None}, ["A score is given,"]),
    ({"clv_365d_high": None}, ["A score is given,"]),
    ({"clv_365d_low": -1}, ["A score is given,"]),
    ({"clv_365d_low": 220}, ["A score is given,"]),
    ({"value_method": None}, ["A score names its"]),
    ({"value_version": None}, ["A score names its"]),
    ({"orders_method": None}, ["A score names its"]),
    ({"alive_model": None}, ["A score names its"]),
    ({"alive_model": "bgnbd"}, ["A score names its"]),
    (
        {
            "loyalty_score": 100.0,
            "loyalty_often": 100,
            "loyalty_much": 100,
            "loyalty_kinds": 100,
            "loyalty_regular": 100,
        },
        ["loyalty_score between"],
    ),
    ({"loyalty_score": 40.0}, ["The score of loyalty"]),
    ({"loyalty_score": None}, ["The score of loyalty"]),
    ({"loyalty_often": -20, "loyalty_much": 99, "loyalty_kinds": 61}, ["The score of loyalty"]),
]

SCHEMES = {
    "rfm": ("Champions", "Cannot Lose Them"), "kmeans": ("often", "rare"), "value_tier": ("gold", "bronze"),
    "lifecycle": ("new", "lapsed"), "loyalty": ("loyal", "not loyal"), "usage": ("heavy", "zero"),
    "density": ("new", "unusual"),
}  # fmt: skip
FIXED = ("lifecycle", "loyalty", "usage")
GOOD_SEGMENTS: list[Row] = [
    {"as_of": DAY, "scheme": scheme, "customer_id": f"C{n}", "segment": names[n % 2]}
    for scheme, names in SCHEMES.items()
    for n in range(4)
]
SEGMENT: Row = {"as_of": DAY, "scheme": "kmeans", "customer_id": "C9", "segment": "often"}
BAD_SEGMENTS: Planted = [
    ({"as_of": None}, ["as_of not null"]),
    ({"as_of": OTHER_DAY}, ["as_of unique count"]),
    ({"customer_id": None}, ["customer_id not null"]),
    ({"scheme": None}, ["scheme not null"]),
    ({"scheme": "gender"}, ["scheme in set", "Every scheme has every"]),
    ({"segment": None}, ["segment not null"]),
    ({"segment": ""}, ["segment length"]),
    ({"segment": "x" * 81}, ["segment length"]),
    ({"scheme": "rfm", "segment": "often"}, ["segment in set where scheme == rfm"]),
    ({"scheme": "value_tier", "segment": "often"}, ["segment in set where scheme == value_tier"]),
    *(({"scheme": scheme, "segment": "often"}, [f"segment in set where scheme == {scheme}"]) for scheme in FIXED),
]

PROFILE: Row = {
    "as_of": DAY, "scheme": "rfm", "segment": "Lost", "customers": 1, "share": 0.25, "revenue_share": 0.5,
    "recency_days_median": 9.5, "frequency_mean": 2.5, "monetary_value_mean": 20, "clv_365d_mean": 30,
    "typical": "late", "rule": "RFM codes 111", "action": "Write.",
    "explanation": "last bought more than 90 days ago", "fidelity": 0.75, "explained_share": 0.75,
}  # fmt: skip
GOOD_PROFILES: list[Row] = [
    {**PROFILE, "scheme": scheme, "segment": name, "customers": customers, "share": share}
    for scheme, names in SCHEMES.items()
    for name, customers, share in ((names[0], 1, 0.25), (names[1], 3, 0.75))
]
BAD_PROFILES: Planted = [
    ({"as_of": None}, ["as_of not null"]),
    ({"as_of": OTHER_DAY}, ["as_of unique count"]),
    ({"scheme": None}, ["scheme not null"]),
    ({"scheme": "gender"}, ["scheme in set", "Every scheme has every"]),
    ({"segment": None}, ["segment not null"]),
    ({"segment": "often"}, ["segment in set where scheme == rfm"]),
    ({"scheme": "value_tier", "segment": "often"}, ["segment in set where scheme == value_tier"]),
    *(({"scheme": scheme, "segment": "often"}, [f"segment in set where scheme == {scheme}"]) for scheme in FIXED),
    ({"customers": 0, "share": 0.0}, ["customers between"]),
    ({"share": None}, ["share not null"]),
    ({"share": -0.5}, ["share between"]),
    ({"share": 1.5}, ["share between", "The share is that", "Each customer of a"]),
    ({"revenue_share": 1.5}, ["revenue_share between (warning)", "The segments' spend is (warning)"]),
    ({"recency_days_median": -1.0}, ["recency_days_median between"]),
    ({"frequency_mean": -1.0}, ["frequency_mean between"]),
    ({"clv_365d_mean": -1}, ["clv_365d_mean between"]),
    ({"typical": None}, ["typical not null (warning)"]),
    ({"rule": None}, ["rule not null (warning)"]),
    ({"action": None}, ["action not null (warning)"]),
    ({"explanation": None}, ["explanation not null (warning)"]),
    (
        {"scheme": "usage", "segment": "light", "customers": 4, "fidelity": 1.5, "explained_share": 1.5},
        ["fidelity between", "explained_share between", "The fidelity of a"],
    ),
    (
        {"scheme": "loyalty", "segment": "loyal", "customers": 4, "fidelity": 0.25, "explained_share": 0.25},
        ["fidelity between (info)", "The fidelity of a"],
    ),
]

MOVE: Row = {"as_of": DAY, "scheme": "rfm", "from_segment": "Lost", "to_segment": "Lost", "customers": 1}
GOOD_MIGRATION: list[Row] = [
    {**MOVE, "scheme": scheme, "from_segment": origin, "to_segment": names[1], "customers": customers}
    for scheme, names in SCHEMES.items()
    for origin, customers in ((names[0], 3), ("(new)", 2))
]
BAD_MIGRATION: Planted = [
    ({"as_of": None}, ["as_of not null"]),
    ({"as_of": OTHER_DAY}, ["as_of unique count"]),
    ({"scheme": None}, ["scheme not null"]),
    ({"scheme": "gender"}, ["scheme in set", "In every scheme every"]),
    ({"from_segment": None}, ["from_segment not null"]),
    ({"to_segment": None}, ["to_segment not null"]),
    ({"customers": 0}, ["customers between"]),
    ({"from_segment": "often"}, ["from_segment in set where scheme == rfm"]),
    ({"to_segment": "(new)"}, ["to_segment in set where scheme == rfm"]),
    ({"scheme": "value_tier", "to_segment": "Lost"}, ["to_segment in set where scheme == value_tier"]),
    *(
        (
            {"scheme": scheme, "from_segment": SCHEMES[scheme][0], "to_segment": "Lost"},
            [f"to_segment in set where scheme == {scheme}"],
        )
        for scheme in FIXED
    ),
    *(
        (
            {"scheme": scheme, "from_segment": "Lost", "to_segment": SCHEMES[scheme][1]},
            [f"from_segment in set where scheme == {scheme}"],
        )
        for scheme in FIXED
    ),
    (
        {"scheme": "kmeans", "from_segment": "(new)", "customers": 50},
        ["More than half of (warning)"],
    ),
]

GOOD: Mapping[str, list[Row]] = dict(
    zip(TABLES, (GOOD_SCORES, GOOD_SEGMENTS, GOOD_PROFILES, GOOD_MIGRATION), strict=True)
)
PLANTED: Mapping[str, tuple[Row, Planted]] = dict(
    zip(
        TABLES,
        ((SCORE, BAD_SCORES), (SEGMENT, BAD_SEGMENTS), (PROFILE, BAD_PROFILES), (MOVE, BAD_MIGRATION)),
        strict=True,
    )
)
VERBS = {
    "expect_column_values_to_be_between": "between",
    "expect_column_values_to_not_be_null": "not null",
    "expect_column_values_to_be_in_set": "in set",
    "expect_column_values_to_match_regex": "regex",
    "expect_column_values_to_be_unique": "unique",
    "expect_column_unique_value_count_to_be_between": "unique count",
    "expect_column_value_lengths_to_be_between": "length",
    "expect_column_pair_values_a_to_be_greater_than_b": "greater",
}


def label(result: CheckResult) -> str:
    """A check in the words of the lists above; a query by the first four words of its notes."""
    severity = "" if result.severity == "critical" else f" ({result.severity})"
    if result.column is None:
        return " ".join(result.requirement.split()[:4]) + severity
    where = " where" + result.requirement.split(", where")[1] if ", where" in result.requirement else ""
    return f"{result.column} {VERBS[result.expectation]}{where}{severity}"


def check(engine: sa.Engine, name: str, rows: Sequence[Row]) -> list[CheckResult]:
    """Check a table of these rows, with the published columns but without the constraints that would refuse them."""
    table = metadata.tables[f"crm.{name}"]
    staged = sa.Table(f"{name}_20250101_abcd1234", sa.MetaData(),
                      *(sa.Column(column.name, column.type) for column in table.columns), schema="audited")  # fmt: skip
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema("audited", if_not_exists=True))
        staged.drop(connection, checkfirst=True)
        staged.create(connection)
        if rows:
            connection.execute(sa.insert(staged), list(rows))
    return check_table(load_suite(EXPECTATIONS, f"crm_{name}"), engine, "audited", staged.name)


def planted_rows(name: str) -> list[Row]:
    base, planted = PLANTED[name]
    key = "customer_id" if "customer_id" in base else None
    return [{**base, **({key: f"B{n}"} if key else {}), **change} for n, (change, _) in enumerate(planted)]


@pytest.mark.parametrize("name", TABLES)
def test_good_rows_pass_every_check(postgres: sa.Engine, name: str) -> None:
    results = check(postgres, name, GOOD[name])
    assert [result.message for result in results if result.status != "passed"] == []
    assert all(result.evaluated for result in results)
    assert decide(results, len(GOOD[name]), 0.0).accepted


@pytest.mark.parametrize("name", TABLES)
def test_every_planted_row_is_found(postgres: sa.Engine, name: str) -> None:
    results = check(postgres, name, [*GOOD[name], *planted_rows(name)])
    assert [result.message for result in results if result.status == "error"] == []
    found = {label(result): result for result in results if result.status == "failed"}
    expected = Counter(one for _, labels in PLANTED[name][1] for one in labels)
    assert sorted(found) == sorted(expected)
    counts = {one: found[one].failing for one in expected if found[one].is_row_level}
    assert counts == {one: expected[one] for one in counts}
    assert not decide(results, 100, 1.0).accepted


@pytest.mark.parametrize("name", ["customer_scores", "customer_segments", "segment_profiles"])
def test_an_empty_table_is_not_published(postgres: sa.Engine, name: str) -> None:
    verdict = decide(check(postgres, name, []), 0, 0.0)
    assert [result.expectation for result in verdict.rejected_by] == ["expect_table_row_count_to_be_between"]


def test_nobody_moving_is_no_error(postgres: sa.Engine) -> None:
    assert decide(check(postgres, "segment_migration", []), 0, 0.0).accepted


@pytest.mark.parametrize("scheme", ["kmeans", "rfm"])
def test_a_scheme_that_lacks_a_customer_is_found(postgres: sa.Engine, scheme: str) -> None:
    rows = [row for row in GOOD_SEGMENTS if (row["scheme"], row["customer_id"]) != (scheme, "C3")]
    (failed,) = [result for result in check(postgres, "customer_segments", rows) if result.status == "failed"]
    assert "Every scheme has every customer" in failed.message


def test_all_withheld_is_a_warning_and_no_rejection(postgres: sa.Engine) -> None:
    nothing = dict.fromkeys(["p_alive", "expected_orders_90d", "expected_orders_365d", "clv_365d", "value_tier",
                             "value_method", "value_version", "orders_method", "alive_model", "clv_365d_low",
                             "clv_365d_high"])  # fmt: skip
    rows = [{**row, **nothing, "withheld": "value: not trained"} for row in GOOD_SCORES]
    verdict = decide(check(postgres, "customer_scores", rows), len(rows), 0.0)
    assert verdict.accepted, verdict.message
    assert [result.column for result in verdict.warnings] == ["clv_365d"]


@pytest.mark.parametrize("name", sorted(path.stem for path in EXPECTATIONS.glob("*.json")))
def test_every_suite_loads_and_says_why_it_asks(name: str) -> None:
    suite = load_suite(EXPECTATIONS, name)
    entries = json.loads((EXPECTATIONS / f"{name}.json").read_text("utf-8"))["expectations"]
    assert all(one.notes for one in suite.expectations)
    assert all("severity" in one for one in entries)
    assert any(one.severity == "critical" for one in suite.expectations)


@pytest.mark.parametrize("name", TABLES[1:])
def test_the_segments_are_those_of_the_map(name: str) -> None:
    suite = load_suite(EXPECTATIONS, f"crm_{name}")
    sets = [set(one.kwargs["value_set"]) - {"(new)"} for one in suite.expectations
            if one.kwargs.get("row_condition", {}).get("parameter") == "rfm"]  # fmt: skip
    assert sets
    assert all(one == set(SEGMENT_CODES) for one in sets)


@pytest.mark.parametrize("name", TABLES)
def test_the_suites_know_the_columns_of_the_tables(name: str) -> None:
    columns = {column.name for column in metadata.tables[f"crm.{name}"].columns}
    named = {column for one in load_suite(EXPECTATIONS, f"crm_{name}").expectations for column in one.needed}
    assert named
    assert named <= columns
