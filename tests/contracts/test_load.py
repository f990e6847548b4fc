"""A sound contract: what its values are."""
# ruff: noqa: E501 - a row of a table stays a line

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ddcrm.contracts import contract_files, load_contracts, load_source
from ddcrm.contracts.describe import describe
from ddcrm.contracts.entities import ENTITIES
from ddcrm.contracts.model import Column, Exclusion, Freshness, Server, Volume
from ddcrm.errors import ContractError
from tests.contracts.conftest import CONTRACTS, EXAMPLE, Load, changed

AMOUNT = "logicalType: number\n        physicalType: integer\n        required: true\n"


def with_custom(*entries: str) -> str:
    """The example with further custom properties of the document."""
    return EXAMPLE.rstrip("\n") + "".join(f"\n  - {entry}" for entry in entries) + "\n"


def with_property(*properties: str) -> str:
    """The example with further properties."""
    return changed("slaProperties:\n", "".join(f"      - {entry}\n" for entry in properties) + "slaProperties:\n")


def test_example_is_read_as_it_is_written(load: Load) -> None:
    contract = load(EXAMPLE)
    assert (contract.source, contract.version, contract.entity) == ("orders", "2.0.0", "orders")
    assert contract.effective_from == date(2026, 1, 15)
    assert (contract.status, contract.delivery, contract.suite) == ("active", "corrections", "orders")
    assert contract.max_quarantined_share == 0.02
    assert contract.key == ("order_id", "line_no")
    assert contract.server == Server("file", format="csv", path="sources/orders/{batch_date}/orders.csv")
    assert contract.freshness == Freshness(6.0, "ordered_at", "warning")
    assert contract.file is not None
    assert contract.file.name == "2.0.0.yaml"


def test_columns_of_the_example(load: Load) -> None:
    contract = load(EXAMPLE)
    assert [(c.name, c.source_name, c.type, c.required) for c in contract.columns] == [
        ("order_id", "OrderNo", "string", True),
        ("line_no", "Line", "integer", True),
        ("customer_key", "CustNo", "string", True),
        ("ordered_at", "OrderTS", "timestamp", True),
        ("amount", "total_cents", "decimal(18,2)", True),
        ("channel", "channel", "string", False),
    ]
    assert contract.column("amount").transform == "CAST(total_cents AS DECIMAL(18, 2)) / 100"
    ordered_at = contract.column("ordered_at")
    assert (ordered_at.format, ordered_at.timezone) == ("yyyy-MM-dd HH:mm:ss", "Europe/Berlin")
    assert contract.event_time == ordered_at
    assert [column.name for column in contract.columns if column.personal] == ["customer_key"]
    assert contract.source_columns == ("OrderNo", "Line", "CustNo", "OrderTS", "total_cents", "channel")


def test_defaults(load: Load) -> None:
    text = EXAMPLE[: EXAMPLE.index("slaProperties:")]
    contract = load(
        text + "customProperties:\n  - {property: ddcrm.entity, value: orders}\n"
        "  - {property: ddcrm.effectiveFrom, value: 2026-01-15}\n"
    )
    assert (contract.delivery, contract.suite, contract.max_quarantined_share) == ("corrections", None, 0.0)
    assert (contract.timezone, contract.null_values, contract.allow_empty) == ("UTC", ("",), False)
    assert (contract.exclude, contract.freshness, contract.volume) == ((), None, None)


def test_two_versions_have_the_same_canonical_columns() -> None:
    first, second = load_contracts(CONTRACTS).versions("orders")
    assert [(c.name, c.type) for c in first.columns] == [(c.name, c.type) for c in second.columns]
    assert (first.column("amount").source_name, first.column("amount").transform) == ("amount", None)
    assert first.fingerprint != second.fingerprint


def test_key_has_the_order_of_its_positions(load: Load) -> None:
    text = changed("primaryKeyPosition: 1}", "primaryKeyPosition: 7}")
    assert load(text).key == ("line_no", "order_id")


