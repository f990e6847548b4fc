"""Amendments of a contract's text, change by change: what they give loads, and says what was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from ddcrm.contracts.amend import amend, suggest_columns
from ddcrm.contracts.change import Change
from ddcrm.contracts.draft import Draft
from ddcrm.contracts.load import load_text
from ddcrm.contracts.model import Contract
from ddcrm.contracts.semver import raised
from tests.contracts.conftest import changed
from tests.contracts.test_draft import FILE

QUANTITY = "\n      - {name: quantity, physicalName: Qty, logicalType: integer}\nslaProperties:"
TEXT = changed("\nslaProperties:", QUANTITY)
SHARE = {"rows": 20, "share": 1.0}
SIZE = {"ratio": 100.0, "certain": True}


def amended(kind: str, column: str, text: str = TEXT, **facts: Any) -> tuple[Contract, str | None, str]:
    found = amend(Draft(text, FILE), load_text(text, FILE), Change(kind, column, facts))
    return load_text(found.draft.text, FILE), found.decided, found.draft.text


def test_a_rename_reaches_the_expressions_that_read_the_column() -> None:
    contract, decided, text = amended("column_renamed", "total_cents", now="Total ct", readable=1.0, score=0.8)
    assert decided == "total_cents is called Total ct"
    assert contract.column("amount").source_name == "Total ct"
    assert contract.column("amount").transform == 'CAST("Total ct" AS DECIMAL(18, 2)) / 100'
    assert "# Renamed: total_cents did not arrive, Total ct did. Evidence (0 to 1): values readable 1.00," in text


def test_a_rename_of_a_column_without_a_property() -> None:
    further = "{property: ddcrm.deliveryMode, value: corrections}"
    text = changed(further, f"{further}\n  - {{property: ddcrm.sourceColumns, value: [Net, Tax]}}", TEXT)
    text = changed("CAST(total_cents AS DECIMAL(18, 2)) / 100", "CAST(Net AS DOUBLE) + CAST(Tax AS DOUBLE)", text)
    contract, _, _ = amended("column_renamed", "Tax", text, now="Vat", readable=1.0)
    assert contract.further_source_columns == ("Net", "Vat")
    assert "Vat" in str(contract.column("amount").transform)


@pytest.mark.parametrize(
    ("column", "factor", "transform"),
    [
        ("amount", 100.0, "(CAST(total_cents AS DECIMAL(18, 2)) / 100) / 100"),
        ("amount", 0.01, "(CAST(total_cents AS DECIMAL(18, 2)) / 100) * 100"),
        ("quantity", 1000.0, "CAST(Qty AS BIGINT) / 1000"),
        ("quantity", 0.001, "CAST(Qty AS BIGINT) * 1000"),
    ],
)
def test_a_unit_is_divided_or_multiplied(column: str, factor: float, transform: str) -> None:
    contract, decided, _ = amended("unit_changed", column, factor=factor, **SIZE)
    assert contract.column(column).transform == transform
    assert decided


def test_a_unit_that_is_not_certain_is_left_to_a_person() -> None:
    contract, decided, text = amended("unit_changed", "quantity", factor=100.0, ratio=100.0, certain=False)
    assert (contract.column("quantity").transform, decided) == (None, None)
    assert "      # NOT DECIDED: the median of quantity is 100 times" in text
    assert "ddcrm.unitCheck: false" in text


def test_dates_get_their_format_or_none() -> None:
    told = {**SHARE, "now": "dd.MM.yyyy HH:mm"}
    contract, _, _ = amended("date_format_changed", "ordered_at", format="dd.MM.yyyy HH:mm", **told)
    assert contract.column("ordered_at").format == "dd.MM.yyyy HH:mm"
    contract, _, text = amended("date_format_changed", "ordered_at", **told)
    assert contract.column("ordered_at").format is None
    assert "logicalTypeOptions" not in text


def test_what_nothing_needs_goes_and_what_is_needed_stays() -> None:
    contract, decided, text = amended("column_missing", "channel")
    assert "channel" not in [column.name for column in contract.columns]
    assert (decided, "      # - {name: channel, physicalName: channel" in text) == ("channel is gone", True)
    for needed in ("CustNo", "total_cents", "Line"):
        contract, decided, text = amended("column_missing", needed)
        assert (len(contract.columns), decided, "NOT DECIDED" in text) == (7, None, True)


def test_suggestions_are_comments_with_names_of_their_own() -> None:
    contract = load_text(TEXT, FILE)
    draft = suggest_columns(Draft(TEXT, FILE), contract, [("Channel", "string", 0.5), ("2nd Line", "integer", 1.0)])
    assert load_text(draft.text, FILE).columns == contract.columns
    assert "# - {name: channel_2, physicalName: Channel, logicalType: string}  # in 50% of the rows" in draft.text
    assert "# - {name: c_2nd_line, physicalName: '2nd Line', logicalType: integer}" in draft.text


@pytest.mark.parametrize(("part", "version"), [(0, "2.0.0"), (1, "1.5.0"), (2, "1.4.3")])
def test_the_next_version(part: int, version: str) -> None:
    assert raised("1.4.2", part) == raised("1.4.2-rc.1", part) == version
