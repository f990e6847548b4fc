"""The report of the models' benchmark, from what three processes are said to have taken; and its orders."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from bench.data import Shop, simulate
from bench.marks import Part
from bench.measure import Measured
from bench.models import agreement, compare, stage_of
from bench.models_data import write


def process(name: str, seconds: dict[str, float], **facts: object) -> Measured:
    parts = tuple(Part(mark, wall, wall / 2, 100 * wall) for mark, wall in seconds.items())
    return Measured(name, sum(seconds.values()), 1.0, 1.0, parts, facts)


@pytest.fixture
def found() -> dict[str, Measured]:
    sums = {"customers": 10.0, "one-year value": 5.5}
    likelihoods = {"BG/NBD": {"ddcrm": -1.0, "lifetimes": -2.0}}
    return {
        "ddcrm": process("ddcrm", {"summary": 1.0, "fit Pareto/NBD": 9.0, "CLV": 0.5}, sums=sums, version="0",
                         log_likelihoods=likelihoods),
        "lifetimes": process("lifetimes", {"read": 7.0, "summary": 8.0, "predict": 1.0, "CLV": 3.0},
                             sums=sums, version="1"),
        "pymc-marketing": process("pymc-marketing", {"summary": 4.0}, sums={"customers": 10.0}, version="2"),
    }  # fmt: skip


def cells(table: str, row: str) -> list[str]:
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {row} ")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_what_was_read_before_does_not_count(found: dict[str, Measured]) -> None:
    assert cells(compare(found), "summary")[-2:] == ["8.0", "4.0"]


def test_prediction_and_value_count_together(found: dict[str, Measured]) -> None:
    row = cells(compare(found), "predictions")
    assert row[1:7] == ["0.50", "0.25", "50", "4.00", "2.00", "300"]
    assert row[-2:] == ["8.0", ""]


def test_what_only_one_has_is_set_against_nothing(found: dict[str, Measured]) -> None:
    assert cells(compare(found), "fit Pareto/NBD")[1:] == ["9.00", "4.50", "900", *[""] * 8]
    assert stage_of(found["lifetimes"], ("fit Pareto/NBD",)) is None


def test_answers_stand_beside_each_other(found: dict[str, Measured]) -> None:
    table = agreement(found)
    assert cells(table, "one-year value")[1:] == ["5.50", "5.50", ""]
    assert cells(table, "log-likelihood of BG/NBD")[1:] == ["-1.00", "-2.00", ""]
    assert table.endswith("Versions: ddcrm 0; lifetimes 1; pymc-marketing 2.")


def test_the_file_holds_the_shop_s_orders(tmp_path: Path) -> None:
    shop = Shop(customers=200, days=60)
    orders = simulate(shop)
    assert write(shop, tmp_path / "orders.parquet") == len(orders.time)
    table = pq.read_table(tmp_path / "orders.parquet")
    assert pc.sum(table["amount"]).as_py() * 100 == int(orders.cents.sum())
    assert (pc.min(table["event_date"]).as_py(), pc.max(table["event_date"]).as_py()) <= (shop.last, shop.last)
    assert len(table["customer_key"].unique()) == 200
    assert table["event_date"].to_pylist() == sorted(table["event_date"].to_pylist())
