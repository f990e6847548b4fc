"""docs/demo.md gives numbers: they are those of the default company."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("demo")

PAGE = (Path(__file__).parents[2] / "docs" / "demo.md").read_text("utf-8")


def test_the_rows_of_each_source(truth: dict[str, Any]) -> None:
    found = dict(re.findall(r"^\| (\w+) \|.*\| ([\d,]+) \|$", PAGE.split("## The true process")[0], re.MULTILINE))
    assert {source: int(rows.replace(",", "")) for source, rows in found.items()} == {
        source: counts["landed"] for source, counts in truth["sources"].items()
    }


def test_the_counts_of_the_dirt(truth: dict[str, Any]) -> None:
    cells = re.findall(r"^\|[^|]*\|[^|]*\| ([\d, ]+) \|[^|]*\|$", PAGE.split("## The dirt")[1], re.MULTILINE)
    counted = sorted(int(number) for cell in cells for number in cell.split(", "))
    planted = [(kind, count) for kinds in truth["planted"].values() for kind, count in kinds.items()]
    assert counted == sorted(count for kind, count in planted if kind not in ("before_correction", "return"))


def test_the_parameters(truth: dict[str, Any]) -> None:
    bgnbd, spend = truth["company"]["bgnbd"], truth["company"]["gamma_gamma"]
    assert (
        f"= {str(bgnbd['r']).lstrip('0')}, {bgnbd['alpha']:.0f}, {str(bgnbd['a']).lstrip('0')}, {bgnbd['b']:.0f}`"
        in PAGE
    )
    assert f"`p, q, v = {spend['p']:.0f}, {spend['q']:.0f}, {spend['v']:.0f}`" in PAGE
