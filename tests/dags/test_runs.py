"""The DAGs in this process, with the library's own steps, on a small shop."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from ddcrm.dates import DateRange
from ddcrm.errors import SourceUnavailableError
from ddcrm.warehouse.tables import PUBLISHED
from tests.dags.conftest import RunDag
from tests.pipeline.reading import ledger, rows
from tests.pipeline.shop import FIRST, Shop

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("airflow")]
STEPS = ["orders.extract", "orders.transform", "orders.validate"]


def states(run: Any) -> dict[str, str]:
    return {instance.task_id: str(instance.state) for instance in run.get_task_instances()}


def tries(run: Any) -> dict[str, int]:
    return {instance.task_id: instance.try_number for instance in run.get_task_instances()}


def event(run: Any, asset: str) -> Any:
    """What the run said of an asset; None where it said nothing."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    query = select(AssetEvent.extra).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
    with create_session() as session:
        query = query.where(AssetModel.name == asset, AssetEvent.source_run_id == run.run_id)
        return session.scalar(query)


def partitions(run: Any, asset: str) -> list[str]:
    """The keys for which the run said something of an asset."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    query = select(AssetEvent.partition_key).join(AssetModel, AssetModel.id == AssetEvent.asset_id)
    with create_session() as session:
        found = session.scalars(query.where(AssetModel.name == asset, AssetEvent.source_run_id == run.run_id))
        return sorted(found.all())


def buyers(shop: Shop, until: date) -> int:
    return len({row["Cust"] for day, lines in shop.rows.items() for row in lines if day <= until})


def add_returns(shop: Shop, effective_from: str = "2026-01-01") -> None:
    """A second source, whose files are not there."""
    returns = shop.folder / "contracts/returns/1.0.0.yaml"
    returns.parent.mkdir()
    text = (shop.folder / "contracts/orders/1.0.0.yaml").read_text()
    for old, new in (
        ("id: shop.orders", "id: shop.returns"),
        ("'orders/{", "'returns/{"),
        ("2026-01-01", effective_from),
    ):
        assert old in text
        text = text.replace(old, new)
    returns.write_text(text)


def test_a_sunday_from_its_files_to_the_warehouse_and_the_monday_after(shop: Shop, run_dag: RunDag) -> None:
    """The DAGs in the order in which they call each other; only a Sunday trains."""
    from ddcrm.pipeline.ingest import ingest

    sunday, monday = shop.last - timedelta(days=1), shop.last
    assert (f"{sunday:%A}", f"{monday:%A}") == ("Sunday", "Monday")
    ingest(shop.settings, "orders", DateRange(FIRST, sunday - timedelta(days=1)))
    for day in (sunday, monday):
        ingested, trained, scored = (run_dag(f"crm_{name}", str(day)) for name in ("ingest", "train", "score"))
        assert states(ingested) == dict.fromkeys([*STEPS, "conformed"], "success")
        assert states(trained) == {"train": "success"}
        assert states(scored) == {"score": "success", "publish": "success"}
        assert event(ingested, "ddcrm_conformed")["orders"]["conformed"] == len(shop.rows[day])
        assert event(trained, "ddcrm_models")["trained"] is (day == sunday)
        digests = dict(rows(shop.settings, "SELECT table_name, digest FROM ops.publications WHERE as_of = %s", day))
        assert len(digests) == len(PUBLISHED)
        assert event(scored, "ddcrm_published")["digests"] == digests
        [(customers,)] = rows(shop.settings, "SELECT count(*) FROM crm.customer_scores WHERE as_of = %s", day)
        assert customers == buyers(shop, day)
    assert {source_and_day[1] for source_and_day in ledger(shop.settings)} == set(DateRange(FIRST, monday))


def test_a_run_without_a_partition_key_is_refused(
    shop: Shop, run_dag: RunDag, caplog: pytest.LogCaptureFixture
) -> None:
    run = run_dag("crm_ingest", None)
    assert states(run)["orders.extract"] == "failed"
    assert tries(run)["orders.extract"] == 1
    assert "this run has no partition key" in caplog.text
    assert ledger(shop.settings) == []


def test_a_source_that_failed_leaves_the_others_going_on_and_nothing_is_announced(
    shop: Shop, run_dag: RunDag, caplog: pytest.LogCaptureFixture
) -> None:
    add_returns(shop)
    run = run_dag("crm_ingest", str(FIRST))
    expected = dict.fromkeys(STEPS, "success") | {"returns.extract": "failed"}
    expected |= dict.fromkeys(["returns.transform", "returns.validate", "conformed"], "upstream_failed")
    assert states(run) == expected
    assert tries(run)["returns.extract"] == 1, "a file that is not there does not appear by itself"
    assert event(run, "ddcrm_conformed") is None
    [said] = [record for record in caplog.records if record.name == "ddcrm.task" and record.levelname == "ERROR"]
    assert "MissingDataError" in said.getMessage()
    assert f"returns/{FIRST}.csv" in said.getMessage()


def test_a_day_after_a_gap_waits_until_it_is_filled_or_let_pass(shop: Shop, run_dag: RunDag) -> None:
    first, second, third, fourth = (FIRST + timedelta(days=number) for number in range(4))
    assert partitions(run_dag("crm_ingest", str(first)), "ddcrm_conformed") == [str(first)]
    early = run_dag("crm_ingest", str(third))
    assert states(early) == dict.fromkeys(STEPS, "success") | {"conformed": "failed"}
    assert tries(early)["conformed"] == 1, "whoever fills the gap releases it"
    of_backfill = run_dag("crm_ingest", str(fourth), backfill={"id": 1, "first": str(third)})
    assert states(of_backfill)["conformed"] == "skipped", "it waits and holds nothing"
    assert [partitions(each, "ddcrm_conformed") for each in (early, of_backfill)] == [[], []]
    let_pass = run_dag("crm_ingest", str(third), allow_gap=True)
    assert partitions(let_pass, "ddcrm_conformed") == [str(third), str(fourth)]
    filled = run_dag("crm_ingest", str(second))
    assert partitions(filled, "ddcrm_conformed") == [str(second), str(third), str(fourth)]


def test_a_source_that_begins_later_is_skipped(shop: Shop, run_dag: RunDag) -> None:
    add_returns(shop, effective_from="2026-02-01")
    run = run_dag("crm_ingest", str(FIRST))
    skipped = ["returns.extract", "returns.transform", "returns.validate"]
    assert states(run) == dict.fromkeys([*STEPS, "conformed"], "success") | dict.fromkeys(skipped, "skipped")
    assert set(event(run, "ddcrm_conformed")) == {"orders"}


def test_a_source_that_does_not_answer_is_asked_again(
    shop: Shop, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ddcrm_policy

    from ddcrm.pipeline import ingest

    extract, calls = ingest.extract, []

    def twice(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise SourceUnavailableError("it does not answer", source="orders")
        return extract(*arguments)

    monkeypatch.setattr(ingest, "extract", twice)
    monkeypatch.setitem(ddcrm_policy.TASK_DEFAULTS, "retry_delay", timedelta(seconds=1))
    run = run_dag("crm_ingest", str(FIRST))
    assert set(states(run).values()) == {"success"}
    assert (len(calls), tries(run)["orders.extract"], tries(run)["orders.transform"]) == (2, 2, 1)
