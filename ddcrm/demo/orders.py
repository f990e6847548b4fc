"""From purchases to order lines: products, returns, late orders, corrections, test orders, and rows that are spoilt.

The last word on every order agrees with the true process to the cent: what is late arrives, what was wrong is
corrected, and spoilt rows belong to orders that the process knows nothing of.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ddcrm.demo.catalogue import product_for
from ddcrm.demo.clock import shop_seconds
from ddcrm.demo.dirt import plan, recent_first
from ddcrm.demo.parameters import Company
from ddcrm.demo.purchases import Truth
from ddcrm.demo.words import CATEGORIES

CHANNELS = {"web": 0.46, "app": 0.27, "store": 0.21, "phone": 0.06}
QUARANTINED = ("broken_dates", "unknown_channels", "negative_prices", "thousands_separators", "missing_customer_keys",
               "missing_order_ids")  # fmt: skip
_RETURN_SHARE = 0.06
_MOST_LINES = 6
_LATEST = 5  # days


def order_lines(company: Company, truth: Truth, products: pd.DataFrame) -> pd.DataFrame:
    """Every order line as it arrives, by day of arrival.

    Columns: order_id, line_no, customer_key, customer (row in the truth, -1: none), day and second (local), product
    (row), quantity, unit_cents (list price), cents (net of the line), cost_cents, channel, status, batch (day of
    arrival), note ("" for plain lines; late, return, before_correction, correction, test, duplicate or a kind of dirt).
    """
    rng = company.rng("orders")
    sold = _lines(rng, company, truth, products)
    good = pd.concat([sold, _returns(rng, company, sold)], ignore_index=True)
    extra = _copies(company, good)
    lines = _numbered(pd.concat([good, extra], ignore_index=True))
    lines = _late(company, lines)
    lines = _corrected(company, lines)
    lines = _doubled(company, lines)
    return lines.sort_values(["batch", "order_id", "line_no"], kind="stable", ignore_index=True)


def _lines(rng: np.random.Generator, company: Company, truth: Truth, products: pd.DataFrame) -> pd.DataFrame:
    bought = truth.purchases[truth.purchases["at"] < company.days].reset_index(drop=True)
    size = np.minimum(1 + rng.poisson(1.1, len(bought)), _MOST_LINES)
    order = np.repeat(np.arange(len(bought)), size)
    cents = _shares(rng, order, bought["cents"].to_numpy()[order])
    quantity = np.minimum(rng.choice([1, 2, 3], len(order), p=[0.8, 0.15, 0.05]), cents)
    product = product_for(_categories(rng, bought["customer"].to_numpy()[order]), -(-cents // quantity), products)
    price = products["cents"].to_numpy()[product]
    quantity = np.maximum(quantity, -(-cents // price))
    customer = bought["customer"].to_numpy()[order]
    return pd.DataFrame({
        "order": order, "line_no": _positions(order), "customer": customer,
        "customer_key": truth.customers["customer_key"].to_numpy()[customer],
        "day": np.floor(bought["at"].to_numpy()).astype(np.int64)[order],
        "second": shop_seconds(rng, len(bought))[order],
        "product": product, "quantity": quantity, "unit_cents": price, "cents": cents,
        "cost_cents": products["cost_cents"].to_numpy()[product] * quantity,
        "channel": _channels(rng, bought["customer"].to_numpy())[order], "status": "completed",
    }).assign(batch=lambda rows: rows["day"], note="")  # fmt: skip


def _shares(rng: np.random.Generator, order: NDArray[np.int64], total: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each order's total split over its lines so that they add up to the cent."""
    weight = pd.Series(0.5 + rng.random(len(order)))
    upto = weight.groupby(order).cumsum() / weight.groupby(order).transform("sum")
    bound = pd.Series(np.rint(upto * total).astype(np.int64))
    return (bound - bound.groupby(order).shift(fill_value=0)).to_numpy()


