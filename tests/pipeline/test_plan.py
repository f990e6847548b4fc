"""Plans of a shop whose contract, suite, settings or batches change after days were published."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from ddcrm.dates import DateRange
from ddcrm.pipeline.ingest import extract
from ddcrm.pipeline.plan import Plan
from ddcrm.pipeline.planning import make_plan
from ddcrm.warehouse.embedded import EmbeddedPostgres
from ddcrm.warehouse.tables import published_names
from tests.pipeline import days as run
from tests.pipeline.lived import NET_AMOUNT, PUBLISHED, TRAININGS, Lived, version
from tests.pipeline.shop import FIRST, SUITE, Shop, order


@pytest.fixture(scope="module")
def own(lived: Lived, postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The module's shop; tests that change more than the project's files put that back, or go last."""
    with lived.copy(postgres_server, tmp_path_factory.mktemp("plan") / "shop") as shop:
        yield shop


@pytest.fixture
def shop(own: Shop) -> Iterator[Shop]:
    """The same, its project's files as they were afterwards."""
    files = [file for place in ("contracts", "expectations") for file in (own.folder / place).rglob("*.*")]
    before = {file: file.read_text() for file in [*files, own.folder / "ddcrm.toml"]}
    yield own
    for file in [file for place in ("contracts", "expectations") for file in (own.folder / place).rglob("*.*")]:
        if file not in before:
            file.unlink()
    for file, text in before.items():
        file.write_text(text)


def days_of(plan: Plan) -> list[date]:
    return [day.as_of for day in plan.days]


def batches_of(plan: Plan) -> list[tuple[date, date]]:
    return [(each.dates.first, each.dates.last) for each in plan.batches]


def test_nothing_to_do(shop: Shop) -> None:
    plan = make_plan(shop.settings)
    assert not plan
    assert plan.as_dict()["days"] == {}
    assert plan.kept == (
        "19 batches of orders: they would come out the same now",
        "2 trainings: they would learn the same now",
        "4 published days: they would come out the same now",
    )


def test_a_corrected_mapping_from_day_1(shop: Shop) -> None:
    version(shop, "1.1.0", FIRST, NET_AMOUNT)
    plan = make_plan(shop.settings)
    (batches,) = plan.batches
    assert (batches.dates.first, batches.dates.last) == (FIRST, PUBLISHED[-1])
    assert (batches.made_by_version, batches.version) == ("1.0.0", "1.1.0")
    assert batches.reasons == ("amount read otherwise",)
    assert batches.rows == sum(len(rows) for day, rows in shop.rows.items() if day <= PUBLISHED[-1])
    assert [each.as_of for each in plan.trainings] == TRAININGS
    assert days_of(plan) == PUBLISHED
    assert plan.days[0].reasons == (
        "16 batches of orders are restated, from 2026-01-01 on",
        "the models as of 2026-01-16 are trained again",
    )
    assert plan.seconds is not None
    assert plan.seconds > 0
    assert make_plan(shop.settings).id == plan.id
    assert {tuple(sorted(digests)) for digests in plan.as_dict()["days"].values()} == {tuple(sorted(published_names()))}
    assert plan.as_dict()["versions"] == {"from": {"orders": "1.0.0"}, "to": {"orders": "1.1.0"}}


def test_a_version_that_begins_in_the_middle(shop: Shop) -> None:
    version(shop, "1.1.0", PUBLISHED[2], NET_AMOUNT)
    plan = make_plan(shop.settings)
    assert batches_of(plan) == [(PUBLISHED[2], PUBLISHED[3])]
    assert [each.as_of for each in plan.trainings] == TRAININGS[1:]
    assert days_of(plan) == PUBLISHED[2:]
    assert "17 batches of orders: they would come out the same now" in plan.kept
    assert "1 trainings: they would learn the same now" in plan.kept


def test_a_range_bounds_causes_and_not_what_follows(shop: Shop) -> None:
    version(shop, "1.1.0", FIRST, NET_AMOUNT)
    plan = make_plan(shop.settings, DateRange(PUBLISHED[1], PUBLISHED[1]))
    assert batches_of(plan) == [(PUBLISHED[1], PUBLISHED[1])]
    assert days_of(plan) == PUBLISHED[1:]
    assert [each.as_of for each in plan.trainings] == TRAININGS[1:]
    assert "18 batches of orders: they are not in the range asked for" in plan.kept


ADDED = "      - {name: status, physicalName: status, logicalType: string}\n"


