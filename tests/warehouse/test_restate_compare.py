"""The comparison of restated days with the published ones, against pandas on the rows that were handed over."""

from __future__ import annotations

import json
import random
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from math import ceil
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from ddcrm.cli import app
from ddcrm.errors import RestatementError
from ddcrm.settings import RestateSettings
from ddcrm.warehouse import restate
from ddcrm.warehouse.compare import comparison
from ddcrm.warehouse.connect import Warehouse
from ddcrm.warehouse.publish import publish_day
from tests.report.outside import references
from tests.warehouse.days import DAY, NEXT, make_day, no_audit
from tests.warehouse.restating import ANYTHING, planned, publish

SEGMENTS = ["champions", "asleep", "<b>new</b>"]
IDS = [f"C{number:04d}" for number in range(60)]


def _company(as_of: date, seed: int, customers: list[str]) -> dict[str, pa.Table]:
    """A day whose values and segments are drawn by seed; a fifth has no value."""
    draw = random.Random(f"{as_of} {seed}")
    tables = make_day(as_of, len(customers), "x")
    values = [None if draw.random() < 0.2 else Decimal(draw.randint(0, 99999)) / 100 for _ in customers]
    spent = [Decimal(draw.randint(-500, 5000)) / 100 for _ in customers]
    scores = _with(tables["customer_scores"], customer_id=customers, clv_365d=values, monetary_value=spent)
    segments = _with(
        tables["customer_segments"], customer_id=customers, segment=draw.choices(SEGMENTS, k=len(customers))
    )
    return tables | {"customer_scores": scores, "customer_segments": segments}


def _with(table: pa.Table, **columns: list[Any]) -> pa.Table:
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))
    return table


def _both(before: pa.Table, after: pa.Table) -> pd.DataFrame:
    return before.to_pandas().merge(after.to_pandas(), "outer", "customer_id", suffixes=("_before", "_after"),
                                    indicator=True)  # fmt: skip


@pytest.fixture
def compared(warehouse: Warehouse) -> tuple[restate.Comparison, dict[date, tuple[dict, dict]]]:
    """Two days; customers come and go between before and after."""
    days = {day: (_company(day, 1, IDS[:50]), _company(day, 2, IDS[5:])) for day in (DAY, NEXT)}
    for day, (before, _) in days.items():
        publish_day(warehouse, day, before, audit=no_audit)
    found = planned(warehouse, list(days))
    for day, (_, after) in days.items():
        restate.stage(warehouse, found, day, after, audit=no_audit)
    return restate.compare(warehouse, found, RestateSettings()), days


def test_customers_and_values_are_counted_as_pandas_counts_them(compared: Any) -> None:
    document, days = compared[0].document, compared[1]
    assert [each["as_of"] for each in document["days"]] == [str(day) for day in days]
    for each, (before, after) in zip(document["days"], days.values(), strict=True):
        both = _both(before["customer_scores"], after["customer_scores"])
        assert each["customers"] == {"before": 50, "after": 55, "came": 10, "went": 5}
        for name, measure in each["measures"].items():
            old, new = both[f"{name}_before"], both[f"{name}_after"]
            change = (new - old).dropna().sort_values()
            total = [sum(side.dropna(), Decimal(0)) for side in (old, new)]
            assert [Decimal(measure[key]) for key in ("sum_before", "sum_after")] == total
            assert Decimal(measure["sum_change"]) == total[1] - total[0]
            assert measure["given"] == int((old.isna() & new.notna()).sum())
            assert measure["withheld"] == int((new.isna() & old.notna()).sum())
            assert (measure["customers"], measure["unchanged"]) == (len(change), int((change == 0).sum()))
            assert abs(Decimal(measure["mean_change"]) - sum(change) / len(change)) <= Decimal("0.00005")
            for share, value in measure["quantiles"].items():
                rank = max(ceil(Decimal(share) * len(change)), 1)  # the first one at or above the share
                assert Decimal(value) == change.iloc[rank - 1], share


def test_migration_is_a_cross_table(compared: Any) -> None:
    document, days = compared[0].document, compared[1]
    frames = [_both(before["customer_segments"], after["customer_segments"]) for before, after in days.values()]
    pairs = pd.concat(frames)[["segment_before", "segment_after"]].fillna("(none)")
    expected = pairs.value_counts().to_dict()
    assert {(cell["from"], cell["to"]): cell["customers"] for cell in document["migration"]} == expected
    assert {cell["scheme"] for cell in document["migration"]} == {"rfm"}
    for each, frame in zip(document["days"], frames, strict=True):
        stayed = frame[frame["_merge"] == "both"]
        moved = int((stayed["segment_before"] != stayed["segment_after"]).sum())
        assert each["moves"] == [{"scheme": "rfm", "customers": 45, "moved": moved}]


def test_the_twenty_who_move_most(compared: Any) -> None:
    document, days = compared[0].document, compared[1]
    changes: dict[str, tuple[Decimal, str]] = {}
    for day, (before, after) in days.items():
        both = _both(before["customer_scores"], after["customer_scores"])
        for row in both.itertuples():
            sides = [Decimal(0) if pd.isna(value) else value for value in (row.clv_365d_before, row.clv_365d_after)]
            size = abs(sides[1] - sides[0])
            if size > changes.get(row.customer_id, (Decimal(0), ""))[0]:
                changes[row.customer_id] = (size, str(day))
    expected = sorted(((-size, key, day) for key, (size, day) in changes.items()))[:20]
    found = [(-abs(Decimal(mover["change"])), mover["customer_id"], mover["as_of"]) for mover in document["movers"]]
    assert found == expected
    assert len(found) == 20


