"""The scoring step: a function of the data as of the day and the models up to it; staged whole; published or not."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from ddcrm.dates import DateRange
from ddcrm.errors import BatchRejectedError, LakeError, MissingDataError
from ddcrm.lake.engine import Engine
from ddcrm.models.champion import Bands, Champion
from ddcrm.pipeline.ingest import ingest
from ddcrm.pipeline.score import ScoreResult, publish, score
from ddcrm.pipeline.train import train
from ddcrm.scoring.models import ScoringModel, ScoringModels
from ddcrm.scoring.schemes import read_features
from ddcrm.scoring.scores import scored
from ddcrm.settings import SegmentSettings, Settings, ValueSettings, load_settings
from ddcrm.training.fit import MODELS
from tests.pipeline.reading import rows
from tests.published_suites import REPOSITORY, first_checks
from tests.scoring import lake

DAY = date(2026, 4, 8)
BEFORE = DAY - timedelta(days=1)
TABLES = ("cohort_retention", "customer_scores", "customer_segments", "revenue_tree", "segment_migration",
          "segment_profiles", "value_by_period")  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, module_warehouse_url: str) -> Path:
    """A project with orders, and with models trained a week before DAY; to be copied."""
    folder = tmp_path_factory.mktemp("trained") / "project"
    first_checks(folder / "published")
    settings = lake.project(folder, 'published_expectations_dir = "published"')
    lake.commit(settings, lake.history())
    train(settings.model_copy(update={"warehouse_url": SecretStr(module_warehouse_url)}), DAY - timedelta(days=7))
    return folder


@pytest.fixture(scope="module")
def first(trained: Path, module_warehouse_url: str) -> tuple[Path, ScoreResult]:
    """The same with DAY scored, to be copied; and what the step said of it."""
    folder = trained.parent / "scored"
    settings = copy(trained, folder)
    return folder, score(settings.model_copy(update={"warehouse_url": SecretStr(module_warehouse_url)}), DAY)


@pytest.fixture
def unscored(tmp_path: Path, trained: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", warehouse_url)
    return copy(trained, tmp_path / "unscored")


@pytest.fixture
def settings(tmp_path: Path, first: tuple[Path, ScoreResult], warehouse_url: str, monkeypatch: pytest.MonkeyPatch
             ) -> Settings:  # fmt: skip
    """A project in which DAY is scored."""
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", warehouse_url)
    return copy(first[0], tmp_path / "project")


def copy(project: Path, folder: Path) -> Settings:
    shutil.copytree(project, folder)
    return load_settings(folder)


def checked(settings: Settings, suites: Path) -> Settings:
    """The same with these suites of the published tables."""
    return settings.model_copy(update={"published_expectations_dir": suites})


def staged(settings: Settings, as_of: date) -> dict[str, Any]:
    """The digests of the files that stand for a day, and the day's fingerprint."""
    folder = settings.lake_dir / "scores" / str(as_of)
    folder /= json.loads((folder / "current.json").read_text())["key"]
    files = {file.stem: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.glob("*.parquet"))}
    assert tuple(files) == TABLES
    return {**files, "fingerprint": json.loads((folder / "manifest.json").read_text())["fingerprint"]}


def read(settings: Settings, as_of: date, table: str) -> list[dict[str, Any]]:
    file = next((settings.lake_dir / "scores" / str(as_of)).glob(f"*/{table}.parquet"))
    return pq.read_table(file).to_pylist()


def test_a_day_is_staged_once_and_the_same_everywhere(settings: Settings, first: tuple[Path, ScoreResult],
                                                      unscored: Settings) -> None:  # fmt: skip
    """Everywhere: in another project whose orders are in other files."""
    _, result = first
    assert result.rows["customer_segments"] == 7 * result.rows["customer_scores"] == 7 * result.customers
    assert (result.withheld, result.reused) == (None, False)
    assert {"value", "kmeans"} < result.models.keys() <= set(MODELS)
    before = staged(settings, DAY)
    again = score(settings, DAY)
    assert (again.reused, again.rows, staged(settings, DAY)) == (True, result.rows, before)
    lake.commit(unscored, lake.history())
    assert not score(unscored, DAY).reused
    assert staged(unscored, DAY) == before


def test_the_day_before_counts_the_same_read_or_computed(settings: Settings, unscored: Settings) -> None:
    score(unscored, BEFORE)
    assert not score(unscored, DAY).reused
    assert staged(settings, DAY) == staged(unscored, DAY)
    rows_of_scheme = [row for row in read(settings, DAY, "segment_migration") if row["scheme"] == "rfm"]
    stayed = sum(row["customers"] for row in rows_of_scheme if row["from_segment"] == row["to_segment"])
    everybody = sum(row["customers"] for row in rows_of_scheme)
    assert everybody == len(read(settings, DAY, "customer_scores"))
    assert 0.8 < stayed / everybody < 1


