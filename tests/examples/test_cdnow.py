"""CDNOW through the pipeline: the published parameters, from the transactions as they are."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ddcrm.dates import DateRange
from ddcrm.settings import Settings
from tests.examples.conftest import example
from tests.pipeline.reading import rows

pytestmark = pytest.mark.slow

CALIBRATION_END = date(1997, 9, 30)


@pytest.fixture
def settings(tmp_path: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    return example("cdnow", "CDNOW_sample.txt", tmp_path / "state", warehouse_url, monkeypatch)


def test_published_parameters(settings: Settings) -> None:
    """Fader, Hardie & Lee 2005 for BG/NBD (weeks: 7 days are one), CLVTools and lifetimes for Gamma-Gamma."""
    from ddcrm.pipeline.ingest import ingest
    from ddcrm.pipeline.score import publish, score
    from ddcrm.pipeline.train import train
    from ddcrm.training.registry import Registry

    result = ingest(settings, "orders", DateRange.parse("1997-01-01", "1998-06-30"))
    assert (result.landed, result.conformed) == (6_919, 6_919)
    assert rows(settings, "SELECT message FROM ops.validations WHERE suite = 'changes'") == []
    train(settings, CALIBRATION_END)
    registry = Registry(settings.lake_dir / "models")
    value = registry.load(registry.newest("bgnbd", CALIBRATION_END))
    fitted = (value.r_, value.alpha_, value.a_, value.b_)
    assert fitted == pytest.approx((0.2426, 4.4136, 0.7929, 2.4259), rel=0.005)
    assert value.log_likelihood_ == pytest.approx(-9582.43, abs=0.01)
    spend = registry.load(registry.newest("gamma_gamma", CALIBRATION_END))
    assert (spend.p_, spend.q_, spend.v_) == pytest.approx((6.25, 3.74, 15.44), rel=0.005)
    assert spend.log_likelihood_ == pytest.approx(-4055.92, abs=0.01)
    score(settings, CALIBRATION_END)
    publish(settings, CALIBRATION_END)
    columns = "count(*), count(*) FILTER (WHERE frequency > 0), min(tenure_days), max(tenure_days)"
    published = rows(settings, f"SELECT {columns} FROM crm.current_customer_scores")
    assert published == [(2_357, 946, 189, 272)]
