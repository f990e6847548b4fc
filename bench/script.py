"""The script that a user would write instead: pandas, lifetimes, scikit-learn, to_sql. One process, all of it each day.

    python -m bench.script ORDERS AS_OF DATABASE_URL MARKS BEGUN INSERT

ORDERS is the folder of the daily CSV files; INSERT says how to_sql inserts: plain, multi (its method="multi") or copy
(the callable of pandas' documentation, for who has read that far). It runs in an environment of its own.
"""

# ruff: noqa: E402  (the imports are timed, too)

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

from bench.marks import Marks

marks = Marks(float(sys.argv[5]))

import numpy as np
import pandas as pd
import sqlalchemy
from lifetimes import BetaGeoFitter, GammaGammaFitter
from lifetimes.utils import summary_data_from_transaction_data
from sklearn.cluster import KMeans
from sklearn.preprocessing import StandardScaler

marks.end("imports")

SEGMENTS = {
    "Champions": "555 554 544 545 454 455 445",
    "Loyal": "543 444 435 355 354 345 344 335",
    "Potential Loyalist": "553 551 552 541 542 533 532 531 452 451 442 441 431 453 433 432 423 353 352 351 342 341 333 "
    "323",
    "New Customers": "512 511 422 421 412 411 311",
    "Promising": "525 524 523 522 521 515 514 513 425 424 413 414 415 315 314 313",
    "Need Attention": "535 534 443 434 343 334 325 324",
    "About To Sleep": "331 321 312 221 213 231 241 251",
    "At Risk": "255 254 245 244 253 252 243 242 235 234 225 224 153 152 145 143 142 135 134 133 125 124",
    "Cannot Lose Them": "155 154 144 214 215 115 114 113",
    "Hibernating": "332 322 233 232 223 222 132 123 122 212 211",
    "Lost": "111 112 121 131 141 151",
}
SEGMENT_OF = {code: name for name, codes in SEGMENTS.items() for code in codes.split()}

folder, as_of, url = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

files = [file for file in sorted(folder.glob("*/orders.csv")) if file.parent.name <= as_of]
columns = ["customer_no", "ordered_at", "amount"]
orders = pd.concat([pd.read_csv(file, usecols=columns, parse_dates=["ordered_at"]) for file in files])
marks.end("read")

customers = summary_data_from_transaction_data(
    orders, "customer_no", "ordered_at", monetary_value_col="amount", observation_period_end=as_of
)
marks.end("summary")

bgf = BetaGeoFitter()
bgf.fit(customers["frequency"], customers["recency"], customers["T"])
marks.end("fit BG/NBD")

returning = customers[customers["frequency"] > 0]
ggf = GammaGammaFitter()
ggf.fit(returning["frequency"], returning["monetary_value"])
marks.end("fit Gamma-Gamma")

history = customers["frequency"], customers["recency"], customers["T"]
customers["p_alive"] = bgf.conditional_probability_alive(*history)
for days in (90, 365):
    customers[f"expected_orders_{days}d"] = bgf.conditional_expected_number_of_purchases_up_to_time(days, *history)
marks.end("predict")

customers["clv_365d"] = ggf.customer_lifetime_value(
    bgf, *history, customers["monetary_value"], time=12, discount_rate=0.008, freq="D"
)
marks.end("CLV")

customers["recency_days"] = customers["T"] - customers["recency"]
customers["r"] = pd.qcut(-customers["recency_days"].rank(method="first"), 5, labels=False) + 1
customers["f"] = pd.qcut(customers["frequency"].rank(method="first"), 5, labels=False) + 1
customers["m"] = pd.qcut(customers["monetary_value"].rank(method="first"), 5, labels=False) + 1
customers["rfm"] = (100 * customers["r"] + 10 * customers["f"] + customers["m"]).astype(str)
customers["segment"] = customers["rfm"].map(SEGMENT_OF)
marks.end("RFM")

scaled = StandardScaler().fit_transform(np.log1p(customers[["recency_days", "frequency", "monetary_value"]]))
customers["cluster"] = KMeans(n_clusters=5, random_state=0).fit_predict(scaled)
marks.end("k-means")


def copy_rows(table, connection, names, rows):
    """COPY FROM, as pandas' documentation has it."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    buffer.seek(0)
    listed = ", ".join(f'"{name}"' for name in names)
    with connection.connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {table.schema}.{table.name} ({listed}) FROM STDIN WITH CSV", buffer)


method = {"plain": None, "multi": "multi", "copy": copy_rows}[sys.argv[6]]
customers.insert(0, "as_of", pd.Timestamp(as_of).date())
engine = sqlalchemy.create_engine(url)
customers.reset_index(names="customer_id").to_sql(
    "customer_scores", engine, schema="script", if_exists="replace", index=False,
    chunksize=1_000 if method == "multi" else 10_000, method=method,
)  # fmt: skip
marks.end("to_sql")

marks.save(
    Path(sys.argv[4]),
    customers=len(customers),
    versions={module.__name__: module.__version__ for module in (np, pd, sqlalchemy)},
)