def test_the_last_period_that_comes_again_is_the_one_that_was_judged(settings: Settings) -> None:
    """37 days, as long as the holdout was; summed up from the orders themselves."""
    champion = Champion("last_period", "last_period", None, {}, Bands.learned(np.ones(9), np.ones(9), 37), 37)
    models = ScoringModels(ScoringModel("value", champion, "v1"))
    with Engine(settings) as engine:
        features = read_features(engine, DAY, models)
    assert features is not None
    found = scored(features, models, ValueSettings(discount_rate_annual=0.0)).forecast
    assert found is not None
    orders = lake.history().to_pandas()
    late = orders[(orders.event_date > DAY - timedelta(days=37)) & (orders.event_date <= DAY)]
    by_customer = late.assign(amount=late.amount.astype(float)).groupby("customer_key")
    ids = features["customer_id"].to_pylist()
    spend, days = (
        by_customer.amount.sum().reindex(ids).fillna(0),
        by_customer.event_date.nunique().reindex(ids).fillna(0),
    )
    assert found.value == pytest.approx(spend.to_numpy() * 365 / 37)
    assert found.purchases[90] == pytest.approx(days.to_numpy() * 90 / 37)
    assert 0 < (found.value > 0).sum() < len(ids)


def test_a_late_order_changes_the_days_from_its_arrival_on(settings: Settings) -> None:
    days = [DAY + timedelta(days=offset) for offset in range(-1, 2)]
    for day in days:
        score(settings, day)
    before = {day: staged(settings, day) for day in days}
    lake.commit(settings, lake.orders([("C00003", date(2026, 2, 2), 70.0)], arrived=days[1], prefix="L"))
    for day in reversed(days):
        score(settings, day)
    assert [day for day in days if staged(settings, day) != before[day]] == days[1:]


def test_models_trained_later_change_nothing_and_newer_ones_do(settings: Settings) -> None:
    before = staged(settings, DAY)
    train(settings, DAY + timedelta(days=1))
    assert score(settings, DAY).reused
    newer = train(settings, DAY)
    used = score(settings, DAY).models
    assert {"value", "kmeans"} < used.keys()
    assert {name: newer.versions[name] for name in used} == used
    assert staged(settings, DAY)["customer_scores"] != before["customer_scores"]


def test_without_models_the_rest_is_scored_with_the_reason(unscored: Settings) -> None:
    early = DAY - timedelta(days=30)
    result = score(unscored, early)
    assert result.models == {}
    assert result.withheld == f"value: no model was trained on or before {early}"
    schemes = {row["scheme"] for row in read(unscored, early, "customer_segments")}
    assert schemes == {"lifecycle", "loyalty", "rfm", "usage"}
    assert {row["withheld"] for row in read(unscored, early, "customer_scores")} == {result.withheld}


def test_only_the_schemes_of_the_settings_are_published(settings: Settings) -> None:
    few = settings.model_copy(update={"segments": SegmentSettings(schemes=("usage", "rfm"))})
    result = score(few, DAY)
    assert not result.reused
    assert result.rows["customer_segments"] == 2 * result.customers
    assert {row["scheme"] for row in read(few, DAY, "customer_segments")} == {"rfm", "usage"}
    assert {row["loyalty_score"] for row in read(few, DAY, "customer_scores")} == {None}


def test_a_project_s_actions_are_published(settings: Settings) -> None:
    before = score(settings, DAY)
    assert before.reused
    (settings.project_dir / "segment_actions.toml").write_text('[rfm]\n"Champions" = "Say thanks."\n')
    after = score(settings, DAY)
    assert (after.reused, after.fingerprint == before.fingerprint) == (False, False)
    actions = {row["segment"]: row["action"] for row in read(settings, DAY, "segment_profiles")}
    assert actions["Champions"] == "Say thanks."


def test_what_can_t_be_scored_or_published_is_refused(settings: Settings) -> None:
    with pytest.raises(MissingDataError, match=r"no orders have arrived.*2025-12-31"):
        score(settings, date(2025, 12, 31))
    with pytest.raises(MissingDataError, match=r"was not scored.*ddcrm score --as-of 2026-04-07"):
        publish(settings, BEFORE)
    next((settings.lake_dir / "scores" / str(DAY)).glob("*/segment_profiles.parquet")).write_bytes(b"PAR1")
    with pytest.raises(LakeError, match="not the one of its manifest"):
        publish(settings, DAY)


@pytest.mark.slow
def test_what_is_published_is_what_was_staged(settings: Settings) -> None:
    """With all checks of the published tables; the second time with one each."""
    result = publish(checked(settings, REPOSITORY / "expectations"), DAY)
    assert result.rows == score(settings, DAY).rows
    published = rows(settings, "SELECT customer_id, clv_365d, value_tier, rfm FROM crm.customer_scores "
                               'WHERE as_of = %s ORDER BY customer_id COLLATE "C"', DAY)  # fmt: skip
    wanted = [(row["customer_id"], row["clv_365d"], row["value_tier"], row["rfm"])
              for row in read(settings, DAY, "customer_scores")]  # fmt: skip
    assert published == wanted
    kept = rows(settings, "SELECT table_name, rows, digest, fingerprint, models FROM ops.publications ORDER BY 1")
    assert [(name, number, digest) for name, number, digest, *_ in kept] == [
        (name, result.rows[name], result.digests[name]) for name in TABLES
    ]
    assert {fingerprint for *_, fingerprint, _ in kept} == {result.fingerprint}
    assert kept[0][-1] == result.models
    checks = rows(settings, "SELECT status, count(*) FROM ops.validations WHERE severity = 'critical' GROUP BY 1")
    assert [status for status, _ in checks] == ["passed"]
    assert publish(settings, DAY).digests == result.digests


