"""A correction that reaches back: restated beside the live shop, compared, swapped in, undone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from ddcrm import progress
from ddcrm.dates import DateRange
from ddcrm.errors import PlanOutdatedError, RestatementError, SchemaChangedError
from ddcrm.pipeline.planning import make_plan
from ddcrm.pipeline.restate import propose, restate
from ddcrm.pipeline.restate_swap import swap, undo
from ddcrm.pipeline.shadow import lake_gate, restatements_dir
from ddcrm.settings import Settings
from ddcrm.warehouse.connect import Warehouse
from ddcrm.warehouse.embedded import EmbeddedPostgres
from ddcrm.warehouse.ledger import Ledger
from ddcrm.warehouse.restate import approve
from tests.pipeline import days as run
from tests.pipeline.lived import AMOUNT, NET_AMOUNT, PUBLISHED, TRAININGS, Lived, live, version, warehouse_of
from tests.pipeline.reading import conformed, ledger, published, rows
from tests.pipeline.shop import FIRST, Shop, order

WHO = {"who": "ann", "why": "shipping no longer counts"}


@pytest.fixture(scope="module")
def corrected(postgres_server: EmbeddedPostgres, _template: str, tmp_path_factory: Any) -> dict[str, Any]:
    """What a shop has whose contract was the new one from the start."""
    with warehouse_of(postgres_server, _template):
        return state(live(tmp_path_factory.mktemp("corrected") / "shop", NET_AMOUNT).settings)


@pytest.fixture
def shop(lived: Lived, postgres_server: EmbeddedPostgres, tmp_path: Path) -> Iterator[Shop]:
    with lived.copy(postgres_server, tmp_path / "shop") as own:
        yield own


def state(settings: Settings, days: list[date] = PUBLISHED) -> dict[str, Any]:
    """Everything that readers and the next steps see."""
    versions = "SELECT source, batch_date, contract_version, used_digest FROM ops.batches ORDER BY 1, 2"
    found = {str(day): published(settings, day) for day in days}
    models = {file.name: file.read_text() for file in sorted((settings.lake_dir / "models").glob("*/current/*.json"))}
    return {**found, "ledger": ledger(settings), "versions": rows(settings, versions), "lake": conformed(settings),
            "models": models}  # fmt: skip


def noted(settings: Settings) -> list[Any]:
    """What the ledger says of checks, and which versions of models it calls the newest."""
    with Warehouse.open(settings) as warehouse:
        models = sorted((each.name, each.version) for each in Ledger(warehouse).status().models)
    columns = "run_id, source, batch_date, batch_last, expectation, column_name, status, observed::text, recorded_at"
    return [models, rows(settings, f"SELECT {columns} FROM ops.validations ORDER BY recorded_at, {columns}")]


def agree(settings: Settings, restatement_id: str) -> None:
    with Warehouse.open(settings) as warehouse:
        approve(warehouse, restatement_id, who="bob")


def made(shop: Shop, **options: Any) -> str:
    """A restatement that was proposed, approved and worked."""
    found, _ = propose(shop.settings, **WHO, **options)
    assert found is not None
    agree(shop.settings, found)
    comparison = restate(shop.settings, found)
    if comparison.beyond_limits:
        agree(shop.settings, found)
    return found


def test_a_correction_that_reaches_back(shop: Shop, corrected: dict[str, Any]) -> None:
    toml = shop.folder / "ddcrm.toml"
    toml.write_text(toml.read_text() + "\n[restate]\nmax_value_change = 0.001\n")
    settings = shop.settings
    before, said = state(settings), noted(settings)
    version(shop, "1.1.0", FIRST, NET_AMOUNT)
    found, plan = propose(settings, **WHO)
    assert found is not None
    assert [each.as_of for each in plan.trainings] == TRAININGS
    with pytest.raises(RestatementError, match="approve"):
        restate(settings, found)
    agree(settings, found)
    comparison = restate(settings, found)
    assert [day["as_of"] for day in comparison.document["days"]] == [str(day) for day in PUBLISHED]
    assert comparison.beyond_limits
    assert state(settings) == before
    with pytest.raises(RestatementError, match="beyond the limits"):
        swap(settings, found, who="ann")
    agree(settings, found)
    assert swap(settings, found, who="ann").state == "swapped"
    assert {name for name, part in state(settings).items() if part != corrected[name]} == set()
    assert {name for name, part in before.items() if part != corrected[name]} == set(before)
    assert not make_plan(settings)
    assert [part for part, then in zip(noted(settings), said, strict=True) if part == then] == []
    assert swap(settings, found, who="ann").state == "swapped"

    assert undo(settings, found, who="ann").state == "undone"
    assert (state(settings), noted(settings)) == (before, said)
    again = make_plan(settings)
    assert again.id == plan.id
    assert [day.as_of for day in again.days] == PUBLISHED


def test_life_goes_on_meanwhile(shop: Shop) -> None:
    """A day that is published between plan and swap: the swap refuses, the work takes it up, the approval stands."""
    settings, more = shop.settings, PUBLISHED[-1] + timedelta(days=1)
    version(shop, "1.1.0", PUBLISHED[2], NET_AMOUNT)
    first = made(shop)
    done = sorted(file.name for file in (restatements_dir(settings) / first / "batches").glob("*.json"))
    run.ingest(settings, more)
    run.days(settings, more, more)
    before = state(settings, [*PUBLISHED, more])
    with pytest.raises(PlanOutdatedError, match=f"ddcrm restate run {first}"):
        swap(settings, first, who="ann")
    assert state(settings, [*PUBLISHED, more]) == before
    comparison = restate(settings, first)
    assert [day["as_of"] for day in comparison.document["days"]] == [str(day) for day in (*PUBLISHED[2:], more)]
    kept = sorted(file.name for file in (restatements_dir(settings) / first / "batches").glob("*.json"))
    assert kept == done  # conformed once
    swap(settings, first, who="ann")
    assert not make_plan(settings)
    now = state(settings, [*PUBLISHED, more])
    assert all(now[str(day)] != before[str(day)] for day in (*PUBLISHED[2:], more))
    run.score(settings, [more])  # as it would be made now
    assert state(settings, [*PUBLISHED, more]) == now
    run.ingest(settings, PUBLISHED[2])  # taken in again: undoing would take that back
    with pytest.raises(PlanOutdatedError, match="taken in again"):
        undo(settings, first, who="ann")


def test_days_after_a_late_batch(shop: Shop) -> None:
    """No batch is restated: it is conformed already; the days that should have seen it are."""
    settings, late = shop.settings, PUBLISHED[1]
    before = state(settings)
    shop.rows[late] += order("LATE1", "C0000", FIRST, 55.0)
    shop.write(late)
    run.ingest(settings, late)
    found = made(shop)
    swap(settings, found, who="ann")
    after = state(settings)
    assert after["2026-01-16"] == before["2026-01-16"]
    assert all(after[str(day)] != before[str(day)] for day in PUBLISHED[1:])
    run.days(settings, PUBLISHED[1], PUBLISHED[-1])  # as if it had been there in time
    assert state(settings) == after


def test_a_reading_that_is_off_by_a_unit_is_found_before_the_swap(shop: Shop) -> None:
    """Euros are taken for cents from some day on: the batches fit their contract, and not those before."""
    settings, before = shop.settings, state(shop.settings)
    cents = (AMOUNT, f"{AMOUNT}, transformLogic: 'CAST(amount AS DECIMAL(18, 2)) * 100'")
    version(shop, "1.1.0", PUBLISHED[2], cents)
    found, _ = propose(settings, **WHO)
    assert found is not None
    agree(settings, found)
    for _ in range(2):  # what is conformed already is judged again
        with pytest.raises(SchemaChangedError, match="Nothing is swapped in") as caught:
            restate(settings, found)
        facts = caught.value.source, caught.value.column, caught.value.partition, caught.value.contract_version
        assert facts == ("orders", "amount", str(PUBLISHED[2]), "1.1.0")
    version(shop, "1.1.0", FIRST, cents)  # of all days, and only some are restated
    found, _ = propose(settings, **WHO, dates=DateRange(PUBLISHED[2], PUBLISHED[-1]))
    assert found is not None
    agree(settings, found)
    with pytest.raises(SchemaChangedError, match=f"partition {PUBLISHED[2]}.*restate all days that it reads"):
        restate(settings, found)
    assert state(settings) == before


def test_a_training_alone(shop: Shop) -> None:
    """Models that no published day has used yet: a batch came late, they are trained again, and that is all."""
    settings, sunday = shop.settings, PUBLISHED[-1] + timedelta(days=6)
    run.ingest(settings, PUBLISHED[-1] + timedelta(days=1), sunday)
    run.train(settings, sunday)
    before, said = state(settings), noted(settings)
    shop.rows[sunday] += order("LATE1", "C0000", FIRST, 55.0)
    shop.write(sunday)
    run.ingest(settings, sunday)
    plan = make_plan(settings)
    assert ([each.as_of for each in plan.trainings], plan.days, plan.batches) == ([sunday], (), ())
    taken_in = state(settings)
    found = made(shop)
    swap(settings, found, who="ann")
    assert not make_plan(settings)
    assert state(settings)["models"] != before["models"]
    undo(settings, found, who="ann")
    assert state(settings) == taken_in
    assert noted(settings)[0] == said[0]


def test_from_the_command_line(shop: Shop) -> None:
    """The commands of docs/restate.md, one after another."""
    from typer.testing import CliRunner

    from ddcrm.cli import app

    def said(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["--project", str(shop.folder), "restate", *words])
        assert result.exit_code == code, result.output
        return result.output

    assert "nothing to restate" in said()
    assert "there are no restatements" in said("list")
    version(shop, "1.1.0", PUBLISHED[3], NET_AMOUNT)
    before = state(shop.settings)
    assert "r1 waits" in said()
    assert "r1 waits" in said()
    assert "nobody has approved it yet" in said("run", "r1", code=1)
    assert "r1 is approved" in said("approve", "r1", "--why", "looked at")
    page = shop.folder / "page.html"
    assert "1 days are staged and compared" in said("run", "r1", "--page", str(page))
    assert "2026-01-19" in page.read_text()
    assert "looked at" in said("show", "r1", "--page", str(page))
    assert "`ddcrm restate show r1 --page FILE`" in said("show", "r1", "--page", str(page / "no"), code=1)
    assert "r1 is dropped" in said("drop", "r1")
    assert not (restatements_dir(shop.settings) / "r1").exists()
    assert "dropped" in said("run", "r1", code=1)
    assert state(shop.settings) == before
    assert json.loads(said("--yes", "--why", "ticket 4711", "--jobs", "1", "--json"))["state"] == "swapped"
    assert json.loads(said("list", "--json"))["restatements"][0]["state"] == "swapped"
    assert state(shop.settings) != before
    assert "r2 is undone: 1 days are as they were" in said("undo", "r2", "--why", "wrong")
    assert state(shop.settings) == before


def test_no_batch_becomes_visible_amid_a_swap(shop: Shop) -> None:
    """Who accepts batches waits for the gate that a swap holds."""
    audited, accepting = Event(), Event()
    events = {"audit.end": audited, "accept.begin": accepting}

    def heard(name: str, facts: dict[str, Any]) -> None:
        if name in events:
            events[name].set()

    with progress.listening(heard), ThreadPoolExecutor(1) as pool:
        with lake_gate(shop.settings, shared=False):
            ingesting = pool.submit(run.ingest, shop.settings, PUBLISHED[0])
            assert audited.wait(120)
            assert not accepting.wait(0.5)
        ingesting.result(120)
    assert accepting.is_set()
