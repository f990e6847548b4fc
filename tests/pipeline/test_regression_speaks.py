"""A run in which a regression speaks: it wins, its scores and intervals are published, and plans know what it reads."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from ddcrm.errors import MissingDataError
from ddcrm.lake.engine import Engine
from ddcrm.models.regression import KINDS
from ddcrm.pipeline.planning import make_plan
from ddcrm.pipeline.ready import check_ready
from ddcrm.pipeline.score import publish, score
from ddcrm.pipeline.train import registry, train
from ddcrm.settings import Settings
from ddcrm.warehouse.embedded import EmbeddedPostgres
from tests.conftest import _database
from tests.pipeline import tiered
from tests.pipeline.reading import rows

pytestmark = pytest.mark.slow

DAY, EARLY = tiered.DAY, tiered.DRAWN[2]  # as of the early day the history is too short for a regression of a year
MODELS = ("mbgnbd", "gamma_gamma", "regression_90d", "regression_365d", "value")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, postgres_server: EmbeddedPostgres, _template: str
             ) -> Iterator[Settings]:  # fmt: skip
    """The shop with two days published, each with models of its own; the tests that change it go last."""
    with pytest.MonkeyPatch.context() as patch:
        for url in _database(postgres_server, _template):
            patch.setenv("DDCRM_WAREHOUSE_URL", url)
            made = tiered.make(tmp_path_factory.mktemp("tiered") / "shop")
            tiered.take_in(made, tiered.DRAWN[:3])
            for arrives, day in ([], EARLY), ([tiered.DRAWN[3], DAY], DAY):
                tiered.take_in(made, arrives)
                train(made, day, MODELS)
                score(made, day)
                publish(made, day)
            yield made


def methods(settings: Settings, day: date) -> list[tuple[str, int]]:
    query = f"SELECT value_method, count(*) FROM crm.customer_scores WHERE as_of = '{day}' GROUP BY 1"
    return [tuple(row) for row in rows(settings, query)]


def test_it_speaks_where_it_could_be_learned(settings: Settings) -> None:
    ((method, customers),) = methods(settings, DAY)
    ((before, _),) = methods(settings, EARLY)
    assert method in KINDS
    assert customers == tiered.CUSTOMERS
    assert before not in KINDS
    card = registry(settings).newest("value", DAY).card["parameters"]["backtest"]
    assert card["beats_heuristic"] is True
    assert (card["holdout_days"], card["horizon_days"]) == (365, 365)  # two years and 90 days: judged over what it says
    assert "judged over 365 days, as many as it speaks of" in registry(settings).newest("value", DAY).card["notes"]
    assert registry(settings).newest("value", EARLY).card["parameters"]["backtest"]["holdout_days"] == 90
    errors = {name: one["spend"]["rmse"] for name, one in card["methods"].items() if "spend" in one}
    assert errors[method] < 0.95 * min(value for name, value in errors.items() if name not in KINDS)


def test_its_card_says_what_it_learned_from_and_what_it_uses(settings: Settings) -> None:
    told = registry(settings).newest("regression_365d", DAY).card["parameters"]
    assert {"customer_tier", "customer_days", "spend_365d"} <= set(told["offered"])
    assert not {"events_30d", "tickets"} & set(told["offered"])
    assert "customer_tier" in list(told["features"])[:3]
    assert set(told["features"]) < set(told["offered"])
    assert sum(told["features"].values()) == pytest.approx(1)


def test_what_is_published_is_what_the_model_says_of_the_tiers_of_the_day(settings: Settings) -> None:
    from ddcrm.features.table import feature_table
    from ddcrm.training.regressions import all_columns

    models = registry(settings)
    version = models.newest("value", DAY).card["parameters"]["versions"]["regression_365d"]
    model = models.load(models.version("regression_365d", version))
    with Engine(settings) as engine:
        features = feature_table(engine, DAY, ["customer_id", *model.used_])
    assert features is not None
    evenly = -np.expm1(-np.log(1.1)) / np.log(1.1)  # of 10 % a year, continuously, of spend that falls evenly into it
    expected = model.predict(all_columns(features)) * evenly
    query = f"SELECT customer_id, clv_365d, clv_365d_low, clv_365d_high FROM crm.customer_scores WHERE as_of = '{DAY}'"
    found = sorted(rows(settings, query))
    assert [row[0] for row in found] == features["customer_id"].to_pylist()
    assert [float(row[1]) for row in found] == pytest.approx(list(expected), abs=0.0051)
    ends = models.load(models.newest("value", DAY)).bands.of(expected / evenly, 365)
    published = np.array([row[2:] for row in found], dtype=float).T
    np.testing.assert_allclose(published, np.array(ends) * evenly, atol=0.0051, rtol=0)
    assert all(Decimal(0) <= low <= high for _, _, low, high in found)
    assert len({high for _, _, _, high in found}) > 100
    gold = np.array(features["customer_tier"].to_pylist()) == "gold"
    values = np.array([float(row[1]) for row in found])
    assert values[gold].mean() > 1.3 * values[~gold].mean()


def test_only_the_day_of_which_it_speaks_read_the_tiers(settings: Settings) -> None:
    made_by = dict(rows(settings, "SELECT DISTINCT as_of, made_by::text FROM ops.publications"))
    assert ('"customers"' in made_by[DAY], '"customers"' in made_by[EARLY]) == (True, False)


def test_a_day_waits_for_what_its_regression_reads(settings: Settings) -> None:
    check_ready(settings, EARLY)
    with pytest.raises(MissingDataError, match=r"not been ingested.*customers") as caught:  # tiers came 90 days ago
        check_ready(settings, DAY)
    assert caught.value.source == "customers"


def test_the_same_again_is_the_same(settings: Settings) -> None:
    assert not make_plan(settings)
    found = score(settings, DAY)
    shutil.rmtree(settings.lake_dir / "scores" / str(DAY))
    assert score(settings, DAY).fingerprint == found.fingerprint


def test_another_mapping_of_tiers_restates_what_was_made_of_them(settings: Settings) -> None:
    tier = "physicalName: tier, logicalType: string"
    tiered.version(settings.project_dir, "customers", "1.1.0", (tier, f"{tier}, transformLogic: upper(tier)"))
    plan = make_plan(settings)
    assert [(each.source, each.scored) for each in plan.batches] == [("customers", True)] * 4
    assert [each.as_of for each in plan.trainings] == [day.as_of for day in plan.days] == [DAY]
    assert plan.trainings[0].reasons == ("4 batches of customers are restated, from 2024-01-05 on",)
    assert plan.days[0].reasons[0] == "4 batches of customers are restated, from 2024-01-05 on"
    (settings.project_dir / "contracts/customers/1.1.0.yaml").unlink()
    tiered.version(settings.project_dir, "customers", "1.1.0", (tier, f"{tier}, description: The class."))
    assert not make_plan(settings)
    (settings.project_dir / "contracts/customers/1.1.0.yaml").unlink()


def test_tiers_that_come_again_touch_what_speaks_of_them(settings: Settings) -> None:
    """Last, for it changes the shop: a delivery that only the early training's regressions, which don't speak, saw."""
    file = settings.sources_dir / f"customers/{tiered.DRAWN[0]}.csv"
    file.write_text(file.read_text().replace("C0001,basic", "C0001,silver").replace("C0001,gold", "C0001,silver"))
    from ddcrm.dates import DateRange
    from ddcrm.pipeline.ingest import ingest

    ingest(settings, "customers", DateRange(tiered.DRAWN[0], tiered.DRAWN[0]))
    plan = make_plan(settings)
    assert plan.batches == ()
    assert [(each.as_of, each.reasons) for each in plan.trainings] == [
        (DAY, ("what its regressions learn from besides orders has changed",))
    ]
    assert [day.as_of for day in plan.days] == [DAY]
    assert f"batches came or changed after it: customers {tiered.DRAWN[0]}" in plan.days[0].reasons
    assert "1 trainings: only regressions that do not speak would learn otherwise" in plan.kept
