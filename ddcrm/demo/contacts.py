"""Campaigns: who was written to and who was left out on purpose, and what came of it; reported a week later."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ddcrm.demo.clock import moments, office_seconds, written
from ddcrm.demo.dirt import plan
from ddcrm.demo.parameters import Company
from ddcrm.demo.words import CAMPAIGNS

REPORT_DAYS = 7  # what came of a contact is known, and delivered, so many days after it
_FIRST, _EVERY = 20, 28
_REACH, _CONTROL = 0.55, 0.2
_CENTS = {"mail": 3, "letter": 85, "push": 1}


def contacts(company: Company, people: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    """One row a contact, as text, by day of arrival; controls were chosen like the others and not written to.

    Columns: contact, campaign, customer, sent, medium, treated, opened, clicked, converted (bought within a week),
    cost, batch, note.
    """
    rng = company.rng("contacts")
    campaigns = range(_FIRST, company.days - REPORT_DAYS, _EVERY)
    parts = [_campaign(rng, company, number, day, people, lines) for number, day in enumerate(campaigns)]
    if not parts:
        return pd.DataFrame(columns=[*_COLUMNS, "batch", "note"]).astype({"batch": np.int64})
    frame = pd.concat(parts, ignore_index=True)
    frame.insert(0, "contact", [f"K{number:07d}" for number in range(1, len(frame) + 1)])
    return _spoilt(company, frame)


_COLUMNS = ("contact", "campaign", "customer", "sent", "medium", "treated", "opened", "clicked", "converted", "cost")


def _campaign(
    rng: np.random.Generator, company: Company, number: int, day: int, people: pd.DataFrame, lines: pd.DataFrame
) -> pd.DataFrame:
    known = people[(people["registered"] < day) & people["newsletter"]]
    chosen = known[rng.random(len(known)) < _REACH]["customer_no"].to_numpy()
    n = len(chosen)
    medium = list(_CENTS)[number % len(_CENTS)]
    treated = rng.random(n) > _CONTROL
    opened = treated & (rng.random(n) < 0.4)
    buyers = lines["customer_key"][
        (lines["day"] >= day) & (lines["day"] < day + REPORT_DAYS) & (lines["customer"] >= 0) & (lines["cents"] > 0)
    ]
    flags = {
        "treated": treated,
        "opened": opened,
        "clicked": opened & (rng.random(n) < 0.3),
        "converted": np.isin(chosen, buyers),
    }
    cost = f"0,{_CENTS[medium]:02d}"
    return pd.DataFrame({
        "campaign": f"{company.day(day):%Y-%m} {CAMPAIGNS[number % len(CAMPAIGNS)]}", "customer": chosen,
        "sent": written(moments(company, np.full(n, day), office_seconds(rng, n)), "%d.%m.%Y %H:%M"), "medium": medium,
        **{name: np.where(flag, "1", "0") for name, flag in flags.items()},
        "cost": np.where(treated, cost, "0,00"), "batch": day + REPORT_DAYS, "note": "",
    })  # fmt: skip


def _spoilt(company: Company, frame: pd.DataFrame) -> pd.DataFrame:
    """Some contacts were sent on a day that no calendar has."""
    rng, counts = company.rng("spoilt contacts"), company.dirt
    planned = plan(company, frame["batch"], {"broken_sent_dates": counts.broken_sent_dates}, counts.min_rows, rng)
    bad = frame.iloc[frame["batch"].searchsorted([day for _, day in planned])].copy()
    bad["contact"] = [f"K{len(frame) + number:07d}" for number in range(1, len(bad) + 1)]
    bad = bad.assign(sent="31.02." + bad["sent"].str[6:], note="broken_sent_dates")
    return pd.concat([frame, bad]).sort_values(["batch", "contact"], kind="stable", ignore_index=True)
