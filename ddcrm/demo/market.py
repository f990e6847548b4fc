"""The market: how much all shops together sold in a month, told by an institute on the 5th of the next one."""

from __future__ import annotations

import pandas as pd

from ddcrm.demo.parameters import Company

REPORTED_ON = 5  # day of the month after
_SHARE, _GROWTH, _NOISE = 0.08, 0.0015, 0.004  # the company's share at first, its growth a month, and what is by chance


def market(company: Company, lines: pd.DataFrame) -> pd.DataFrame:
    """One row a month that was told within the company's days, as text: month, reported_on, volume."""
    rng = company.rng("market")
    days = pd.DatetimeIndex([company.day(day) for day in range(company.days)])
    sold = lines[(lines["day"] >= 0) & (lines["day"] < company.days)]
    cents = sold["cents"].groupby(days[sold["day"].to_numpy()].to_period("M")).sum()
    rows = []
    for number, (month, total) in enumerate(zip(pd.PeriodIndex(cents.index), cents, strict=True)):
        share = _SHARE + _GROWTH * number + _NOISE * float(rng.standard_normal())
        told = (month + 1).start_time + pd.Timedelta(days=REPORTED_ON - 1)
        if told <= days[-1]:
            rows.append((str(month), f"{told:%Y-%m-%d}", f"{round(total / share) / 100:.2f}"))
    return pd.DataFrame(rows, columns=["month", "reported_on", "volume"])
