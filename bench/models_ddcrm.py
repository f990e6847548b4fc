"""From orders to one-year value by ddcrm: python -m bench.models_ddcrm ORDERS AS_OF MARKS BEGUN RIVAL...

RIVAL are the marks of the others, whose parameters are set against ddcrm's after the clock has stopped.
"""

# ruff: noqa: E402  (the imports are timed, too)

from __future__ import annotations

import json
import os
import sys
from datetime import date
from pathlib import Path

from bench.marks import Marks

marks = Marks(float(sys.argv[4]))

import numpy as np
import pyarrow.compute  # noqa: F401 - the summary would import it, the others' packages have imported what they need
import pyarrow.parquet as pq

from ddcrm.features.summary import purchase_summary

COLUMNS = ("recency_days", "tenure_days", "frequency", "repeat_monetary_value")
marks.end("imports")

as_of = date.fromisoformat(sys.argv[2])
orders = pq.ParquetFile(sys.argv[1]).read(columns=["customer_key", "event_date", "amount"])
marks.end("read")

summary = purchase_summary(orders, as_of)
marks.end("summary")
del orders

from ddcrm.features.units import model_times
from ddcrm.models import MBGNBD, BetaGeoNBD, GammaGamma, ParetoNBD
from ddcrm.scoring.value import expected_spend, outlook
from ddcrm.settings import PurchaseSettings, ValueSettings

columns = {name: summary[name].to_numpy() for name in COLUMNS}
del summary
marks.end("import the models")

times = model_times(columns, 1.0)
fits = {}
for name, kind in {"BG/NBD": BetaGeoNBD, "MBG/NBD": MBGNBD, "Pareto/NBD": ParetoNBD}.items():
    fits[name] = kind().fit(times)
    marks.end(f"fit {name}")

spenders = (columns["frequency"] > 0) & (columns["repeat_monetary_value"] > 0)
X = {"frequency": columns["frequency"][spenders], "monetary_value": columns["repeat_monetary_value"][spenders]}
spend = GammaGamma().fit(X)
marks.end("fit Gamma-Gamma")

seen = outlook(fits["BG/NBD"], columns, ValueSettings(unit_days=1.0), days=(90, 365))
value = seen.discounted * expected_spend(spend, columns)
marks.end("CLV")

import ibis

from ddcrm.features.purchases import purchase_features

engine = ibis.duckdb.connect(threads=len(os.sched_getaffinity(0)))
marks.end("import the engine")

features = purchase_features(engine.read_parquet(sys.argv[1]), as_of, PurchaseSettings(), COLUMNS)
known = engine.to_pyarrow(features)
marks.end("summary in the engine")

if any(np.nansum(known[name].to_numpy()) != np.nansum(columns[name]) for name in COLUMNS[:3]):
    raise SystemExit("the two summaries differ")
likelihoods = {name: {"ddcrm": model.log_likelihood_} for name, model in fits.items()}
for file in map(Path, sys.argv[5:]):
    for name, found in json.loads(file.read_text("utf-8"))["parameters"].items():
        other = type(fits[name]).with_parameters(**found)
        likelihoods[name][file.stem] = float(np.sum(other.log_likelihood(times)))

marks.save(
    Path(sys.argv[3]),
    version="of this repository",
    log_likelihoods=likelihoods,
    sums={
        "customers": len(value),
        "frequency": float(times["frequency"].sum()),
        "recency": float(times["recency"].sum()),
        "tenure": float(times["tenure"].sum()),
        "expected purchases, 365 days": float(seen.purchases[365].sum()),
        "one-year value": float(value.sum()),
    },
)