def test_what_the_entity_requires_is_required_even_if_the_contract_forgets_it(load: Load) -> None:
    text = changed(AMOUNT, AMOUNT.replace("        required: true\n", ""))
    assert load(text).column("amount").required
    assert not load(text).column("channel").required


def test_custom_properties_of_the_document(load: Load) -> None:
    contract = load(
        with_custom(
            "{property: ddcrm.timezone, value: America/New_York}",
            "{property: ddcrm.nullValues, value: ['', NA, '-']}",
            "{property: ddcrm.allowEmpty, value: true}",
            "{property: ddcrm.volume, value: {tolerance: 0.3, weeks: 8, severity: critical}}",
            "{property: ddcrm.freshnessSeverity, value: critical}",
            "{property: ddcrm.sourceColumns, value: [Branch, Till]}",
            "{property: ddcrm.exclude, value: [{name: tests, where: \"customer_key = 'T' -- ours\", reason: test orders}]}",
            "{property: elsewhere.ours, value: [1, 2]}",
        )
    )
    assert (contract.timezone, contract.null_values, contract.allow_empty) == (
        "America/New_York",
        ("", "NA", "-"),
        True,
    )
    assert contract.volume == Volume(0.3, 8, "critical")
    assert contract.freshness == Freshness(6.0, "ordered_at", "critical")
    assert contract.exclude == (Exclusion("tests", "customer_key = 'T'", "test orders"),)
    assert contract.source_columns[-2:] == ("Branch", "Till")


@pytest.mark.parametrize(
    ("sla", "hours"),
    [
        ("value: 6, unit: h", 6.0),
        ("value: 2, unit: d", 48.0),
        ("value: 90, unit: min", 1.5),
        ("value: 0.5, unit: days", 12),
    ],
)
def test_latency_in_hours(load: Load, sla: str, hours: float) -> None:
    contract = load(changed("latency, value: 6, unit: h", f"latency, {sla}"))
    assert contract.freshness is not None
    assert contract.freshness.hours == pytest.approx(hours)


@pytest.mark.parametrize("element", ["", ", element: ordered_at", ", element: orders.ordered_at"])
def test_latency_is_that_of_the_event_time_where_nothing_is_said(load: Load, element: str) -> None:
    contract = load(changed("value: 6, unit: h, element: orders.ordered_at", f"value: 6, unit: h{element}"))
    assert contract.freshness == Freshness(6.0, "ordered_at")


def test_columns_beyond_the_entity_are_extras_with_the_type_of_their_logical_type(load: Load) -> None:
    contract = load(
        with_property(
            "{name: weight_kg, logicalType: number}",
            "{name: gift, physicalName: IsGift, logicalType: boolean}",
            "{name: picked_on, logicalType: date, logicalTypeOptions: {format: dd.MM.yyyy}}",
            "{name: basket, logicalType: array}",
            "{name: vat, logicalType: number, customProperties: [{property: ddcrm.canonicalType, value: 'decimal(10, 4)'}]}",
        )
    )
    kinds = {column.name: column.type for column in contract.columns[6:]}
    assert kinds == {
        "weight_kg": "double",
        "gift": "boolean",
        "picked_on": "date",
        "basket": "string",
        "vat": "decimal(10,4)",
    }
    assert contract.column("weight_kg").source_name == "weight_kg"
    assert contract.column("picked_on").format == "dd.MM.yyyy"


def test_computed_column_has_no_column_of_its_own_at_the_source(load: Load) -> None:
    contract = load(
        changed("{name: line_no, physicalName: Line, ", "{name: line_no, transformLogic: _line, ")
        .replace("SELECT", "")
        .replace("transformLogic: CAST(total_cents", "transformLogic: -CAST(total_cents")
    )
    assert contract.column("line_no").source_name == ""
    assert contract.column("line_no").transform == "_line"
    assert "" not in contract.source_columns
    assert "Line" not in contract.source_columns