@pytest.mark.slow
def test_a_table_that_fails_its_suite_is_not_published(settings: Settings, tmp_path: Path) -> None:
    publish(settings, DAY)
    suites = tmp_path / "suites"
    first_checks(suites)
    strict = json.loads((suites / "crm_segment_profiles.json").read_text())
    strict["expectations"] = [{"type": "expect_column_values_to_be_between",
                               "kwargs": {"column": "customers", "max_value": 0}, "severity": "critical"}]  # fmt: skip
    (suites / "crm_segment_profiles.json").write_text(json.dumps(strict))
    before = rows(settings, "SELECT * FROM ops.publications ORDER BY table_name")
    with pytest.raises(BatchRejectedError, match=r"segment_profiles.*2026-04-08") as caught:
        publish(checked(settings, suites), DAY)
    assert caught.value.column == "customers"
    assert rows(settings, "SELECT * FROM ops.publications ORDER BY table_name") == before
    assert rows(settings, "SELECT status FROM ops.validations WHERE table_name = 'segment_profiles'") == [("failed",)]


@pytest.mark.slow
def test_a_market_told_in_millions_stops_no_day_and_is_warned_of(settings: Settings) -> None:
    """Where it is delivered and where it is published; all of March's shares would be far above 1."""
    for name in ("contracts/market/1.0.0.yaml", "expectations/market.json"):
        (settings.project_dir / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, settings.project_dir / name)
    (settings.sources_dir / "market").mkdir()
    file = settings.sources_dir / "market/market.csv"
    file.write_text("month,reported_on,volume\n2026-02,2026-03-05,90000.00\n2026-03,2026-04-05,1.25\n")
    told = [ingest(settings, "market", DateRange(day, day)) for day in (date(2026, 3, 5), date(2026, 4, 5))]
    assert [result.conformed for result in told] == [1, 1]
    checks = rows(settings, "SELECT batch_date, column_name FROM ops.validations WHERE status = 'failed'")
    assert checks == [(date(2026, 4, 5), "market_size")]
    file = settings.project_dir / "published/crm_value_by_period.json"
    shutil.copy(REPOSITORY / "expectations" / file.name, file)
    assert not score(settings, DAY).reused
    [warning] = [words for words in publish(settings, DAY).warnings if "market_share" in words]
    assert "market_share is not known in 2026-03" in warning
    shares = rows(settings, "SELECT period, market_share, revenue FROM crm.value_by_period ORDER BY period")
    assert [share is None for _, share, _ in shares] == [True, False, True, True]
    assert float(shares[1][1]) == pytest.approx(float(shares[1][2]) / 90_000, abs=1e-6)


def test_a_horizon_in_months_has_the_days_of_the_calendar(unscored: Settings, trained: Path, tmp_path: Path) -> None:
    few, other = SegmentSettings(schemes=("rfm",)), copy(trained, tmp_path / "other")
    months, days = (
        given.model_copy(update={"segments": few, "value": given.value.model_copy(update={name: horizon})})
        for given, name, horizon in ((unscored, "horizon", "2 months"), (other, "horizon_days", 61))
    )  # from April 8 to June 8
    score(months, DAY)
    score(days, DAY)
    values = [[row["clv_365d"] for row in read(given, DAY, "customer_scores")] for given in (months, days)]
    assert values[0] == values[1]
    assert sum(values[0]) > 0


def test_in_parts_the_same_is_staged_and_published(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    before = score(settings, DAY)
    whole = {name: read(settings, DAY, name) for name in TABLES}
    digests = publish(settings, DAY).digests
    shutil.rmtree(settings.lake_dir / "scores")
    monkeypatch.setattr("ddcrm.scoring.tables.PART_ROWS", 64)
    monkeypatch.setattr("ddcrm.pipeline.staged.LARGE_ROWS", 100)
    again = score(settings, DAY)
    file = next((settings.lake_dir / "scores" / str(DAY)).glob("*/customer_segments.parquet"))
    assert pq.ParquetFile(file).num_row_groups > 7
    assert {name: read(settings, DAY, name) for name in TABLES} == whole
    assert (again.rows, again.fingerprint) == (before.rows, before.fingerprint)
    assert publish(settings, DAY).digests == digests
    assert len(whole["customer_segments"]) > 700
    assert score(settings, DAY + timedelta(days=1)).customers >= before.customers  # reads yesterday's parts
