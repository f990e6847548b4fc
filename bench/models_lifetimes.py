"""From orders to one-year value by lifetimes: python -m bench.models_lifetimes ORDERS AS_OF MARKS BEGUN.

It runs in an environment of its own (requirements/bench-peer.lock).
"""

# ruff: noqa: E402  (the imports are timed, too)

from __future__ import annotations

import sys
from pathlib import Path

from bench.marks import Marks

marks = Marks(float(sys.argv[4]))

import lifetimes
import pandas as pd
from lifetimes import BetaGeoFitter, GammaGammaFitter, ModifiedBetaGeoFitter
from lifetimes.utils import summary_data_from_transaction_data

marks.end("imports")

orders = pd.read_parquet(sys.argv[1], columns=["customer_key", "event_date", "amount"])
orders["amount"] = orders["amount"].astype(float)
orders["event_date"] = pd.to_datetime(orders["event_date"])
marks.end("read")

customers = summary_data_from_transaction_data(
    orders, "customer_key", "event_date", monetary_value_col="amount", observation_period_end=sys.argv[2]
)
marks.end("summary")
del orders

history = customers["frequency"], customers["recency"], customers["T"]
bgf = BetaGeoFitter()
bgf.fit(*history)
marks.end("fit BG/NBD")

mbgf = ModifiedBetaGeoFitter()
mbgf.fit(*history)
marks.end("fit MBG/NBD")

returning = customers[customers["frequency"] > 0]
ggf = GammaGammaFitter()
ggf.fit(returning["frequency"], returning["monetary_value"])
marks.end("fit Gamma-Gamma")

alive = bgf.conditional_probability_alive(*history)
ahead = {days: bgf.conditional_expected_number_of_purchases_up_to_time(days, *history) for days in (90, 365)}
marks.end("predict")

value = ggf.customer_lifetime_value(
    bgf, *history, customers["monetary_value"], time=12, discount_rate=0.1 / 12, freq="D"
)
marks.end("CLV")

marks.save(
    Path(sys.argv[3]),
    version=lifetimes.__version__,
    parameters={"BG/NBD": dict(bgf.params_), "MBG/NBD": dict(mbgf.params_)},
    sums={
        "customers": len(customers),
        "frequency": float(customers["frequency"].sum()),
        "recency": float(customers["recency"].sum()),
        "tenure": float(customers["T"].sum()),
        "expected purchases, 365 days": float(ahead[365].sum()),
        "one-year value": float(value.sum()),
    },
)