def test_transform_reads_further_source_columns_whatever_their_case(load: Load) -> None:
    text = with_custom("{property: ddcrm.sourceColumns, value: [Rebate, 'Unit Price']}").replace(
        "CAST(total_cents AS DECIMAL(18, 2)) / 100",
        """'CAST(TOTAL_CENTS AS DECIMAL(18, 2)) / 100 - coalesce(CAST(rebate AS DECIMAL(18, 2)), "Unit Price"::DECIMAL(18, 2))'""",
    )
    assert "Unit Price" in str(load(text).column("amount").transform)


def test_transform_may_span_lines_and_hold_comments(load: Load) -> None:
    sql = "|\n          -- in cents\n          CAST(total_cents AS DECIMAL(18, 2)) -- as text\n            / 100\n"
    text = changed("CAST(total_cents AS DECIMAL(18, 2)) / 100\n", sql)
    assert load(text).column("amount").transform == "CAST(total_cents AS DECIMAL(18, 2)) / 100"


@pytest.mark.parametrize(
    ("logical", "options", "wanted"),
    [
        ("integer", "logicalTypeOptions: {minimum: 0, maximum: 100}", {"minimum": "0", "maximum": "100"}),
        ("number", "logicalTypeOptions: {minimum: 0.000001, maximum: 1.5}", {"minimum": "0.000001", "maximum": "1.5"}),
        ("date", "logicalTypeOptions: {minimum: 2020-01-01}", {"minimum": "2020-01-01"}),
        ("timestamp", "logicalTypeOptions: {minimum: '2026-07-01T00:00:00', defaultTimezone: Europe/Berlin}",
         {"minimum": "2026-06-30 22:00:00+00:00", "timezone": "Europe/Berlin"}),
        ("string", "logicalTypeOptions: {pattern: '^[A-Z]{2}$', minLength: 2, maxLength: 2}",
         {"pattern": "^[A-Z]{2}$", "min_length": 2, "max_length": 2}),
        ("string", "logicalTypeOptions: {format: email}", {"format": None}),
        ("string", "enum: [{value: no}, {value: SE, label: Sweden}, {value: '1'}, {value: 7}]", {"enum": ("no", "SE", "1", "7")}),
        ("boolean", "enum: [{value: true}]", {"enum": ("true",)}),
        ("integer", "enum: [{value: 1}, {value: -2}]", {"enum": ("1", "-2")}),
        ("date", "enum: [{value: 2026-01-15}]", {"enum": ("2026-01-15",)}),
        ("number", "enum: [{value: 1.5}, {value: 2}], customProperties: [{property: ddcrm.canonicalType, value: 'decimal(9,2)'}]",
         {"enum": ("1.50", "2.00")}),
    ],
)  # fmt: skip
def test_limits_of_a_column(load: Load, logical: str, options: str, wanted: dict[str, object]) -> None:
    column = load(with_property(f"{{name: extra, logicalType: {logical}, {options}}}")).column("extra")
    assert {name: getattr(column, name) for name in wanted} == wanted


def test_enumerations_are_spelled_as_the_engine_writes_its_values(load: Load) -> None:
    import duckdb

    kinds = {"boolean": "true", "date": "2026-01-15", "decimal(9,2)": "1.5", "integer": "12"}
    with duckdb.connect() as engine:
        for kind, value in kinds.items():
            logical = "number" if "decimal" in kind else kind
            own = f", customProperties: [{{property: ddcrm.canonicalType, value: '{kind}'}}]"
            text = with_property(f"{{name: extra, logicalType: {logical}, enum: [{{value: {value}}}]{own}}}")
            spelled = engine.execute(f"SELECT CAST(CAST('{value}' AS {kind}) AS VARCHAR)").fetchone()
            assert load(text).column("extra").enum == spelled


