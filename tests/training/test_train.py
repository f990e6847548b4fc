"""The training step: what it keeps, that it is repeatable, what it withholds and what it refuses."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ddcrm import progress
from ddcrm.errors import MissingDataError, SettingsError
from ddcrm.lake.layout import conformed_table
from ddcrm.pipeline.train import TrainResult, registry, train
from ddcrm.settings import SegmentSettings, Settings
from ddcrm.training.fit import REGRESSIONS, models_of
from tests.pipeline.reading import rows
from tests.scoring import lake

DAY = date(2026, 4, 8)
NAMES = [name for name in models_of(SegmentSettings()) if name not in REGRESSIONS]


@pytest.fixture
def settings(tmp_path: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A project without data."""
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", warehouse_url)
    return lake.project(tmp_path / "project")


@dataclass(frozen=True)
class Trained:
    """A project with its warehouse, trained as of DAY; the points that this passed, and which days it read."""

    settings: Settings
    result: TrainResult
    seen: list[str]
    read: list[tuple[str, tuple[date, ...]]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, module_warehouse_url: str) -> Trained:
    from ddcrm.features import periods, table

    settings = lake.project(tmp_path_factory.mktemp("trained") / "project")
    settings = settings.model_copy(update={"warehouse_url": SecretStr(module_warehouse_url)})
    lake.commit(settings, lake.history())
    read: list[tuple[str, tuple[date, ...]]] = []
    with pytest.MonkeyPatch.context() as patch:
        for name, module in (("features", table), ("period", periods)):
            patch.setattr(module, "_computed", spy(read, name, module._computed))
        return Trained(settings, *points(settings, DAY), read)


@pytest.fixture
def filled(settings: Settings, trained: Trained) -> Settings:
    """A project with the same orders, and no models."""
    shutil.copytree(*(conformed_table(project, "orders").folder for project in (trained.settings, settings)))
    return settings


def spy(read: list[tuple[str, tuple[date, ...]]], name: str, compute: Callable[..., Any]) -> Callable[..., Any]:
    """`compute`, which also tells `read` of which days it was asked."""

    def spied(engine: Any, *days: Any) -> Any:
        read.append((name, tuple(day for day in days if isinstance(day, date))))
        return compute(engine, *days)

    return spied


def points(settings: Settings, as_of: date, **more: Any) -> tuple[Any, list[str]]:
    """The result of training, and the points that it passed."""
    seen: list[str] = []
    with progress.listening(lambda name, facts: seen.append(f"{name} {facts.get('model', '')}".strip())):
        return train(settings, as_of, **more), seen


def test_models_are_kept_recorded_and_not_fitted_again(trained: Trained) -> None:
    settings, result, seen = trained.settings, trained.result, trained.seen
    assert list(result.versions) == NAMES
    assert list(result.withheld) == list(REGRESSIONS)
    assert "to learn the spend of 365 days" in result.withheld["regression_365d"]
    assert "train.backtest" in seen
    assert "train.writing kmeans" in seen
    recorded = rows(settings, "SELECT name, version, trained_as_of, training_last, data_digest, fingerprint, card "
                              "FROM ops.models ORDER BY name")  # fmt: skip
    assert {name: version for name, version, *_ in recorded} == result.versions
    for name, version, trained, last, digest, fingerprint, card in recorded:
        ref = registry(settings).newest(name, DAY)
        assert (ref.version, trained, last) == (version, DAY, DAY)
        assert (digest == result.data_digest) == (name != "value")  # the champion learned from the two windows
        assert ref.card == card
        assert card["artifact_sha256"] == fingerprint
    fitted = dict(rows(settings, "SELECT metric, value FROM ops.model_metrics WHERE name = 'bgnbd'"))
    assert fitted["log_likelihood"] < 0 < fitted["repeat_customers"] < fitted["customers"] == result.customers
    again, seen = points(settings, DAY)
    assert again == result
    assert [name for name in seen if name.startswith("train.writing")] == []
    assert result.as_dict()["versions"] == result.versions


