"""How the shop writes its order lines: the layouts of the file over time, and what spoilt rows look like in it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from ddcrm.demo.clock import moments, written
from ddcrm.demo.parameters import Company

Layout = Callable[[pd.DataFrame], pd.DataFrame]


def as_text(company: Company, lines: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """The lines as the plain layout writes them, spoilt where they are to be, with `batch` and `customer`."""
    text = pd.DataFrame({
        "OrderNo": lines["order_id"], "Line": lines["line_no"].astype(str), "CustNo": lines["customer_key"],
        "OrderTS": written(moments(company, lines["day"], lines["second"]), "%Y-%m-%d %H:%M:%S"),
        "SKU": products["product_id"].to_numpy()[lines["product"]], "Qty": lines["quantity"].astype(str),
        "UnitPrice": _euros(lines["unit_cents"]), "Amount": _euros(lines["cents"]), "Cost": _euros(lines["cost_cents"]),
        "Channel": lines["channel"].astype(str), "Status": lines["status"], "Currency": "EUR",
        "batch": lines["batch"], "customer": lines["customer"],
    })  # fmt: skip
    for kind, (column, spoil) in _SPOILERS.items():
        rows = (lines["note"] == kind).to_numpy()
        text.loc[rows, column] = [spoil(value) for value in text.loc[rows, column]]
    return text


def _euros(cents: pd.Series[int]) -> list[str]:
    return [f"{'-' if value < 0 else ''}{abs(value) // 100}.{abs(value) % 100:02d}" for value in cents.tolist()]


def _no_such_day(moment: str) -> str:
    return f"{moment[8:10]}.13.{moment[:4]}{moment[10:]}"


_SPOILERS: dict[str, tuple[str, Callable[[str], str]]] = {
    "broken_dates": ("OrderTS", _no_such_day),
    "unknown_channels": ("Channel", lambda _: "fax"),
    "negative_prices": ("UnitPrice", lambda price: f"-{price}"),
    "thousands_separators": ("Amount", lambda amount: f"1,{amount:0>6}"),
    "missing_customer_keys": ("CustNo", lambda _: ""),
    "missing_order_ids": ("OrderNo", lambda _: ""),
}


def _plain(text: pd.DataFrame) -> pd.DataFrame:
    return text.drop(columns="customer")


def _cents(text: pd.DataFrame) -> pd.DataFrame:
    """Version 2: `total_cents` for Amount, the channel "marketplace", a loyalty tier."""
    cents = text["Amount"].str.replace(".", "", regex=False).str.lstrip("0")
    moved = (text["Channel"] == "web") & (text["customer"] % 5 == 0)
    tier = np.array(["none", "silver", "gold"])[text["customer"].clip(lower=0).to_numpy() % 3]
    changed = text.assign(Amount=cents, Channel=text["Channel"].mask(moved, "marketplace"), loyalty_tier=tier)
    return changed.rename(columns={"Amount": "total_cents"}).drop(columns="customer")


LAYOUTS: dict[str, Layout] = {"plain": _plain, "cents": _cents}
