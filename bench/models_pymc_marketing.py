"""From orders to one-year value by pymc-marketing: python -m bench.models_pymc_marketing ORDERS AS_OF MARKS BEGUN.

Fits are MAP, the fastest that it has. It runs in an environment of its own (requirements/bench-pymc.lock).
"""

# ruff: noqa: E402  (the imports are timed, too)

from __future__ import annotations

import sys
from pathlib import Path

from bench.marks import Marks

marks = Marks(float(sys.argv[4]))

import pandas as pd
import pymc_marketing
from pymc_marketing import clv

marks.end("imports")

orders = pd.read_parquet(sys.argv[1], columns=["customer_key", "event_date", "amount"])
orders["amount"] = orders["amount"].astype(float)
orders["event_date"] = pd.to_datetime(orders["event_date"])
marks.end("read")

customers = clv.utils.rfm_summary(
    orders, "customer_key", "event_date", monetary_value_col="amount", observation_period_end=sys.argv[2]
)
marks.end("summary")
del orders


def fitted(model):
    """The model at its posterior's mode."""
    model.fit(method="map", progressbar=False)
    return model


for kind in (clv.BetaGeoModel, clv.ModifiedBetaGeoModel, clv.GammaGammaModel):
    fitted(kind(data=customers[customers["frequency"] > 0].head(1000)))
marks.end("compile")  # a thousand customers: what is compiled is kept on disk, and is not held against the fits

bg = fitted(clv.BetaGeoModel(data=customers))
marks.end("fit BG/NBD")

mbg = fitted(clv.ModifiedBetaGeoModel(data=customers))
marks.end("fit MBG/NBD")

gg = fitted(clv.GammaGammaModel(data=customers[customers["frequency"] > 0]))
marks.end("fit Gamma-Gamma")

alive = bg.expected_probability_alive(customers)
ahead = {days: bg.expected_purchases(customers, future_t=days) for days in (90, 365)}
marks.end("predict")

value = gg.expected_customer_lifetime_value(
    transaction_model=bg, data=customers, future_t=12, discount_rate=0.1 / 12, time_unit="D"
)
marks.end("CLV")


def parameters(model):
    """r, alpha, a and b of a fit."""
    return {name: float(model.fit_result[name].mean()) for name in ("r", "alpha", "a", "b")}


marks.save(
    Path(sys.argv[3]),
    version=pymc_marketing.__version__,
    parameters={"BG/NBD": parameters(bg), "MBG/NBD": parameters(mbg)},
    sums={
        "customers": len(customers),
        "frequency": float(customers["frequency"].sum()),
        "recency": float(customers["recency"].sum()),
        "tenure": float(customers["T"].sum()),
        "expected purchases, 365 days": float(ahead[365].sum()),
        "one-year value": float(value.sum()),
    },
)