def test_another_lake_with_the_same_data_gets_the_same_models(settings: Settings, trained: Trained) -> None:
    rows_backwards = lake.history()
    lake.commit(settings, rows_backwards.take(list(range(rows_backwards.num_rows - 1, -1, -1))))
    result, seen = points(settings, DAY)
    assert [name for name in NAMES if f"train.writing {name}" in seen] == NAMES
    assert result.versions == trained.result.versions
    for name in NAMES:
        one, two = (registry(project).newest(name, DAY).card for project in (settings, trained.settings))
        assert one["artifact_sha256"] == two["artifact_sha256"], name


def test_a_horizon_of_months_is_that_of_the_training_s_day(filled: Settings) -> None:
    """From April 8 to June 8; a regression of a year may not speak of them."""
    months = filled.model_copy(update={"value": filled.value.model_copy(update={"horizon": "2 months"})})
    told = train(months, DAY, ["mbgnbd", "gamma_gamma", "value"]).backtest
    assert told is not None
    assert told["horizon_days"] == 61
    assert told["barred"]["forest"] == "regressions are of 365 days, the horizon is 61"


def test_what_is_dated_or_arrives_later_changes_nothing(settings: Settings, trained: Trained) -> None:
    shutil.copytree(trained.settings.lake_dir, settings.lake_dir)
    before, one = trained.result, ["mbgnbd"]
    after = DAY + timedelta(days=1)
    lake.commit(settings, lake.orders([("C00001", DAY - timedelta(days=9), 5.0)], arrived=after, prefix="L"))
    lake.commit(settings, lake.orders([("C00001", after, 5.0)], arrived=date(2026, 1, 1), prefix="F"))
    changed = train(settings, DAY, one)
    assert changed.data_digest != before.data_digest  # the batch of 2026-01-01 was replaced
    lake.commit(settings, lake.history())
    assert train(settings, DAY) == before
    assert train(settings, after, one).data_digest != before.data_digest


def test_a_day_s_segments_follow_the_day_before(filled: Settings) -> None:
    first = train(filled, DAY - timedelta(days=1), ["kmeans"])
    second = train(filled, DAY, ["kmeans"])
    assert list(second.versions) == ["kmeans"]
    card = registry(filled).newest("kmeans", DAY).card
    assert card["follows"] == first.versions["kmeans"]
    earlier = registry(filled).newest("kmeans", DAY - timedelta(days=1)).card["parameters"]["names"]
    assert set(earlier.values()) & set(card["parameters"]["names"].values())


def test_what_the_data_do_not_carry_is_withheld_and_the_rest_goes_on(settings: Settings) -> None:
    lake.commit(settings, lake.history(customers=30))
    result = train(settings, DAY)
    assert list(result.versions) == ["kmeans"]
    assert "fewer than the 50" in result.withheld["bgnbd"]
    assert "bought again" in result.withheld["gamma_gamma"]
    assert result.withheld["value"] == "no model of purchases could be fitted"
    assert [name for (name,) in rows(settings, "SELECT name FROM ops.models")] == ["kmeans"]


def test_there_must_be_customers_and_known_models(settings: Settings) -> None:
    with pytest.raises(MissingDataError, match=r"no orders have arrived.*2026-04-08.*ddcrm ingest"):
        train(settings, DAY)
    lake.commit(settings, lake.orders([("A", date(2026, 1, 5), -5.0)]))
    with pytest.raises(MissingDataError, match="nobody has bought"):
        train(settings, DAY)
    with pytest.raises(
        SettingsError,
        match=r"no model lstm.*mbgnbd, bgnbd.*gamma_gamma, regression_90d, regression_365d, value, kmeans",
    ):
        train(settings, DAY, ["lstm"])
    failed = rows(settings, "SELECT status, error_type FROM ops.runs WHERE step = 'train' ORDER BY started_at")
    assert failed == [("failed", "MissingDataError")] * 2


def test_a_day_is_read_once_for_all_models(trained: Trained) -> None:
    read = trained.read
    assert len([kind for kind, _ in read if kind == "features"]) >= 2
    assert len([one for one in read if one[0] == "period"]) == len({one for one in read if one[0] == "period"}) > 0
