"""The ledger: every record replaces the one of its key, and what is read back is what was written."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from sqlalchemy import text

from ddcrm.dates import DateRange
from ddcrm.errors import BatchRejectedError, WarehouseError, WarehouseUnavailableError
from ddcrm.warehouse.connect import Warehouse
from ddcrm.warehouse.ledger import Ledger
from ddcrm.warehouse.publish import publish_day
from ddcrm.warehouse.records import Batch, Model, Reason, Validation, plain
from ddcrm.warehouse.tables import PUBLISHED
from tests.warehouse.days import DAY, NEXT, make_day, no_audit
from tests.warehouse.test_publish import query

BATCH = Batch(
    "orders",
    DAY,
    "orders",
    "1.0.0",
    landed=100,
    conformed=90,
    quarantined=4,
    excluded=5,
    duplicates=1,
    contract_fingerprint="c0ffee",
    lake_version=3,
    newest_event_at=datetime(2026, 3, 5, 22, 59, tzinfo=UTC),
    digest="d1",
)


@pytest.fixture
def ledger(warehouse: Warehouse) -> Ledger:
    return Ledger(warehouse)


# runs


def test_a_run_is_running_then_succeeded(ledger: Ledger) -> None:
    with ledger.run("score", as_of=DAY, orchestrator_ref="https://airflow/run", models=2) as run:
        assert query(ledger.warehouse, "SELECT status, ended_at FROM ops.runs") == [("running", None)]
        assert ledger.run_id == run.run_id
        run.facts["rows"] = np.int64(7)
    assert ledger.run_id is None
    columns = "step, source, as_of, status, error_type, facts, orchestrator_ref, ended_at >= started_at"
    assert query(ledger.warehouse, f"SELECT {columns} FROM ops.runs") == [
        ("score", None, DAY, "succeeded", None, {"models": 2, "rows": 7}, "https://airflow/run", True)
    ]


def test_a_run_that_fails_says_why_and_passes_the_error_on(ledger: Ledger) -> None:
    mine = BatchRejectedError("3 rows failed", source="orders", partition=DAY)
    with pytest.raises(BatchRejectedError) as caught:
        _run_and_raise(ledger, mine)
    assert caught.value is mine
    columns = "status, error_type, error_message, partition_first, partition_last"
    assert query(ledger.warehouse, f"SELECT {columns} FROM ops.runs") == [
        ("failed", "BatchRejectedError", "3 rows failed (source orders, partition 2026-03-05)", DAY, NEXT)
    ]


def test_a_foreign_error_is_recorded_without_what_it_quotes(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="alice"):
        _run_and_raise(ledger, ValueError("could not convert 'alice@example.org' to float"))
    rows = query(ledger.warehouse, "SELECT error_type, error_message FROM ops.runs")
    assert rows == [("ValueError", "could not convert … to float")]


def test_an_interrupted_run_is_recorded_too(ledger: Ledger) -> None:
    with pytest.raises(KeyboardInterrupt):
        _run_and_raise(ledger, KeyboardInterrupt())
    assert query(ledger.warehouse, "SELECT status, error_type FROM ops.runs") == [("failed", "KeyboardInterrupt")]


def _run_and_raise(ledger: Ledger, error: BaseException) -> None:
    with ledger.run("validate", source="orders", partition_first=DAY, partition_last=NEXT):
        raise error


def test_the_error_of_the_step_wins_over_a_warehouse_that_went_away(postgres_url: str, ledger: Ledger) -> None:
    with pytest.raises(BatchRejectedError):
        _lose_the_warehouse(ledger)


def _lose_the_warehouse(ledger: Ledger) -> None:
    with ledger.run("validate", source="orders"):
        ledger.warehouse.close()
        ledger.warehouse = Warehouse("postgresql:///crm?host=/nowhere")
        raise BatchRejectedError("it failed")


def test_no_step_begins_without_a_warehouse() -> None:
    began = False
    with (
        pytest.raises(WarehouseUnavailableError),
        Warehouse("postgresql:///crm?host=/nowhere") as nowhere,
        Ledger(nowhere).run("x"),
    ):
        began = True
    assert not began


def test_a_run_that_never_ended_is_failed_by_the_next_one_on_the_same_data(ledger: Ledger) -> None:
    with ledger.warehouse.begin() as connection:
        insert = "INSERT INTO ops.runs (run_id, step, source, partition_first, partition_last, status) VALUES "
        rows = [("same", "orders", DAY), ("other source", "events", DAY), ("other day", "orders", NEXT)]
        for run_id, source, day in rows:
            values = f"('{run_id}', 'validate', '{source}', '{day}', '{day}', 'running')"
            connection.execute(text(insert + values))
    with ledger.run("validate", source="orders", partition_first=DAY, partition_last=DAY):
        pass
    rows = query(ledger.warehouse, "SELECT run_id FROM ops.runs WHERE error_type = 'Interrupted' AND status = 'failed'")
    assert rows == [("same",)]
    assert query(ledger.warehouse, "SELECT count(*) FROM ops.runs WHERE status = 'running'") == [(2,)]


def test_runs_at_the_same_time_end_each_as_it_did(ledger: Ledger) -> None:
    """The later one takes the earlier for dead; the earlier then reports its end all the same."""
    with ledger.run("train", as_of=DAY) as first:
        with Ledger(ledger.warehouse).run("train", as_of=DAY):
            pass
        assert query(ledger.warehouse, f"SELECT status FROM ops.runs WHERE run_id = '{first.run_id}'") == [("failed",)]
    assert query(ledger.warehouse, "SELECT DISTINCT status, error_type FROM ops.runs") == [("succeeded", None)]


# batches


def test_batches_come_back_as_they_were(ledger: Ledger) -> None:
    days = [replace(BATCH, batch_date=DAY + timedelta(days=number)) for number in (2, 0, 1)]
    ledger.record_batches(days)
    assert ledger.batches("orders", DAY, NEXT) == [replace(BATCH, batch_date=day) for day in (DAY, NEXT)]
    assert ledger.batches("events", DAY, NEXT) == []


def test_a_batch_recorded_again_replaces_itself_and_its_reasons(ledger: Ledger) -> None:
    other = replace(BATCH, batch_date=NEXT)
    reasons = [Reason("orders", DAY, "quarantined", "cast amount", 4), Reason("orders", DAY, "excluded", "tests", 5)]
    with ledger.run("validate", source="orders") as run:
        ledger.record_batches([BATCH, other], [*reasons, Reason("orders", NEXT, "excluded", "tests", 5)])
        again = replace(BATCH, landed=91, quarantined=0, excluded=0)
        ledger.record_batches([again], [Reason("orders", DAY, "duplicate", "same key", 1)])
    assert ledger.batches("orders", DAY, NEXT) == [again, other]
    rows = query(ledger.warehouse, "SELECT batch_date, outcome, reason, rows FROM ops.batch_reasons ORDER BY 1")
    assert rows == [(DAY, "duplicate", "same key", 1), (NEXT, "excluded", "tests", 5)]
    assert query(ledger.warehouse, "SELECT DISTINCT run_id FROM ops.batches") == [(run.run_id,)]


def test_counts_that_do_not_add_up_are_refused(ledger: Ledger) -> None:
    ledger.record_batches([BATCH])
    with pytest.raises(WarehouseError, match="batches_add_up"):
        ledger.record_batches([replace(BATCH, batch_date=NEXT), replace(BATCH, conformed=91)])
    assert ledger.batches("orders", DAY, NEXT) == [BATCH]


def test_a_year_is_recorded_at_once(ledger: Ledger) -> None:
    days = [replace(BATCH, batch_date=date(2025, 1, 1) + timedelta(days=number)) for number in range(365)]
    reasons = [Reason("orders", batch.batch_date, "excluded", "tests", 5) for batch in days]
    for _ in range(2):
        ledger.record_batches(days, reasons)
    assert ledger.batches("orders", date(2025, 1, 1), date(2025, 12, 31)) == days
    assert query(ledger.warehouse, "SELECT count(*), sum(rows) FROM ops.batch_reasons") == [(365, Decimal(1825))]


def test_reasons_alone(ledger: Ledger) -> None:
    ledger.record_reasons("orders", DateRange(DAY, NEXT), [Reason("orders", DAY, "excluded", "tests", 5)])
    ledger.record_reasons("orders", DateRange(DAY, NEXT), [Reason("orders", NEXT, "excluded", "tests", 6)])
    assert query(ledger.warehouse, "SELECT batch_date, rows FROM ops.batch_reasons") == [(NEXT, 6)]


def test_row_counts_are_those_of_the_same_weekday_before(ledger: Ledger) -> None:
    days = [DAY - timedelta(days=number) for number in range(40)]
    ledger.record_batches(
        [replace(BATCH, batch_date=day, landed=1000 + day.toordinal(), conformed=990 + day.toordinal()) for day in days]
    )
    counts = ledger.row_counts("orders", DAY, weeks=4)
    assert counts == {day: 1000 + day.toordinal() for day in reversed(days[1:29]) if day.weekday() == DAY.weekday()}
    assert len(counts) == 4
    assert list(counts) == sorted(counts)
    assert ledger.row_counts("orders", DAY - timedelta(days=35), weeks=4) == {}


# validations


def _check(name: str, **given) -> Validation:
    return Validation(name, "critical", "passed", **given)


def _checks(ledger: Ledger) -> list[tuple]:
    columns = "coalesce(source, table_name), coalesce(batch_date, as_of), expectation"
    return query(ledger.warehouse, f"SELECT {columns} FROM ops.validations ORDER BY 1, 2, 3")


def test_validations_are_kept_whole(ledger: Ledger) -> None:
    check = Validation(
        "expect_column_values_to_be_between", "warning", "failed", suite="orders", column_name="amount",
        evaluated=100, failing=3, observed={"min": Decimal("-1.5"), "mean": float("nan"), "n": np.int64(3)},
        message="3 of 100",
    )  # fmt: skip
    with ledger.run("validate", source="orders") as run:
        ledger.record_validations([check], source="orders", dates=DateRange(DAY, NEXT))
    columns = (
        "run_id, batch_date, batch_last, suite, column_name, severity, status, evaluated, failing, observed, message"
    )
    assert query(ledger.warehouse, f"SELECT {columns} FROM ops.validations") == [
        (run.run_id, DAY, NEXT, "orders", "amount", "warning", "failed", 100, 3,
         {"min": "-1.5", "mean": None, "n": 3}, "3 of 100")
    ]  # fmt: skip


def test_validations_replace_those_of_the_same_data(ledger: Ledger) -> None:
    for name in ("first", "second"):
        ledger.record_validations([_check(name), _check("both")], source="orders", dates=DateRange(DAY, DAY))
        ledger.record_validations([_check(name)], source="orders", dates=DateRange(NEXT, NEXT))
        ledger.record_validations([_check(name)], table="customer_scores", as_of=DAY)
    ledger.record_validations([_check("other")], source="events", dates=DateRange(DAY, DAY))
    ledger.record_validations([], table="customer_scores", as_of=NEXT)
    assert _checks(ledger) == [
        ("customer_scores", DAY, "second"),
        ("events", DAY, "other"),
        ("orders", DAY, "both"),
        ("orders", DAY, "second"),
        ("orders", NEXT, "second"),
    ]


def test_a_range_replaces_the_days_within_it(ledger: Ledger) -> None:
    for number in range(4):
        day = DAY + timedelta(days=number)
        ledger.record_validations([_check("day")], source="orders", dates=DateRange(day, day))
    ledger.record_validations([_check("range")], source="orders", dates=DateRange(NEXT, DAY + timedelta(days=2)))
    days = [DAY, NEXT, DAY + timedelta(days=3)]
    assert _checks(ledger) == list(zip(["orders"] * 3, days, ["day", "range", "day"], strict=True))


def test_a_validation_is_of_a_source_or_of_a_table(ledger: Ledger) -> None:
    with pytest.raises(WarehouseError, match="validations_subject"):
        ledger.record_validations(
            [_check("x")], source="orders", dates=DateRange(DAY, DAY), table="customer_scores", as_of=DAY
        )


# models, publications, status


MODEL = Model("bgnbd", "v1", DAY, date(2025, 1, 1), DAY, "data", "print", {"r": 0.24, "n": [1, 2]}, {"ll": -9582.4})


def test_a_model_recorded_again_replaces_itself(ledger: Ledger) -> None:
    ledger.record_model(MODEL)
    ledger.record_model(replace(MODEL, fingerprint="other", metrics={"rmse": 1.5}))
    ledger.record_model(replace(MODEL, version="v2", trained_as_of=NEXT, metrics={}))
    rows = query(ledger.warehouse, "SELECT version, fingerprint, card FROM ops.models ORDER BY 1")
    assert rows == [("v1", "other", {"r": 0.24, "n": [1, 2]}), ("v2", "print", {"r": 0.24, "n": [1, 2]})]
    assert query(ledger.warehouse, "SELECT version, metric, value FROM ops.model_metrics") == [("v1", "rmse", 1.5)]


def test_publications_and_the_current_day(ledger: Ledger) -> None:
    published = publish_day(ledger.warehouse, DAY, make_day(), audit=no_audit)
    assert ledger.publications(DAY) == sorted(published, key=lambda each: each.table)
    assert ledger.publications(NEXT) == []
    assert ledger.current_day() == DAY


def test_status_of_an_empty_warehouse(ledger: Ledger) -> None:
    assert ledger.status().as_dict() == {
        "current_day": None, "publications": [], "batches": [], "failed": [], "running": [], "models": [],
    }  # fmt: skip


def test_status_tells_what_is_current_and_what_still_fails(ledger: Ledger) -> None:
    publish_day(ledger.warehouse, DAY, make_day(), audit=no_audit)
    ledger.record_batches([BATCH, replace(BATCH, batch_date=NEXT), replace(BATCH, source="events")])
    ledger.record_model(MODEL)
    ledger.record_model(replace(MODEL, version="v2", trained_as_of=NEXT))
    for source in ("orders", "events"):
        with pytest.raises(BatchRejectedError):
            _fail(ledger, source)
    with ledger.run("validate", source="orders", partition_first=DAY, partition_last=DAY):
        pass  # mended
    status = ledger.status()
    assert status.current_day == DAY
    assert len(status.publications) == len(PUBLISHED)
    assert [(batch.source, batch.batch_date) for batch in status.batches] == [("events", DAY), ("orders", NEXT)]
    assert [(run.source, run.error_type) for run in status.failed] == [("events", "BatchRejectedError")]
    assert [(model.version, dict(model.metrics)) for model in status.models] == [("v2", {"ll": -9582.4})]
    assert json.loads(json.dumps(status.as_dict()))["models"][0]["trained_as_of"] == "2026-03-06"


def _fail(ledger: Ledger, source: str) -> None:
    with ledger.run("validate", source=source, partition_first=DAY, partition_last=DAY):
        raise BatchRejectedError("no")


def test_plain_values() -> None:
    given = {"d": DAY, "t": (1, 2.5, None, True), "n": np.array([1.5, np.nan]), "m": Decimal("1.10"), 3: {"x"}}
    assert plain(given) == {"d": "2026-03-05", "t": [1, 2.5, None, True], "n": [1.5, None], "m": "1.10", "3": ["x"]}