def test_a_day_can_be_the_moment_of_an_order(load: Load) -> None:
    text = changed("logicalType: timestamp", "logicalType: date").replace("yyyy-MM-dd HH:mm:ss", "yyyyMMdd")
    column = load(text).column("ordered_at")
    assert (column.type, column.format) == ("timestamp", "yyyyMMdd")


@pytest.mark.parametrize("entity", sorted(ENTITIES))
def test_every_entity_can_be_fed(load: Load, entity: str) -> None:
    logical = {"decimal(18,2)": "number", "double": "number"}
    keys = list(ENTITIES[entity].key)
    lines = [
        f"      - {{name: {name}, logicalType: {logical.get(kind, kind)}"
        + (f", primaryKey: true, primaryKeyPosition: {keys.index(name) + 1}}}" if name in keys else "}")
        for name, kind in ENTITIES[entity].columns.items()
    ]
    text = EXAMPLE[: EXAMPLE.index("      - {name: order_id")] + "\n".join(lines) + "\ncustomProperties:\n"
    text += (
        f"  - {{property: ddcrm.entity, value: {entity}}}\n  - {{property: ddcrm.effectiveFrom, value: '2025-01-01'}}\n"
    )
    contract = load(text)
    assert contract.key == ENTITIES[entity].key
    assert {column.name: column.type for column in contract.columns} == dict(ENTITIES[entity].columns)
    assert (contract.event_time and contract.event_time.name) == ENTITIES[entity].event_time


def test_files_of_a_folder(tmp_path: Path) -> None:
    for name in (
        "web/1.0.0.yaml",
        "shop/2.0.0.yml",
        "shop/1.0.0.yaml",
        "shop/notes.md",
        ".git/x.yaml",
        "_old/1.0.0.yaml",
        "README.md",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [str(file.relative_to(tmp_path)) for file in contract_files(tmp_path)] == [
        "shop/1.0.0.yaml",
        "shop/2.0.0.yml",
        "web/1.0.0.yaml",
    ]


def test_folder_without_contracts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="no folder of contracts"):
        load_contracts(tmp_path / "absent")
    with pytest.raises(ContractError, match="there are no contracts"):
        load_contracts(tmp_path)
    (tmp_path / "orders").mkdir()
    with pytest.raises(ContractError, match="'orders' has no contract"):
        load_contracts(tmp_path)


def test_description_is_json_and_names_no_secret(load: Load) -> None:
    import json

    server = "{server: shop, type: custom, customProperties: [{property: ddcrm.secret, value: shop_url}]}"
    contract = load(
        changed("{server: files, type: local, path: 'sources/orders/{batch_date}/orders.csv', format: csv}", server)
    )
    description = json.loads(json.dumps(describe(contract)))
    assert description["server"] == {"kind": "sql", "table": "orders"}
    assert description["effective_from"] == "2026-01-15"
    assert description["key"] == ["order_id", "line_no"]
    assert description["columns"][4] == {
        "name": "amount", "source_name": "total_cents", "type": "decimal(18,2)", "required": True, "personal": False,
        "transform": "CAST(total_cents AS DECIMAL(18, 2)) / 100",
    }  # fmt: skip
    assert "shop_url" not in json.dumps(description)


def test_columns_are_values(load: Load) -> None:
    assert load(EXAMPLE).column("channel") == Column("channel", "channel", "string")
    with pytest.raises(KeyError):
        load(EXAMPLE).column("absent")


def test_a_source_is_loaded_with_what_may_feed_its_entity_and_nothing_else(load: Load, tmp_path: Path) -> None:
    load(EXAMPLE)
    load(EXAMPLE, source="returns")
    (tmp_path / "contracts/broken").mkdir()
    (tmp_path / "contracts/broken/2.0.0.yaml").write_text("entity: tickets, and no more\n")
    found = load_source(tmp_path / "contracts", "orders")
    assert found.sources == ("orders", "returns")
    assert found.versions("orders") == (load(EXAMPLE),)
    with pytest.raises(ContractError):
        load_source(tmp_path / "contracts", "nothing")
