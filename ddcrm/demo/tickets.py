"""The help desk: tickets that customers open after some of their orders, and what became of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ddcrm.demo.clock import moments, office_seconds
from ddcrm.demo.files import records
from ddcrm.demo.parameters import Company

_TICKET_SHARE = 0.12  # of orders
_KINDS = {"after-sales": 0.5, "technical": 0.2, "consultation": 0.3}
_BEYOND = 9  # an answer that the scale doesn't have
_CHANNELS = {"mail": 0.5, "phone": 0.3, "chat": 0.2}


def tickets(company: Company, lines: pd.DataFrame) -> pd.DataFrame:
    """One row a state of a ticket, by time.

    Columns: ticket_id, customer_key, opened, closed (UTC, NaT while open), kind, channel, satisfaction (1 to 5; NaN
    where not told), changed (UTC), batch (day of the change), note. A ticket that is closed on a later day than it was
    opened has two rows: the desk gives the state at the end of a day.
    """
    rng = company.rng("tickets")
    frame = _opened(rng, company, lines)
    later = frame["closed_day"] > frame["opened_day"]
    before = frame[later].assign(changed=frame["opened"], batch=frame["opened_day"], satisfaction=np.nan)
    before["closed"] = before["closed"].mask(np.ones(len(before), dtype=bool))
    after = frame[frame["closed_day"] < company.days].assign(changed=frame["closed"], batch=frame["closed_day"])
    states = pd.concat([before, after]).sort_values(["changed", "ticket_id"], ignore_index=True)
    return _spoilt(company, states.drop(columns=["opened_day", "closed_day"]))


def _opened(rng: np.random.Generator, company: Company, lines: pd.DataFrame) -> pd.DataFrame:
    orders = lines[(lines["customer"] >= 0) & (lines["status"] == "completed")].drop_duplicates("order_id")
    orders = orders[rng.random(len(orders)) < _TICKET_SHARE]
    day = orders["day"].to_numpy() + rng.geometric(0.25, len(orders))
    orders, day = orders[day < company.days], day[day < company.days]
    n = len(orders)
    second, closed_day = office_seconds(rng, n), day + rng.geometric(0.45, n) - 1
    soon = np.minimum(second + rng.integers(300, 7_200, n), 86_399)
    closed_second = np.where(closed_day > day, office_seconds(rng, n), soon)
    score = np.where(rng.random(n) < 0.55, rng.choice([1, 2, 3, 4, 5], n, p=[0.08, 0.1, 0.17, 0.35, 0.3]), np.nan)
    frame = pd.DataFrame({
        "customer_key": orders["customer_key"].to_numpy(), "opened": moments(company, day, second),
        "closed": moments(company, closed_day, closed_second), "satisfaction": score,
        "kind": rng.choice(list(_KINDS), n, p=list(_KINDS.values())),
        "channel": rng.choice(list(_CHANNELS), n, p=list(_CHANNELS.values())),
        "opened_day": day, "closed_day": closed_day, "note": "",
    }).sort_values(["opened", "customer_key"], ignore_index=True)  # fmt: skip
    frame.insert(0, "ticket_id", [f"T-{number:05d}" for number in range(1, n + 1)])
    return frame


def _spoilt(company: Company, states: pd.DataFrame) -> pd.DataFrame:
    """Some customers were satisfied beyond the scale."""
    rated = np.flatnonzero(states["satisfaction"].notna().to_numpy())
    chosen = company.rng("spoilt tickets").permutation(rated)[: company.dirt.bad_satisfactions]
    spoilt = states.index.isin(chosen)
    score = np.where(spoilt, _BEYOND, states["satisfaction"])
    return states.assign(satisfaction=score, note=np.where(spoilt, "bad_satisfactions", ""))


def ticket_records(company: Company, states: pd.DataFrame) -> list[dict[str, object]]:
    """The states as the help desk's interface gives them; `day` is the business day of the change."""
    shown = states.assign(
        day=[str(company.day(day)) for day in states["batch"]],
        **{name: states[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ") for name in ("opened", "closed", "changed")},
    )
    return [_record(row) for row in records(shown)]


def _record(row: dict[str, Any]) -> dict[str, object]:
    score = row["satisfaction"]
    return {"id": row["ticket_id"], "customer": {"number": row["customer_key"]}, "opened_at": row["opened"],
            "closed_at": row["closed"], "kind": row["kind"], "channel": row["channel"],
            "satisfaction": None if score is None else int(score), "updated_at": row["changed"],
            "day": row["day"]}  # fmt: skip