def test_limits_name_the_worst_day(warehouse: Warehouse, compared: Any) -> None:
    shares = {}
    for day in compared[0].document["days"]:
        measure = day["measures"]["clv_365d"]
        shares[day["as_of"]] = abs(Decimal(measure["sum_change"]) / Decimal(measure["sum_before"]))
    worst = max(shares, key=lambda day: shares[day])
    limits = RestateSettings(max_value_change=float(min(shares.values())), max_segment_moves=1)
    reasons = restate.compare(warehouse, "r1", limits).beyond_limits
    assert reasons[0] == f"customers that come or go: 30.0% at {NEXT}, more than 2.0% (on 2 of 2 days)"
    said = f"{shares[worst]:.1%} at {worst}, more than {min(shares.values()):.1%} (on 1 of 2 days)"
    assert reasons[1] == f"the sum of clv_365d changes by: {said}"
    assert not any("segment" in reason for reason in reasons)
    moves = restate.compare(warehouse, "r1", RestateSettings(max_segment_moves=0.1)).beyond_limits
    assert any(reason.startswith("customers that change segment in rfm: ") for reason in moves)


def test_customers_stay_out_of_the_summary(compared: Any) -> None:
    comparison = compared[0]
    assert all(name not in json.dumps(comparison.summary()) for name in IDS)
    assert comparison.summary()["movers"] == 20
    assert any(name in json.dumps(comparison.as_dict()) for name in IDS)


def test_customers_are_written_to_files_that_only_their_owner_reads(
    warehouse: Warehouse, compared: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", warehouse.url)
    (tmp_path / "ddcrm.toml").touch()
    page, whole = tmp_path / "page.html", tmp_path / "all.json"
    page.touch(0o666)
    shown = ["--project", str(tmp_path), "restate", "show", "r1", "--json", "--page"]
    printed = [CliRunner().invoke(app, [*shown, str(file)]) for file in (page, whole)]
    assert [each.exit_code for each in printed] == [0, 0]
    assert not any(name in each.output for name in IDS for each in printed)
    assert json.loads(whole.read_text()) == compared[0].as_dict()
    movers = {mover["customer_id"] for mover in json.loads(whole.read_text())["movers"]}
    assert len(movers) == 20
    assert all(name in page.read_text() for name in movers)
    assert [file.stat().st_mode & 0o777 for file in (page, whole)] == [0o600, 0o600]


def test_the_same_days_are_the_same(warehouse: Warehouse) -> None:
    publish(warehouse, [DAY])
    found = planned(warehouse, [DAY])
    restate.stage(warehouse, found, DAY, make_day(DAY, 20, "old"), audit=no_audit)
    first = restate.compare(warehouse, found)
    assert first.beyond_limits == ()
    (day,) = first.document["days"]
    assert all(table["same"] and table["before"] == table["after"] for table in day["tables"].values())
    assert day["measures"]["clv_365d"]["unchanged"] == day["measures"]["clv_365d"]["customers"] == 20
    assert first.document["movers"] == []
    assert comparison(warehouse, found) == first
    assert restate.compare(warehouse, found) == first


def test_a_day_that_was_not_published_has_no_before(warehouse: Warehouse) -> None:
    found = planned(warehouse, [DAY])
    restate.stage(warehouse, found, DAY, make_day(DAY, 20), audit=no_audit)
    compared = restate.compare(warehouse, found)
    (day,) = compared.document["days"]
    assert day["customers"] == {"before": 0, "after": 20, "came": 20, "went": 0}
    assert compared.beyond_limits == ()
    assert "nobody" not in compared.html()


def test_without_a_comparison_there_is_none(warehouse: Warehouse) -> None:
    found = planned(warehouse, [DAY])
    with pytest.raises(RestatementError, match="not compared yet"):
        comparison(warehouse, found)
    restate.stage(warehouse, found, DAY, make_day(DAY, 20), audit=no_audit)
    restate.compare(warehouse, found, ANYTHING)
    restate.stage(warehouse, found, DAY, make_day(DAY, 21), audit=no_audit)
    with pytest.raises(RestatementError, match="not compared yet"):
        comparison(warehouse, found)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_stands_alone_and_escapes(compared: Any) -> None:
    comparison = compared[0]
    page = _Page()
    page.feed(comparison.html())
    assert references(comparison.html()) == []
    assert "img" not in {name for name, _ in page.tags}
    assert "<b>" not in {name for name, _ in page.tags}
    text = " ".join(page.text)
    assert "<b>new</b>" in text
    assert all(mover["customer_id"] in text for mover in comparison.document["movers"])
    assert all(reason in text for reason in comparison.beyond_limits)
    assert "orders 1.0.0 to orders 1.1.0" in text
    cells = {cell["customers"] for cell in comparison.document["migration"]}
    assert all(f"{number:,}" in page.text for number in cells)
