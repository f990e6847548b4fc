"""Cohorts, what moved revenue, and value by period, against pandas and fractions on made-up lines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import ibis
import numpy as np
import pandas as pd
import pytest

from ddcrm.errors import MalformedDataError
from ddcrm.features.cohorts import cohort_months
from ddcrm.features.purchases import purchase_lines
from ddcrm.features.revenue import monthly_sums, revenue_classes
from ddcrm.lake.engine import Engine
from ddcrm.scoring.cohorts import cohort_retention
from ddcrm.scoring.history import read_history
from ddcrm.scoring.revenue_tree import revenue_tree
from ddcrm.scoring.value_by_period import impossible_shares, value_by_period
from ddcrm.settings import PurchaseSettings
from tests.scoring import lake

AS_OF = date(2026, 5, 20)
FIRST = date(2025, 2, 1)


def made_up(seed: int = 3) -> pd.DataFrame:
    """Lines over 15 months: several lines an order, refunds days later, customers with nothing but refunds."""
    chance = np.random.default_rng(seed)
    rows = []
    for order in range(1500):
        customer = int(chance.integers(0, 180))
        day = FIRST + timedelta(days=int(chance.integers(0, (AS_OF - FIRST).days + 1)))
        for _ in range(int(chance.integers(1, 4))):
            cents = int(chance.integers(1, 20_000))
            rows.append((f"C{customer:03}", f"A{order}", day, cents, cents * 2 // 3))
        if chance.random() < 0.2:
            back = min(day + timedelta(days=int(chance.integers(0, 60))), AS_OF)
            rows.append(
                (f"C{customer if customer % 9 else 900:03}", f"A{order}", back, -int(chance.integers(1, 9_000)), 0)
            )
    return pd.DataFrame(rows, columns=["customer_key", "order_id", "event_date", "cents", "cost_cents"])


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return made_up()


@pytest.fixture(scope="module")
def lines(frame: pd.DataFrame) -> Iterator[ibis.Table]:
    connection = ibis.duckdb.connect()
    connection.con.register("made_up", frame)
    connection.con.execute(
        "CREATE TABLE orders AS SELECT customer_key, order_id, CAST(event_date AS DATE) AS event_date, "
        "CAST(cents / 100.0 AS DECIMAL(18, 2)) AS amount, "
        "CAST(cost_cents / 100.0 AS DECIMAL(18, 2)) AS cost FROM made_up"
    )
    yield purchase_lines(connection.table("orders"), AS_OF, PurchaseSettings())
    connection.disconnect()


def found(table: ibis.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pyarrow().to_pylist()
    return rows


def money(cents: int) -> Decimal:
    return Decimal(int(cents)).scaleb(-2)


def months(days: pd.Series) -> pd.Series:
    return pd.to_datetime(days).dt.to_period("M")


def test_cohorts_are_those_of_pandas(frame: pd.DataFrame, lines: ibis.Table) -> None:
    rows = cohort_retention(AS_OF, found(cohort_months(lines))).to_pylist()
    bought = frame[frame.cents > 0]
    first = months(bought.groupby("customer_key").event_date.min())
    known = frame[frame.customer_key.isin(first.index)]
    since = (months(known.event_date) - known.customer_key.map(first)).map(lambda gap: max(gap.n, 0))
    for row in rows:
        cohort = pd.Period(row["cohort"], "M")
        mine = known.customer_key.map(first) == cohort
        here = mine & (since == row["months_since"])
        active = known[here & (known.cents > 0)].customer_key.nunique()
        assert (row["customers"], row["active"]) == (int((first == cohort).sum()), active)
        assert row["revenue"] == money(known[here].cents.sum())
        assert row["retention"] == active / row["customers"]
    assert sum(row["revenue"] for row in rows) == money(known.cents.sum())
    cohorts = sorted(first.unique())
    assert [(row["cohort"], row["months_since"]) for row in rows] == [
        (cohort.start_time.date(), n) for cohort in cohorts for n in range((pd.Period(AS_OF, "M") - cohort).n + 1)
    ]


@pytest.mark.parametrize("n", [30, 90, 365])
def test_the_tree_is_that_of_pandas_and_adds_up(frame: pd.DataFrame, lines: ibis.Table, n: int) -> None:
    rows = revenue_tree(AS_OF, found(revenue_classes(lines, AS_OF, (30, 90, 365))), (30, 90, 365)).to_pylist()
    tree = {(row["split"], row["node"]): row for row in rows if row["period_days"] == n}
    start, begin = AS_OF - timedelta(days=n), AS_OF - timedelta(days=2 * n)
    after = frame[frame.event_date > start]
    before = frame[(frame.event_date > begin) & (frame.event_date <= start)]
    ones, twos = (set(part[part.cents > 0].customer_key) for part in (before, after))
    first = frame[frame.cents > 0].groupby("customer_key").event_date.min()
    classes = {
        "kept": ones & twos, "lost": ones - twos, "new": {one for one in twos - ones if first[one] > start},
        "returned": {one for one in twos - ones if first[one] <= start},
        "passive": set(frame.customer_key) - ones - twos,
    }  # fmt: skip
    for name, customers in classes.items():
        sides = [money(part[part.customer_key.isin(customers)].cents.sum()) for part in (before, after)]
        row = tree["class", name]
        assert [row["revenue_before"], row["revenue_after"], row["change"]] == [*sides, sides[1] - sides[0]]
    total = tree["total", "total"]
    assert (total["customers_before"], total["customers_after"]) == (len(ones), len(twos))
    assert total["change"] == money(after.cents.sum() - before.cents.sum())
    for split, whole in (("class", total), ("factor", total), ("kept_factor", tree["class", "kept"])):
        assert sum(row["change"] for (kind, _), row in tree.items() if kind == split) == whole["change"]
    counts = [total[name] for name in ("customers_before", "customers_after", "orders_before", "orders_after")]
    a, b, c, d = map(Fraction, counts)
    r, s = Fraction(total["revenue_before"]), Fraction(total["revenue_after"])
    exact = {
        "customers": (b - a) * r / a,
        "orders_per_customer": b * (d / b - c / a) * r / c,
        "spend_per_order": s - d * r / c,
    }
    for name, effect in exact.items():
        assert abs(Fraction(tree["factor", name]["change"]) - effect) <= Fraction(1, 100)


def test_orders_of_a_period_are_those_that_begin_in_it(frame: pd.DataFrame, lines: ibis.Table) -> None:
    rows = found(revenue_classes(lines, AS_OF, (90,)))
    begun = frame[frame.cents > 0].groupby(["customer_key", "order_id"]).event_date.min()
    assert sum(row["orders_after"] for row in rows) == int((begun > AS_OF - timedelta(days=90)).sum())


def test_a_tree_that_began_from_nothing() -> None:
    row = {"period_days": 30, "class": "new", "customers": 2, "orders_before": 0, "orders_after": 3,
           "revenue_before": Decimal("0.00"), "revenue_after": Decimal("10.01")}  # fmt: skip
    tree = {(one["split"], one["node"]): one["change"] for one in revenue_tree(AS_OF, [row], (30,)).to_pylist()}
    assert tree["factor", "customers"] == tree["class", "new"] == tree["total", "total"] == Decimal("10.01")
    assert tree["factor", "spend_per_order"] == tree["factor", "orders_per_customer"] == 0


def test_value_by_month_is_that_of_pandas(frame: pd.DataFrame, lines: ibis.Table) -> None:
    market = [{"period": "2025-03", "market_size": None, "own_share": 0.125},
              {"period": "2025-04", "market_size": Decimal("100000.00"), "own_share": None}]  # fmt: skip
    rows = value_by_period(AS_OF, found(monthly_sums(lines)), market, None).to_pylist()
    by_month = frame.groupby(months(frame.event_date))
    revenue, cost = by_month.cents.sum(), by_month.cost_cents.sum()
    assert [row["period"] for row in rows] == [month.start_time.date() for month in revenue.index]
    assert [row["revenue"] for row in rows] == [money(cents) for cents in revenue]
    assert [row["profit"] for row in rows] == [money(cents) for cents in revenue - cost]
    assert [row["cumulative_profit"] for row in rows] == [money(cents) for cents in (revenue - cost).cumsum()]
    assert rows[-1]["until_day"] == AS_OF
    assert rows[0]["until_day"] == date(2025, 2, 28)
    march, april = rows[1], rows[2]
    assert march["market_value"] == (march["profit"] * Decimal("0.125")).quantize(Decimal("0.01"))
    assert april["market_share"] == (april["revenue"] / 100_000).quantize(Decimal("0.000001"))
    assert april["cumulative_market_value"] == march["market_value"] + april["market_value"]
    assert {row["market_value"] for row in rows[3:]} == {None}


def test_lines_without_a_cost() -> None:
    month = {"month": date(2026, 5, 1), "customers": 1, "revenue": Decimal("30.00"), "cost": Decimal("5.00"),
             "revenue_without_cost": Decimal("20.00")}  # fmt: skip
    [unknown] = value_by_period(AS_OF, [month], [], None).to_pylist()
    assert (unknown["cost"], unknown["profit"], unknown["cumulative_profit"]) == (None, None, None)
    [known] = value_by_period(AS_OF, [month], [], Decimal("0.25")).to_pylist()
    assert (known["cost"], known["profit"]) == (Decimal("20.00"), Decimal("10.00"))


def test_months_in_which_nothing_was_sold_are_there() -> None:
    def month(first: date) -> dict[str, Any]:
        return {"month": first, "customers": 1, "revenue": Decimal(3), "cost": Decimal(1), "revenue_without_cost": None}

    rows = value_by_period(AS_OF, [month(date(2025, 11, 1)), month(date(2026, 2, 1))], [], None).to_pylist()
    assert [row["cumulative_profit"] for row in rows] == [2, 2, 2, 4, 4, 4, 4]
    assert [row["customers"] for row in rows] == [1, 0, 0, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("revenue", "told", "share"),
    [
        ("5000.00", {"market_size": Decimal("1.25")}, None),  # told in millions
        ("5000.00", {"market_size": Decimal("4999.99")}, None),
        ("5000.00", {"market_size": Decimal("5000.00")}, Decimal(1)),
        ("-3.10", {"market_size": Decimal("5000.00")}, None),  # more was given back than bought
        ("0.00", {"market_size": Decimal("5000.00")}, Decimal(0)),
        ("5000.00", {"own_share": 12.5}, None),  # told in per cent
        ("5000.00", {"own_share": -0.1}, None),
        ("5000.00", {"own_share": 1e300}, None),
        ("5000.00", {"own_share": float("nan")}, None),
        ("5000.00", {"own_share": 0.125}, Decimal("0.125")),
    ],
)
def test_what_is_no_share_is_not_known_and_warned_of(revenue: str, told: dict[str, Any], share: Decimal | None) -> None:
    month = {"month": date(2026, 5, 1), "customers": 1, "revenue": Decimal(revenue), "cost": Decimal("1.00"),
             "revenue_without_cost": None}  # fmt: skip
    market = [{"period": "2026-05", "market_size": None, "own_share": None, **told}]
    [row] = value_by_period(AS_OF, [month], market, None).to_pylist()
    assert row["market_share"] == share
    assert (row["market_value"] is None) == (share is None)
    assert row["cumulative_profit"] == row["profit"] == Decimal(revenue) - 1
    warned = impossible_shares([month], market)
    assert len(warned) == (share is None)
    assert all("market_share is not known in 2026-05" in words for words in warned)
    three = [{**month, "month": date(2026, number, 1)} for number in (1, 3, 5)]
    of_three = impossible_shares(three, [{**market[0], "period": f"2026-{number:02}"} for number in (1, 2, 3, 4, 5)])
    assert [" in 3 months from 2026-01 to 2026-05" in words for words in of_three] == [True] * len(warned)


def test_a_period_that_is_none() -> None:
    with pytest.raises(MalformedDataError, match="2026-13"):
        value_by_period(AS_OF, [], [{"period": "2026-13", "market_size": Decimal(1), "own_share": None}], None)


def test_from_the_lake(tmp_path: Path) -> None:
    settings = lake.project(tmp_path / "project")
    orders = lake.history(customers=50)
    lake.commit(settings, orders)
    as_of = lake.FIRST + timedelta(days=40)
    with Engine(settings) as engine:
        tables = read_history(engine, as_of).tables
        again = read_history(engine, as_of).tables
    assert all(tables[name].equals(again[name]) for name in tables)
    query = f"SELECT sum(amount) FROM orders WHERE event_date <= DATE '{as_of}'"
    total = duckdb.sql(query).fetchall()[0][0]
    assert sum(tables["value_by_period"]["revenue"].to_pylist()) == total
    assert sum(tables["cohort_retention"]["revenue"].to_pylist()) == total
