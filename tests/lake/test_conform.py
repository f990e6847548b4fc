"""Conforming: every landed row ends in exactly one place, with the reason."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from ddcrm.contracts.model import Column, Contract
from ddcrm.dates import DateRange
from ddcrm.errors import ConcurrentWriteError, ContractError, LakeError, MissingDataError, SchemaChangedError
from ddcrm.lake.accept import accept, audit_frames, audit_ranges, failed_rows
from ddcrm.lake.candidates import Candidate, make_candidate
from ddcrm.lake.conforming import check_counts
from ddcrm.lake.counts import DayCounts
from ddcrm.lake.engine import Engine, read_parquet
from ddcrm.lake.layout import conformed_table, quarantine_table
from tests.lake.conftest import land_rows, order, orders_contract

DAY = DateRange.parse("2026-01-05")


def conform(engine: Engine, rows: list[dict[str, Any]], contract: Contract | None = None) -> Candidate:
    land_rows(engine, "2026-01-05", rows)
    return make_candidate(engine, contract or orders_contract(), DAY)


def rows_of(engine: Engine, candidate: Candidate, columns: str) -> list[tuple[Any, ...]]:
    return engine.con.execute(f"SELECT {columns} FROM {read_parquet(candidate.files())} ORDER BY _line").fetchall()


def test_rows_are_typed(engine: Engine) -> None:
    candidate = conform(engine, [order("007", moment="2026-01-06 00:30:00", cents="1999", q="3")])
    (row,) = rows_of(
        engine,
        candidate,
        "order_id, amount, quantity, ordered_at AT TIME ZONE 'UTC', event_date, line_no, contract_version, source",
    )
    assert row == (
        "007",
        Decimal("19.99"),
        3,
        datetime(2026, 1, 5, 23, 30),
        date(2026, 1, 6),
        None,
        "1.0.0",
        "shop",
    )


def test_the_counts_add_up_by_reason(engine: Engine) -> None:
    rows = [
        order("1"),
        order("2", cents="2x"),
        order("3", cents="300"),
        order("3", cents="400"),
        order("4", customer="test"),
        order("", customer="d"),
        order("6", q="-6"),
        order("7", moment="05.01.2026"),
        order("8", customer="test", cents="bad"),
    ]
    counts = conform(engine, rows).counts[date(2026, 1, 5)]
    assert (counts.landed, counts.conformed, counts.duplicates) == (9, 2, 1)
    assert counts.excluded == Counter(test_orders=2)
    assert counts.quarantined == {
        "amount: not a decimal(18,2)": 1,
        "order_id: missing": 1,
        "quantity: below the minimum": 1,
        "ordered_at: not a timestamp": 1,
    }
    assert counts.adds_up()


def test_the_last_line_of_a_key_wins(engine: Engine) -> None:
    candidate = conform(engine, [order("3", cents="100"), order("3", cents="200"), order("3", cents="bad"), order("4")])
    assert rows_of(engine, candidate, "order_id, amount") == [("3", Decimal("2.00")), ("4", Decimal("1.00"))]
    assert candidate.counts[date(2026, 1, 5)].duplicates == 1


def test_quarantine_names_row_column_and_value_but_no_personal_value(engine: Engine) -> None:
    columns = (
        *orders_contract().columns,
        Column("email", "email", "string", classification="personal", pattern="@"),
    )
    rows = [{**order("1", cents="12,5"), "email": "a@b"}, {**order("2"), "email": "secret-person"}]
    candidate = conform(engine, rows, orders_contract(columns=columns))
    files = [str(candidate.folder / "quarantine" / file.path) for file in candidate.quarantine]
    held = engine.con.execute(
        f"SELECT _line, _code, _reasons, email FROM {read_parquet(files)} ORDER BY _line"
    ).fetchall()
    assert held == [
        (2, "amount: not a decimal(18,2)", "amount: not a decimal(18,2) (12,5)", "a@b"),
        (3, "email: does not match the pattern", "email: does not match the pattern", "secret-person"),
    ]


def test_what_is_computed_from_a_personal_column_is_not_quoted(engine: Engine) -> None:
    columns = (
        *orders_contract().columns,
        Column("born", "Born", "string", classification="personal"),
        Column("birth_year", "", "integer", transform="substr(born, 1, 4)"),
    )
    candidate = conform(engine, [{**order("1"), "Born": "secret-day"}], orders_contract(columns=columns))
    files = [str(candidate.folder / "quarantine" / file.path) for file in candidate.quarantine]
    held = engine.con.execute(f"SELECT _reasons, born FROM {read_parquet(files)}").fetchall()
    assert held == [("birth_year: not an integer", "secret-day")]


@pytest.mark.parametrize(
    ("change", "bad", "code"),
    [
        ({"enum": ("1", "2")}, "3", "quantity: not in the enumeration"),
        ({"minimum": "1"}, "0", "quantity: below the minimum"),
        ({"maximum": "9"}, "10", "quantity: above the maximum"),
        ({"type": "string", "min_length": 2}, "x", "quantity: too short"),
        ({"type": "string", "max_length": 2}, "xyz", "quantity: too long"),
        ({"required": True}, "", "quantity: missing"),
    ],
)
def test_the_contracts_limits(engine: Engine, change: dict[str, Any], bad: str, code: str) -> None:
    column = Column(**{"name": "quantity", "source_name": "q", "type": "integer", **change})
    columns = (*orders_contract().columns[:-1], column)
    good = "x1" if change.get("type") == "string" else "1"
    counts = conform(engine, [order("1", q=good), order("2", q=bad)], orders_contract(columns=columns)).counts[
        date(2026, 1, 5)
    ]
    assert counts.quarantined == {code: 1}
    assert counts.conformed == 1


def test_a_renamed_column_is_named_with_a_guess(engine: Engine) -> None:
    rows = [{"OrderNo": "1", "Cust": "a", "TS": "2026-01-05 10:00:00", "total_ct": "5", "q": "1"}]
    with pytest.raises(SchemaChangedError, match="total_cents may now be total_ct") as caught:
        conform(engine, rows)
    assert (caught.value.source, caught.value.partition, caught.value.missing) == (
        "shop",
        "2026-01-05",
        "total_cents",
    )
    assert not conformed_table(engine.settings, "orders").exists()


def test_an_added_column_is_no_error_and_is_told(engine: Engine) -> None:
    candidate = conform(engine, [{**order("1"), "loyalty_tier": "gold"}])
    assert candidate.added_columns == {"2026-01-05": ("loyalty_tier",)}
    assert candidate.counts[date(2026, 1, 5)].conformed == 1


def test_a_day_that_has_not_landed(engine: Engine) -> None:
    land_rows(engine, "2026-01-05", [order()])
    with pytest.raises(MissingDataError, match="2026-01-06"):
        make_candidate(engine, orders_contract(), DateRange.parse("2026-01-05", "2026-01-06"))


def test_an_expression_that_can_not_be_computed(engine: Engine) -> None:
    column = Column("amount", "total_cents", "decimal(18,2)", transform="no_such_function(total_cents)")
    with pytest.raises(ContractError, match="no_such_function"):
        conform(engine, [order()], orders_contract(columns=(*orders_contract().columns[:3], column)))


def test_making_a_candidate_again_gives_the_same_one(engine: Engine) -> None:
    first = conform(engine, [order("1")])
    again = make_candidate(engine, orders_contract(), DAY)
    assert again.folder == first.folder
    other = make_candidate(engine, orders_contract(fingerprint="two"), DAY)
    assert other.folder != first.folder
    assert not first.folder.exists()


def test_accept_replaces_the_day_and_keeps_the_rest(engine: Engine) -> None:
    accept(engine, conform(engine, [order("1"), order("2")]))
    land_rows(engine, "2026-01-06", [order("3")])
    accept(engine, make_candidate(engine, orders_contract(), DateRange.parse("2026-01-06")))
    accept(engine, conform(engine, [order("4"), order("5", cents="bad")]))
    files = conformed_table(engine.settings, "orders").files()
    numbers = engine.con.execute(f"SELECT order_id, batch_date FROM {read_parquet(files)} ORDER BY 1").fetchall()
    assert numbers == [("3", "2026-01-06"), ("4", "2026-01-05")]
    held = engine.con.execute(
        f"SELECT OrderNo FROM {read_parquet(quarantine_table(engine.settings, 'shop').files())}"
    ).fetchall()
    assert held == [("5",)]


def test_accept_sets_aside_what_the_audit_found(engine: Engine) -> None:
    candidate = conform(engine, [order("1"), order("2"), order("3", cents="bad"), order("4")])
    (audited,) = audit_frames(engine, candidate)
    assert audited.frame["order_id"].tolist() == ["1", "2", "4"]
    accepted = accept(engine, candidate, failed_rows(audited, {1: "odd quantity", 2: "odd amount; odd quantity"}))
    counts = accepted.counts[date(2026, 1, 5)]
    assert (counts.conformed, counts.quarantined) == (
        1,
        {"amount: not a decimal(18,2)": 1, "odd quantity": 1, "odd amount": 1},
    )
    assert counts.adds_up()
    files = quarantine_table(engine.settings, "shop").files()
    held = engine.con.execute(f"SELECT OrderNo, _reasons FROM {read_parquet(files)} ORDER BY _line").fetchall()
    assert held == [
        ("2", "odd quantity"),
        ("3", "amount: not a decimal(18,2) (bad)"),
        ("4", "odd amount; odd quantity"),
    ]


def test_a_days_digest_depends_on_its_rows_alone(engine: Engine) -> None:
    first = accept(engine, conform(engine, [order("1"), order("2")])).digests
    turned = accept(engine, conform(engine, [order("2"), order("1")])).digests
    other = accept(engine, conform(engine, [order("2"), order("1", cents="101")])).digests
    assert first == turned != other
    assert len(first) == 1


def test_a_day_of_nothing_but_bad_rows_is_audited_as_empty(engine: Engine) -> None:
    (audited,) = audit_frames(engine, conform(engine, [order("1", cents="bad")]))
    assert len(audited.frame) == 0
    assert "amount" in audited.frame


def test_a_day_too_large_for_one_frame_is_audited_in_several(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddcrm.lake.accept.AUDIT_ROWS", 2048)
    candidate = conform(engine, [order(str(number)) for number in range(5000)])
    audited = list(audit_frames(engine, candidate))
    assert [len(one.frame) for one in audited] == [2048, 2048, 904]
    assert sum(one.share for one in audited) == pytest.approx(1)
    assert [number for one in audited for number in one.frame["order_id"]] == [str(number) for number in range(5000)]
    assert failed_rows(audited[2], {0: "odd"}).column("_line").to_pylist() == [4096 + 2]


def test_the_machines_time_zone_does_not_matter(engine: Engine) -> None:
    with engine.con.cursor() as cursor:
        assert cursor.execute("SELECT current_setting('TimeZone')").fetchone() == ("UTC",)


def test_audit_ranges() -> None:
    rows = {date(2026, 1, 30): 5, date(2026, 1, 31): 5, date(2026, 2, 1): 5, date(2026, 2, 2): 8, date(2026, 2, 3): 3}
    ranges = [str(part) for part in audit_ranges(rows, most=10, least=0)]
    assert ranges == ["2026-01-30..2026-01-31", "2026-02-01", "2026-02-02", "2026-02-03"]
    assert [str(part) for part in audit_ranges(rows, most=100, least=0)] == [
        "2026-01-30..2026-01-31",
        "2026-02-01..2026-02-03",
    ]
    assert [str(part) for part in audit_ranges(rows, most=100, least=11)] == ["2026-01-30..2026-02-03"]


def test_what_killed_runs_leave_is_swept_and_half_removed_candidates_are_made_anew(engine: Engine) -> None:
    first = conform(engine, [order("1")])
    (first.folder / "manifest.json").unlink()
    left = first.folder.with_name(".left")
    left.mkdir()
    (left / ".lock").touch()
    again = make_candidate(engine, orders_contract(), DAY)
    assert again.folder == first.folder
    assert rows_of(engine, again, "order_id") == [("1",)]
    assert not left.exists()


def test_a_candidate_that_another_run_removed_is_told_apart_from_a_broken_one(engine: Engine) -> None:
    candidate = conform(engine, [order("1")])
    candidate.remove()
    with pytest.raises(ConcurrentWriteError) as caught:
        accept(engine, candidate)
    assert caught.value.retryable


def test_columns_of_the_source_called_like_those_of_the_quarantine(engine: Engine) -> None:
    candidate = conform(engine, [{**order("1", cents="bad"), "_code": "x", "_reasons": "y"}])
    files = [str(candidate.folder / "quarantine" / file.path) for file in candidate.quarantine]
    held = engine.con.execute(f"SELECT _code, _reasons FROM {read_parquet(files)}").fetchall()
    assert held == [("amount: not a decimal(18,2)", "amount: not a decimal(18,2) (bad)")]


def test_rows_that_were_lost_on_the_way_are_found() -> None:
    counts = {"2026-01-05": DayCounts(landed=3, conformed=2, duplicates=1)}
    check_counts(orders_contract(), counts, conformed=2, quarantined=0)
    with pytest.raises(LakeError, match="other rows were written"):
        check_counts(orders_contract(), counts, conformed=1, quarantined=0)
    counts["2026-01-05"].landed = 4
    with pytest.raises(LakeError, match="2026-01-05"):
        check_counts(orders_contract(), counts, conformed=2, quarantined=0)


def test_a_lost_header_shows_no_customers_values(engine: Engine) -> None:
    data = {"A00008": "A00009", "erika@example.org": "otto@example.org", "Erika": "Otto", "12.50": "13.00"}
    with pytest.raises(SchemaChangedError) as caught:
        conform(engine, [data])
    for value in data:
        assert value not in str(caught.value)


def test_what_the_engine_quotes_is_not_told(engine: Engine) -> None:
    columns = (*orders_contract().columns, Column("note", "", "string", transform="json_extract_string(Cust, '$.a')"))
    counts = conform(engine, [order(customer="secret-person")], orders_contract(columns=columns)).counts
    assert counts[date(2026, 1, 5)].quarantined == {"note: not a string": 1}