@pytest.mark.parametrize(
    ("column", "touches"),
    [
        ("{name: loyalty_tier, physicalName: Tier, logicalType: string}", False),
        ("{name: currency, physicalName: Tier, logicalType: string}", False),
        ("{name: channel, physicalName: Tier, logicalType: string}", True),  # features can read it
        ("{name: points, physicalName: Tier, logicalType: integer}", True),  # refuses what is no integer
        ("{name: loyalty_tier, physicalName: Tier, logicalType: string, required: true}", True),
    ],
)
def test_an_added_column(shop: Shop, column: str, touches: bool) -> None:
    version(shop, "1.1.0", FIRST, (ADDED, f"{ADDED}      - {column}\n"))
    plan = make_plan(shop.settings)
    assert bool(plan) == touches
    assert days_of(plan) == (PUBLISHED if touches else [])
    name = column.split(",")[0].removeprefix("{name: ")
    if not touches:
        assert any(f"no score reads {name}, and no row is refused" in line for line in plan.kept)
    else:
        assert plan.batches[0].reasons == (f"{name} added",)


def test_words_and_servers_touch_nothing(shop: Shop) -> None:
    version(shop, "1.1.0", FIRST, ("name: shop orders", "name: orders of the shop"), ("orders/{batch", "o/{batch"),
            ("maxQuarantinedShare, value: 0.1", "maxQuarantinedShare, value: 0.2"))  # fmt: skip
    assert not make_plan(shop.settings)


@pytest.mark.parametrize(("severity", "touches"), [("critical", True), ("warning", False)])
def test_a_new_expectation(shop: Shop, severity: str, touches: bool) -> None:
    extra = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "max_value": 200},
             "severity": severity, "meta": {"notes": "Not that much."}}  # fmt: skip
    document: dict[str, Any] = {**SUITE, "expectations": [*SUITE["expectations"], extra]}  # type: ignore[misc]
    (shop.folder / "expectations/orders.json").write_text(json.dumps(document))
    plan = make_plan(shop.settings)
    assert days_of(plan) == (PUBLISHED if touches else [])
    assert [each.reasons for each in plan.batches] == (
        [("critical expectations of its suite have changed",)] if touches else []
    )


@pytest.mark.parametrize(
    ("lines", "trainings"),
    [("[value]\ndiscount_rate_annual = 0.2\n[segments]", []), ("[segments]\nk_max = 5", TRAININGS)],
)
def test_settings(shop: Shop, lines: str, trainings: list[date]) -> None:
    toml = shop.folder / "ddcrm.toml"
    toml.write_text(toml.read_text().replace("[segments]", lines))
    plan = make_plan(shop.settings)
    assert (plan.batches, [each.as_of for each in plan.trainings], days_of(plan)) == ((), trainings, PUBLISHED)
    again = ("the models as of 2026-01-16 are trained again",) if trainings else ()
    assert plan.days[0].reasons == (*again, "the settings have changed")


def test_the_code_of_scoring(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddcrm.training.fingerprint.score_fingerprint", lambda: "another")
    plan = make_plan(shop.settings)
    assert (plan.batches, plan.trainings, days_of(plan)) == ((), (), PUBLISHED)
    assert {day.reasons for day in plan.days} == {("the code or its libraries have changed",)}


def test_a_batch_of_which_nobody_knows_what_made_it(shop: Shop) -> None:
    from sqlalchemy import text

    from ddcrm.warehouse.connect import Warehouse

    forget = text("UPDATE ops.batches SET made_by = NULL WHERE batch_date = '2026-01-19' RETURNING 1")
    with Warehouse.open(shop.settings) as warehouse, warehouse.begin() as connection:
        assert connection.execute(forget).scalar() == 1
    plan = make_plan(shop.settings)
    assert (batches_of(plan), days_of(plan)) == ([(PUBLISHED[3], PUBLISHED[3])], PUBLISHED[3:])
    assert plan.batches[0].reasons == ("it is not known what made it",)
    run.ingest(shop.settings, PUBLISHED[3])  # the same rows: what follows from them stands
    assert not make_plan(shop.settings)


def test_batches_that_land_again_or_late(shop: Shop) -> None:
    """First landed only, then accepted; last, for it changes the shop."""
    day = PUBLISHED[1]
    shop.rows[day] += order("LATE1", "C0000", day - timedelta(days=2), 55.0)
    shop.write(day)
    extract(shop.settings, "orders", DateRange(day, day))
    plan = make_plan(shop.settings)
    assert [(each.dates, each.reasons) for each in plan.batches] == [(DateRange(day, day), ("it has landed again",))]
    assert days_of(plan) == PUBLISHED[1:]
    run.ingest(shop.settings, day)
    plan = make_plan(shop.settings)
    assert (plan.batches, [each.as_of for each in plan.trainings]) == ((), TRAININGS[1:])
    assert days_of(plan) == PUBLISHED[1:]
    assert plan.days[0].reasons == ("batches came or changed after it: orders 2026-01-17",)
    run.days(shop.settings, PUBLISHED[1], PUBLISHED[3])
    assert not make_plan(shop.settings)
