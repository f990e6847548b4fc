"""A disk that is full when a day is ingested, trained or scored: a clear error, and room is all that it takes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from ddcrm.errors import StorageFullError
from tests.pipeline import days as run
from tests.pipeline.lived import SCHEMES, segments
from tests.pipeline.reading import rows
from tests.pipeline.shop import FIRST, Shop
from tests.pipeline.test_bad_input import fill

DAY = date(2026, 1, 18)
STEPS: dict[str, Callable[[Shop], None]] = {
    "ingest": lambda shop: run.ingest(shop.settings, DAY),
    "train": lambda shop: run.train(shop.settings, DAY),
    "score": lambda shop: run.score(shop.settings, [DAY]),
}


@pytest.mark.slow
def test_each_step_says_so_and_runs_once_there_is_room(
    tmp_path: Path, warehouse_url: str, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", warehouse_url)
    monkeypatch.setenv("DDCRM_STATE_DIR", str(small_disk))
    shop = Shop(tmp_path / "shop").make()
    segments(shop, SCHEMES)
    run.ingest(shop.settings, FIRST, date(2026, 1, 17))
    filler = small_disk / "filler"
    for name, step in STEPS.items():
        fill(filler)
        with pytest.raises(StorageFullError, match="no space left on the device") as caught:
            step(shop)
        assert "Free some space there" in caught.value.hint, name
        filler.unlink()
        step(shop)
    failed = "SELECT step, error_type FROM ops.runs WHERE status = 'failed' ORDER BY started_at"
    told = rows(shop.settings, failed)
    assert told == [(step, "StorageFullError") for step in ("extract", "train", "score")]
    assert rows(shop.settings, "SELECT DISTINCT as_of FROM crm.customer_scores") == [(DAY,)]