def _positions(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """1, 2, ... within each order."""
    return np.asarray(pd.Series(order).groupby(order).cumcount(), dtype=np.int64) + 1


def _categories(rng: np.random.Generator, customer: NDArray[np.int64]) -> NDArray[np.int64]:
    """More than half of what a customer buys is of his favourite category."""
    favourite, other = customer % len(CATEGORIES), rng.integers(0, len(CATEGORIES), len(customer))
    return np.where(rng.random(len(customer)) < 0.55, favourite, other)


def _channels(rng: np.random.Generator, customer: NDArray[np.int64]) -> NDArray[np.str_]:
    """Four of five orders come by the customer's usual channel."""
    names, shares = list(CHANNELS), list(CHANNELS.values())
    usual = rng.choice(names, int(customer.max(initial=0)) + 1, p=shares)[customer]
    return np.where(rng.random(len(customer)) < 0.8, usual, rng.choice(names, len(customer), p=shares))


def _returns(rng: np.random.Generator, company: Company, lines: pd.DataFrame) -> pd.DataFrame:
    """One line of some orders comes back within three weeks: an order of its own, with negative amounts."""
    first = lines[lines["line_no"] == 1]
    back = first[rng.random(len(first)) < _RETURN_SHARE].copy()
    back["day"] += rng.integers(2, 21, len(back))
    back["second"] = shop_seconds(rng, len(back))
    for column in ("quantity", "cents", "cost_cents"):
        back[column] = -back[column]
    back = back[back["day"] < company.days]
    highest = int(lines["order"].max())
    return back.assign(
        order=highest + 1 + np.arange(len(back)), line_no=1, status="returned", batch=back["day"], note="return"
    )


def _copies(company: Company, good: pd.DataFrame) -> pd.DataFrame:
    """Orders of one line that the process doesn't know: those that get spoilt later, and the shop's own tests."""
    rng, counts = company.rng("spoilt orders"), company.dirt
    sold = good[good["status"] == "completed"]
    planned = plan(company, sold["batch"], {kind: getattr(counts, kind) for kind in QUARANTINED}, counts.min_rows, rng)
    tested = [("test", day) for day in recent_first(company, sold["batch"], counts.test_orders, rng)]
    if not planned and not tested:
        return good.iloc[:0]
    rows = [sold.index[sold["batch"] == day][0] for _, day in [*planned, *tested]]
    copies = good.loc[rows].assign(note=[kind for kind, _ in [*planned, *tested]], customer=-1, line_no=1)
    copies["second"] = shop_seconds(rng, len(copies))
    copies["order"] = int(good["order"].max()) + 1 + np.arange(len(copies))
    test = (copies["note"] == "test").to_numpy()
    copies.loc[test, "customer_key"] = [f"TEST-{number % 3 + 1}" for number in range(int(test.sum()))]
    return copies


def _numbered(lines: pd.DataFrame) -> pd.DataFrame:
    """Order numbers by the time of the order; returns have a series of their own."""
    lines = lines.sort_values(["day", "second", "order", "line_no"], ignore_index=True)
    letter = np.where(lines["status"] == "returned", "R", "A")
    number = pd.factorize(lines["order"])[0] + 100_001
    return lines.assign(order_id=[f"{a}-{b}" for a, b in zip(letter, number, strict=True)]).drop(columns="order")


def _late(company: Company, lines: pd.DataFrame) -> pd.DataFrame:
    """Some orders arrive some days after their own day."""
    wait = _waits(company, lines, company.dirt.late_orders, "late orders")
    return lines.assign(batch=lines["batch"] + wait, note=lines["note"].mask(wait > 0, "late"))


def _corrected(company: Company, lines: pd.DataFrame) -> pd.DataFrame:
    """Some orders first arrive with a wrong amount, and again some days later with the right one."""
    wait = _waits(company, lines, company.dirt.corrections, "corrections")
    wrong, first = wait > 0, (wait > 0) & (lines["line_no"] == 1).to_numpy()
    again = lines.assign(batch=lines["batch"] + wait, note="correction")[wrong]
    cents = lines["cents"].mask(first, lines["cents"] * 11 // 10 + 1)
    before = lines.assign(cents=cents, note=lines["note"].mask(wrong, "before_correction"))
    return pd.concat([before, again], ignore_index=True)


def _waits(company: Company, lines: pd.DataFrame, wanted: int, what: str) -> NDArray[np.int64]:
    """For each line the days until its order arrives (again): some for `wanted` plain orders, 0 for all others."""
    rng = company.rng(what)
    plain = lines[(lines["note"] == "") & (lines["line_no"] == 1) & (lines["day"] < company.days - _LATEST)]
    days = recent_first(company, plain["day"], wanted, rng)
    chosen = [str(plain["order_id"][plain["day"] == day].iloc[-1]) for day in days]
    wait = dict(zip(chosen, rng.integers(1, _LATEST + 1, len(chosen)).tolist(), strict=True))
    return np.array([wait.get(order, 0) for order in lines["order_id"]], dtype=np.int64)


def _doubled(company: Company, lines: pd.DataFrame) -> pd.DataFrame:
    """Some lines stand twice in their file."""
    rng = company.rng("duplicate lines")
    plain = lines[lines["note"] == ""]
    days = recent_first(company, plain["batch"], company.dirt.duplicate_lines, rng)
    rows = [plain.index[plain["batch"] == day][-1] for day in days]
    return pd.concat([lines, lines.loc[rows].assign(note="duplicate")], ignore_index=True)
