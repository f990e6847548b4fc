"""Kinds of change through the whole of ingest: nine days of a shop, then a tenth one that looks otherwise."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from ddcrm.dates import DateRange
from ddcrm.errors import BatchRejectedError, SchemaChangedError
from ddcrm.pipeline.ingest import IngestResult, ingest
from tests.pipeline.reading import conformed, landed, ledger, rows
from tests.pipeline.shop import FIRST, Shop
from tests.pipeline.spoils import DAY, Spoil, cents, deliver, german, renamed, valued, without


@pytest.fixture(scope="module")
def shop(changing_shop: Shop) -> Shop:
    return changing_shop


def changes(shop: Shop) -> list[tuple[Any, ...]]:
    """What the ledger has of the tenth day: kind, column, severity."""
    return rows(shop.settings, "SELECT expectation, column_name, severity FROM ops.validations "
                               "WHERE suite = 'changes' AND batch_date = %s ORDER BY 1, 2", DAY)  # fmt: skip


BREAKING: dict[str, tuple[Spoil, str, str | None, list[str]]] = {
    "column removed": (without("status"), "column_missing", "status", ["status did not arrive"]),
    "column renamed": (renamed("status", "order_state"), "column_renamed", "status",
                       ["status may now be order_state", "100% of the distinct ones are known"]),
    "renamed and in cents": (renamed("amount", "total_cents", cents), "column_renamed", "amount",
                             ["amount may now be total_cents", "times as large"]),
    "renamed, with a rival": (lambda number, row: {**renamed("amount", "net")(number, row), "gross": row["amount"]},
                              "rename_unclear", "amount", ["amount did not arrive, it may now be net or gross"]),
    "key column renamed": (renamed("OrderNo", "order_number"), "column_renamed", "OrderNo",
                           ["OrderNo may now be order_number", "100% look like those before"]),
    "text in a number": (valued("amount", lambda *_: "free"), "type_changed", "amount",
                         ["amount is no decimal(18,2)", "such as free", "row 2"]),
    "date format": (valued("OrderTS", lambda _, text: german(text)), "date_format_changed", "ordered_at",
                    ["ordered_at is written as dd.MM.yyyy HH:mm:ss"]),
    "decimal comma": (valued("amount", lambda _, text: text.replace(".", ",")), "number_format_changed", "amount",
                      ["amount is written with a decimal comma"]),
    "separators of thousands": (valued("amount", lambda _, text: f"1,{int(float(text)):03}.50"),
                                "number_format_changed", "amount", ["commas between thousands"]),
    "unit": (valued("amount", lambda _, text: cents(text)), "unit_changed", "amount",
             ["times that of earlier batches", "digits behind the point are gone"]),
    "nullability": (valued("Cust", lambda number, text: "" if number % 3 else text), "value_missing", "customer_key",
                    ["customer_key is missing in"]),
    "enumeration, most rows": (valued("channel", lambda number, text: "app" if number % 3 else text),
                               "enum_grown", "channel", ["channel has values outside its enumeration", ": app"]),
    "pattern of a personal column": (valued("Cust", lambda _, text: text.replace("C", "K-")), "limit_broken",
                                     "customer_key", ["customer_key: does not match the pattern"]),
    "key does not tell rows apart": (valued("OrderNo", lambda number, _: f"A{number % 5}"), "key_duplicated", None,
                                     ["have the key of another row"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", BREAKING)
def test_a_breaking_change_stops_the_batch_once(shop: Shop, kind: str) -> None:
    spoil, name, column, words = BREAKING[kind]
    deliver(shop, spoil)
    before = conformed(shop.settings), ledger(shop.settings)
    with pytest.raises(SchemaChangedError) as caught:
        ingest(shop.settings, "orders", DateRange.parse(DAY))
    error = caught.value
    assert not error.retryable
    assert (error.source, error.partition, error.contract_version) == ("orders", "2026-01-20", "1.0.0")
    for word in [*words, *([column] if column else []), "`ddcrm contract propose orders --batch 2026-01-20`"]:
        assert word in str(error)
    assert (conformed(shop.settings), ledger(shop.settings)) == before
    assert landed(shop.settings)[-1] == (str(DAY), len(shop.rows[DAY]))
    assert (name, column, "critical") in changes(shop)
    (failed,) = rows(shop.settings, "SELECT error_type FROM ops.runs ORDER BY started_at DESC LIMIT 1")
    assert failed == ("SchemaChangedError",)


ALLOWED: dict[str, tuple[Spoil, list[tuple[str, str | None, str]]]] = {
    "a column more": (lambda _, row: {**row, "loyalty_tier": "gold"}, [("column_added", "loyalty_tier", "info")]),
    "another order": (lambda _, row: dict(reversed(row.items())), [("columns_reordered", None, "info")]),
    "another case": (renamed("amount", "AMOUNT"), [("column_case", "amount", "info")]),
    "a column that is empty now": (valued("status", lambda *_: ""), [("column_emptied", "status", "warning")]),
    "a number that is zero now": (valued("amount", lambda *_: "0.00"), [("column_emptied", "amount", "warning")]),
    "a new value in few rows": (valued("channel", lambda number, text: text if number % 12 != 1 else "app"),
                                [("enum_grown", "channel", "warning")]),
    "few unreadable numbers": (valued("amount", lambda number, text: text if number % 12 != 1 else "?"),
                               [("type_changed", "amount", "warning")]),
    "cents with digits": (valued("amount", lambda _, text: f"{float(text) * 100 + 0.55:.2f}"),
                          [("unit_changed", "amount", "warning")]),
    "fifty times as much": (valued("amount", lambda _, text: f"{float(text) * 50:.2f}"),
                             [("distribution_shifted", "amount", "warning")]),
    "twice as much": (valued("amount", lambda _, text: f"{float(text) * 2:.2f}"), []),
    "a file that came twice": (lambda number, row: {**row, "OrderNo": f"B{number // 2}", "Line": "1"},
                               [("key_duplicated", None, "warning")]),
    "a day as any other": (lambda _, row: row, []),
    "a value that does not come": (valued("channel", lambda *_: "web"), []),
}  # fmt: skip


@pytest.mark.parametrize("kind", ALLOWED)
def test_other_changes_are_recorded_and_let_the_batch_pass(shop: Shop, kind: str) -> None:
    spoil, recorded = ALLOWED[kind]
    deliver(shop, spoil)
    result: IngestResult = ingest(shop.settings, "orders", DateRange.parse(DAY))
    assert changes(shop) == recorded
    assert result.landed == len(shop.rows[DAY])
    for _, column, severity in recorded:
        warned = [text for text in result.warnings if (column or "key") in text and "attention" in text]
        assert bool(warned) == (severity == "warning")


def test_more_new_values_than_are_tolerated_reject_the_batch(shop: Shop) -> None:
    deliver(shop, valued("channel", lambda number, text: text if number % 3 else "app"))
    with pytest.raises(BatchRejectedError, match="channel"):
        ingest(shop.settings, "orders", DateRange.parse(DAY))
    assert ("enum_grown", "channel", "warning") in changes(shop)


def test_personal_values_are_not_told(shop: Shop) -> None:
    for spoil in (
        BREAKING["pattern of a personal column"][0],
        renamed("Cust", "customer", lambda text: "X" + text[1:]),
    ):
        deliver(shop, spoil)
        with pytest.raises(SchemaChangedError) as caught:
            ingest(shop.settings, "orders", DateRange.parse(DAY))
        told = str(caught.value) + repr(rows(shop.settings, "SELECT observed, message FROM ops.validations"))
        told += repr(rows(shop.settings, "SELECT error_message FROM ops.runs"))
        for row in shop.rows[DAY]:
            assert row["Cust"][1:] not in told


def test_the_ledger_of_checks_keeps_no_example_of_what_failed(shop: Shop) -> None:
    deliver(shop, BREAKING["text in a number"][0])
    with pytest.raises(SchemaChangedError, match="such as free"):
        ingest(shop.settings, "orders", DateRange.parse(DAY))
    recorded = repr(rows(shop.settings, "SELECT observed, message FROM ops.validations WHERE suite = 'changes'"))
    assert "amount" in recorded
    assert "free" not in recorded


def test_a_range_names_the_first_day_and_accepts_nothing(shop: Shop) -> None:
    for day in (date(2026, 1, 22), date(2026, 1, 23)):
        deliver(shop, BREAKING["unit"][0], day)
    deliver(shop, lambda _, row: row)
    before = conformed(shop.settings)
    with pytest.raises(SchemaChangedError, match="times that of earlier batches") as caught:
        ingest(shop.settings, "orders", DateRange.parse(DAY, "2026-01-24"))
    assert caught.value.partition == "2026-01-22"
    assert conformed(shop.settings) == before


TOTAL = "{name: amount, physicalName: amount, logicalType: number, required: true"
DATED_BACK: dict[str, str] = {  # how the version that reads all days from now on reads the amount
    "only its number differs": TOTAL,
    "a little less": TOTAL + ", transformLogic: 'CAST(amount AS DECIMAL(18, 2)) - 1'",
    "ten times as much": TOTAL + ", transformLogic: 'CAST(amount AS DECIMAL(18, 2)) * 10'",
    "a column that did not come": TOTAL.replace("physicalName: amount", "physicalName: net"),
}


@pytest.mark.parametrize("reading", DATED_BACK)
def test_a_version_that_is_dated_back_leaves_nothing_unwatched(shop: Shop, reading: str) -> None:
    """Nothing is restated yet: earlier batches are held against as they would be read now."""
    first = (shop.folder / "contracts/orders/1.0.0.yaml").read_text()
    assert TOTAL in first
    later = shop.folder / "contracts/orders/1.1.0.yaml"
    later.write_text(first.replace("version: 1.0.0", "version: 1.1.0").replace(TOTAL, DATED_BACK[reading]))
    try:
        deliver(shop, lambda _, row: {**row, "net": row["amount"]})
        ingest(shop.settings, "orders", DateRange.parse(DAY))
        assert [kind for kind, _, level in changes(shop) if level == "critical"] == []
        deliver(shop, lambda _, row: {**row, "amount": cents(row["amount"]), "net": cents(row["amount"])})
        with pytest.raises(SchemaChangedError, match="times that of earlier batches"):
            ingest(shop.settings, "orders", DateRange.parse(DAY))
        assert ("unit_changed", "amount", "critical") in changes(shop)
    finally:
        later.unlink()


def test_a_version_that_is_dated_too_early(shop: Shop) -> None:
    """Cents since the tenth day, and the version that divides reads the nine before as well: they would be spoiled."""
    first = (shop.folder / "contracts/orders/1.0.0.yaml").read_text()
    divided = TOTAL + ", transformLogic: 'CAST(amount AS DECIMAL(18, 2)) / 100'"
    text = first.replace("version: 1.0.0", "version: 1.1.0").replace(TOTAL, divided)
    later = shop.folder / "contracts/orders/1.1.0.yaml"
    deliver(shop, valued("amount", lambda _, text: cents(text)))
    try:
        for day, told in ((FIRST, [("unit_changed", "amount", "warning")]), (DAY, [])):
            later.write_text(text.replace(f"'{FIRST}'", f"'{day}'"))
            ingest(shop.settings, "orders", DateRange.parse(DAY))
            assert changes(shop) == told
    finally:
        later.unlink()


def test_a_unit_that_is_not_to_be_checked(shop: Shop) -> None:
    contract = shop.folder / "contracts/orders/1.0.0.yaml"
    text = contract.read_text()
    unchecked = "amount, logicalType: number, customProperties: [{property: ddcrm.unitCheck, value: false}]"
    try:
        contract.write_text(text.replace("amount, logicalType: number", unchecked))
        deliver(shop, BREAKING["unit"][0])
        ingest(shop.settings, "orders", DateRange.parse(DAY))
        assert changes(shop) == []
    finally:
        contract.write_text(text)
