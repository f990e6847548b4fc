"""The report of a published day, from a small shop's files to the page; no customer is named in it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ddcrm.dates import DateRange
from ddcrm.errors import MissingDataError
from ddcrm.pipeline.ingest import ingest
from ddcrm.pipeline.report import report
from ddcrm.pipeline.score import publish, score
from ddcrm.pipeline.train import train
from ddcrm.report.page import Page, Section, Table, render
from tests.pipeline.reading import rows
from tests.pipeline.shop import FIRST, Shop


def test_a_published_day(tmp_path: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", warehouse_url)
    shop = Shop(tmp_path / "shop", days=60).make()
    settings = shop.settings
    with pytest.raises(MissingDataError, match="no day is published yet"):
        report(settings)
    ingest(settings, "orders", DateRange(FIRST, shop.last))
    train(settings, shop.last)
    score(settings, shop.last)
    publish(settings, shop.last)
    result = report(settings)
    assert (result.as_of, result.file.name) == (shop.last, f"{shop.last}.html")
    assert {"Value", "Segments: rfm", "The business", "What was published"} <= set(result.sections)
    page = result.file.read_text("utf-8")
    [(customers,)] = rows(settings, "SELECT count(*) FROM crm.current_customer_scores")
    assert f"<dd>{customers:,}</dd>" in page
    assert page.count("<svg") >= 10
    assert "C0001" not in page
    assert 'src="http' not in page
    assert report(settings, shop.last, tmp_path / "again.html").file.read_text("utf-8") == page
    with pytest.raises(MissingDataError, match="this day is not published"):
        report(settings, shop.last + timedelta(days=1))


def test_what_the_data_say_is_escaped() -> None:
    table = Table(["segment"], [["<script>alert(1)</script>"]])
    page = render(Page("<b>", {"a & b": "1"}, [Section("t", ["x < y"], (), [table])]))
    assert "<script>" not in page
    assert "&lt;b&gt;" in page
    assert "x &lt; y" in page
