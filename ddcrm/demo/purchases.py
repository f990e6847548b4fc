"""The true process: when each customer buys, what it is worth, when he leaves; a year beyond the last day, too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ddcrm.demo.parameters import Company

FUTURE_DAYS = 365
_DAYS_A_WEEK = 7.0
_LEAST_CENTS = 100  # nobody buys for less than a euro

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """What nobody in the company can know.

    customers: one row a customer, in the order of the first purchase: customer_key, born (days since the first day),
    rate_per_week, dropout_probability, left (days; inf: not within the simulated time), spend_rate.
    purchases: one row a purchase, by time: customer (row of customers), at (days), cents. The future is included.
    """

    customers: pd.DataFrame
    purchases: pd.DataFrame


def draw(company: Company) -> Truth:
    """Draw the customers and all their purchases."""
    rng, process, n = company.rng("process"), company.process, company.customers
    born = company.days * (np.arange(n) + rng.random(n)) / n  # one after another: no day without a newcomer
    rate = rng.gamma(process.r, 1 / process.alpha, n)
    dropout = rng.beta(process.a, process.b, n)
    customer, at, left = _purchase_times(rng, born, rate, dropout, company.days + FUTURE_DAYS)
    spend_rate = rng.gamma(process.q, 1 / process.v, n)
    spend = rng.gamma(process.p, 1 / spend_rate[customer])
    cents = np.maximum(np.rint(spend * 100), _LEAST_CENTS).astype(np.int64)
    customers = pd.DataFrame({
        "customer_key": [f"C{number:06d}" for number in range(1, n + 1)], "born": born, "rate_per_week": rate,
        "dropout_probability": dropout, "left": left, "spend_rate": spend_rate,
    })  # fmt: skip
    purchases = pd.DataFrame({"customer": customer, "at": at, "cents": cents})
    return Truth(customers, purchases.sort_values(["at", "customer"], ignore_index=True))


def _purchase_times(
    rng: np.random.Generator, born: Floats, rate: Floats, dropout: Floats, end: float
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Customer and day of every purchase before `end`, and the day on which each customer left (inf: not before)."""
    active, now, left = np.arange(len(born)), born.copy(), np.full(len(born), np.inf)
    who, when = [active], [born]
    while len(active):
        waited = rng.exponential(1.0, len(active)) / np.maximum(rate[active], 1e-12)
        now = now + waited * _DAYS_A_WEEK
        active, now = active[now < end], now[now < end]
        who.append(active)
        when.append(now)
        leaves = rng.random(len(active)) < dropout[active]
        left[active[leaves]] = now[leaves]
        active, now = active[~leaves], now[~leaves]
    return np.concatenate(who).astype(np.int64), np.concatenate(when), left


def customer_truth(company: Company, truth: Truth) -> pd.DataFrame:
    """One row a customer for `truth/customers.parquet`: the parameters behind him, what he did, what he will do.

    `purchases` and `purchase_days` count the first one; spends are in euros, without returns.
    """
    rows, counts = truth.purchases, pd.DataFrame(index=np.arange(company.customers))
    day = np.floor(rows["at"]).astype(np.int64)
    past = rows[day < company.days].assign(day=day)
    counts["purchases"] = past.groupby("customer").size()
    counts["purchase_days"] = past.groupby("customer")["day"].nunique()
    counts["last_day"] = past.groupby("customer")["day"].max()
    counts["spend"] = past.groupby("customer")["cents"].sum() / 100
    for days in (90, 365):
        future = rows[(day >= company.days) & (day < company.days + days)].groupby("customer")
        counts[f"purchases_next_{days}d"] = future.size()
        counts[f"spend_next_{days}d"] = future["cents"].sum() / 100
    counts = counts.fillna(0).astype({name: "int64" for name in counts if not str(name).startswith("spend")})
    known = truth.customers.assign(
        first_purchase_on=[company.day(offset) for offset in np.floor(truth.customers["born"])],
        last_purchase_on=[company.day(offset) for offset in counts["last_day"]],
        mean_spend=company.process.p / truth.customers["spend_rate"], alive=truth.customers["left"] >= company.days,
    )  # fmt: skip
    return pd.concat([known.drop(columns=["born", "left"]), counts.drop(columns="last_day")], axis=1)
