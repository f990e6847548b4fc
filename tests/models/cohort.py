"""Customers for the tests: simulated ones of known parameters, and CDNOW as the literature summarises it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DATA = Path(os.environ.get("DDCRM_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
CDNOW = DATA / "cdnow" / "CDNOW_sample.txt"
CDNOW_MASTER = DATA / "cdnow" / "CDNOW_master.txt"

Floats = NDArray[np.float64]


def cdnow_summary(path: Path = CDNOW) -> pd.DataFrame:
    """frequency, recency and tenure in weeks, and monetary_value, of the calibration period to 1997-09-30.

    later: purchase days in the 39 weeks after it.
    """
    names = ["master_id"] * (path == CDNOW) + ["customer", "date", "cds", "spent"]
    skip = 0 if path == CDNOW else 1  # the master file has a header
    lines = pd.read_csv(path, sep=r"\s+", header=None, names=names, skiprows=skip, dtype={"date": str})
    lines["date"] = pd.to_datetime(lines["date"], format="%Y%m%d")
    end = pd.Timestamp("1997-09-30")
    every = lines.groupby(["customer", "date"], as_index=False)["spent"].sum()
    days = every[every["date"] <= end]
    later = every[(every["date"] > end) & (every["date"] <= end + pd.Timedelta(weeks=39))]
    first = days.groupby("customer")["date"].transform("min")
    repeats = days[days["date"] > first]
    dates = days.groupby("customer")["date"].agg(["min", "max", "count"])
    return pd.DataFrame(
        {
            "frequency": dates["count"] - 1,
            "recency": (dates["max"] - dates["min"]).dt.days / 7,
            "tenure": (end - dates["min"]).dt.days / 7,
            "later": later.groupby("customer").size().reindex(dates.index, fill_value=0),
            "monetary_value": repeats.groupby("customer")["spent"].mean().reindex(dates.index, fill_value=0.0),
        }
    )


def bgnbd_cohort(
    n: int, parameters: tuple[float, ...], observed: float, ahead: float = 0.0, seed: int = 1
) -> pd.DataFrame:
    """Customers who buy as BG/NBD says: frequency, recency, tenure, and `later`, the purchases in `ahead` after.

    Tenures are spread over the second half of `observed`; purchases are drawn one by one.
    """
    r, alpha, a, b = parameters
    random = np.random.default_rng(seed)
    rate, leaving = random.gamma(r, 1 / alpha, n), random.beta(a, b, n)
    tenure = random.uniform(observed / 2, observed, n)
    frequency, recency, later, clock = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    there = np.arange(n)
    while len(there):
        clock[there] += random.exponential(1 / rate[there])
        there = there[clock[there] <= tenure[there] + ahead]
        seen = there[clock[there] <= tenure[there]]
        frequency[seen] += 1
        recency[seen] = clock[seen]
        later[there[clock[there] > tenure[there]]] += 1
        there = there[random.random(len(there)) >= leaving[there]]
    return pd.DataFrame({"frequency": frequency, "recency": recency, "tenure": tenure, "later": later})


def pareto_nbd_cohort(
    n: int, parameters: tuple[Any, ...], observed: float, ahead: float = 0.0, seed: int = 1
) -> pd.DataFrame:
    """Customers who buy as Pareto/NBD says: the columns of `bgnbd_cohort`, and `alive` at the end of the tenure.

    Who buys x times in a given time does so at x uniform times. parameters: each a number or (n,).
    """
    r, alpha, s, beta = parameters
    random = np.random.default_rng(seed)
    rate, leaving = random.gamma(r, 1 / alpha, n), random.gamma(s, 1 / beta, n)
    life, tenure = random.exponential(1 / leaving), random.uniform(observed / 2, observed, n)
    there, after = np.minimum(life, tenure), np.clip(life - tenure, 0, ahead)
    frequency = random.poisson(rate * there).astype(float)
    latest = random.random(n) ** (1 / np.maximum(frequency, 1))  # the greatest of x uniform numbers
    recency, later = np.where(frequency > 0, latest * there, 0.0), random.poisson(rate * after).astype(float)
    columns = {"frequency": frequency, "recency": recency, "tenure": tenure, "later": later}
    return pd.DataFrame(columns | {"alive": life > tenure})


def gamma_gamma_cohort(n: int, parameters: tuple[float, float, float], seed: int = 1) -> pd.DataFrame:
    """Customers who spend as Gamma-Gamma says: frequency from 0 to 6, and the mean of that many purchases."""
    p, q, v = parameters
    random = np.random.default_rng(seed)
    frequency, rate = random.integers(0, 7, n), random.gamma(q, 1 / v, n)
    spent = [random.gamma(p, 1 / nu, x).mean() if x else 0.0 for x, nu in zip(frequency, rate, strict=True)]
    return pd.DataFrame({"frequency": frequency, "monetary_value": spent})
