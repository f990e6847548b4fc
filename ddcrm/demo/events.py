"""Web events: what customers look at before they buy, and when they only look; nothing any more once they have left."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ddcrm.demo.clock import in_utc, moments, shop_seconds
from ddcrm.demo.dirt import plan, recent_first
from ddcrm.demo.parameters import Company
from ddcrm.demo.purchases import Truth

_VISITS_A_WEEK = 0.3  # without a purchase, of a customer who has not left
_SECONDS_BETWEEN = 45


def web_events(company: Company, truth: Truth, lines: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """One row an event, by time: event_id, customer_key, at (UTC), kind, product_id, channel, device, batch, note."""
    rng = company.rng("events")
    visits = pd.concat([_buying(rng, lines), _looking(rng, company, truth)], ignore_index=True)
    rows = _steps(rng, visits)
    device = rng.choice(["desktop", "mobile", "tablet"], len(rows), p=[0.5, 0.42, 0.08])
    events = pd.DataFrame({
        "customer_key": truth.customers["customer_key"].to_numpy()[rows["customer"]],
        "at": in_utc(moments(company, rows["day"], rows["second"])), "kind": rows["kind"],
        "product_id": _seen(rng, rows, products), "channel": rows["channel"],
        "device": np.where(rows["channel"] == "app", "mobile", device), "batch": rows["day"], "note": "",
    })  # fmt: skip
    events = events.sort_values(["at", "customer_key"], kind="stable", ignore_index=True)
    events.insert(0, "event_id", [f"E{number:08d}" for number in range(1, len(events) + 1)])
    return _spoilt(company, events)


def _buying(rng: np.random.Generator, lines: pd.DataFrame) -> pd.DataFrame:
    """A visit for each order placed on the web or in the app; it ends with the purchase."""
    placed = lines[lines["channel"].isin(["web", "app"]) & (lines["customer"] >= 0) & (lines["status"] == "completed")]
    placed = placed.drop_duplicates("order_id")
    return pd.DataFrame({
        "customer": placed["customer"], "day": placed["day"], "end": placed["second"], "channel": placed["channel"],
        "bought": placed["product"], "looks": 1 + rng.poisson(2.0, len(placed)),
    })  # fmt: skip


def _looking(rng: np.random.Generator, company: Company, truth: Truth) -> pd.DataFrame:
    """Visits without a purchase, as long as the customer has not left."""
    born = truth.customers["born"].to_numpy()
    span = np.minimum(truth.customers["left"].to_numpy(), company.days) - born
    customer = np.repeat(np.arange(len(born)), rng.poisson(_VISITS_A_WEEK * span / 7))
    day = np.floor(born[customer] + rng.random(len(customer)) * span[customer]).astype(np.int64)
    return pd.DataFrame({
        "customer": customer, "day": np.minimum(day, company.days - 1), "end": shop_seconds(rng, len(customer)),
        "channel": rng.choice(["web", "app"], len(customer), p=[0.65, 0.35]), "bought": -1,
        "looks": 1 + rng.poisson(1.2, len(customer)),
    })  # fmt: skip


def _steps(rng: np.random.Generator, visits: pd.DataFrame) -> pd.DataFrame:
    """Each visit as its events: perhaps a search, views, and for a purchase a cart and the purchase itself."""
    buys = (visits["bought"] >= 0).to_numpy()
    size = visits["looks"].to_numpy() + np.where(buys, 2, 0)
    rows = visits.loc[np.repeat(visits.index.to_numpy(), size)].reset_index(names="visit")
    left = rows.groupby("visit").cumcount(ascending=False).to_numpy()  # events that still follow
    first = ~rows["visit"].duplicated().to_numpy()
    kind = np.where(first & (rng.random(len(rows)) < 0.35), "search", "view")
    bought = np.repeat(buys, size)
    kind = np.where(bought & (left == 0), "purchase", np.where(bought & (left == 1), "cart", kind))
    return rows.assign(kind=kind, second=np.maximum(rows["end"] - left * _SECONDS_BETWEEN, 0))


def _seen(rng: np.random.Generator, rows: pd.DataFrame, products: pd.DataFrame) -> list[object]:
    """The product of each event: what is bought, for carts and purchases; any other in a view; none in a search."""
    sure = rows["kind"].isin(["cart", "purchase"])
    product = np.where(sure, rows["bought"], rng.integers(0, len(products), len(rows)))
    ids = products["product_id"].tolist()
    return [None if kind == "search" else ids[row] for kind, row in zip(rows["kind"], product, strict=True)]


def _spoilt(company: Company, events: pd.DataFrame) -> pd.DataFrame:
    """Some events have no customer (copies of good ones, under ids of their own), some stand twice in their file."""
    rng, counts = company.rng("spoilt events"), company.dirt
    anonymous = plan(company, events["batch"], {"anonymous_events": counts.anonymous_events}, counts.min_rows, rng)
    doubled = recent_first(company, events["batch"], counts.duplicate_events, rng)
    first = events["batch"].searchsorted(np.array([day for _, day in anonymous] + doubled, dtype=np.int64))
    copies, cut = events.iloc[first], len(anonymous)
    copies = copies.assign(
        event_id=[f"E{len(events) + number:08d}" for number in range(1, cut + 1)] + copies["event_id"].tolist()[cut:],
        customer_key=[None] * cut + copies["customer_key"].tolist()[cut:],
        note=["anonymous_events"] * cut + ["duplicate"] * len(doubled),
    )
    together = pd.concat([events, copies], ignore_index=True)
    return together.sort_values(["batch", "at", "event_id"], kind="stable", ignore_index=True)


def event_lines(events: pd.DataFrame) -> pd.DataFrame:
    """The events as JSON lines, with their day of arrival."""
    at: NDArray[np.str_] = np.datetime_as_string(events["at"].to_numpy(dtype="datetime64[s]"), unit="s")
    columns = (events[name] for name in ("event_id", "customer_key", "kind", "product_id", "channel", "device"))
    line = [
        f'{{"id":"{key}","ts":"{moment}Z","user":{_text(user)},"type":"{kind}","sku":{_text(product)},'
        f'"channel":"{channel}","context":{{"device":"{device}"}}}}'
        for moment, key, user, kind, product, channel, device in zip(at, *columns, strict=True)
    ]
    return pd.DataFrame({"line": line, "batch": events["batch"]})


def _text(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else "null"
