"""The demo company changes nothing on the way: no batch of it may look as if a source had changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddcrm.dates import DateRange
from ddcrm.pipeline.ingest import ingest
from ddcrm.settings import load_settings
from tests.pipeline.reading import rows

REPOSITORY = Path(__file__).parents[2]


def test_no_file_of_the_demo_company_looks_changed(
    company: Path, tmp_path: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", warehouse_url)
    settings = load_settings(REPOSITORY, sources_dir=company / "sources", state_dir=tmp_path / "state")
    dates = DateRange.parse("2026-05-01", "2026-06-30")
    for source in ("orders", "events", "contacts", "feedback"):
        assert ingest(settings, source, dates).landed > 0
    assert rows(settings, "SELECT source, message FROM ops.validations WHERE suite = 'changes'") == []
