"""value_by_period: customer value in the accountant's sense, by calendar month and cumulative.

Profit-centred value is the sum over periods of the profit over customers; market-centred value is the same with each
period weighted by the company's share of its market.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Any

from ddcrm.errors import MalformedDataError

if TYPE_CHECKING:
    import pyarrow as pa

_CENT, _SHARE = Decimal("0.01"), Decimal("0.000001")
_NOTHING = {"customers": 0, "revenue": Decimal(0), "cost": Decimal(0), "revenue_without_cost": None}


def value_by_period(
    as_of: date, months: Sequence[Mapping[str, Any]], market: Sequence[Mapping[str, Any]], margin: Decimal | None
) -> pa.Table:
    """One row for each calendar month from the first with orders to that of `as_of`.

    months: rows of `features.revenue.monthly_sums`. market: period (YYYY-MM), market_size and own_share; the share is
    own_share, or revenue by market_size where that is not given. margin: share of the revenue that is profit, for lines
    whose cost is not known; None: the profit of a month with such lines is not known, either. Cumulative sums pass over
    months whose own value is not known, and are NULL in them. A share below 0 or above 1 is not known, see
    `impossible_shares`. Raises MalformedDataError for a period that is none.
    """
    import pyarrow as pa

    known = {row["month"]: row for row in months}
    shares = {_month(row["period"]): row for row in market}
    profit_sum = market_sum = Decimal(0)
    rows = []
    for month in _months(min(known), as_of) if known else ():
        found = known.get(month, _NOTHING)
        cost = _cost(found, margin)
        profit = None if cost is None else found["revenue"] - cost
        share = _possible(_share(found["revenue"], shares.get(month)))
        value = None if profit is None or share is None else (profit * share).quantize(_CENT, ROUND_HALF_EVEN)
        profit_sum, market_sum = profit_sum + (profit or 0), market_sum + (value or 0)
        rows.append({
            "as_of": as_of, "period": month, "until_day": min(_last_day(month), as_of), "customers": found["customers"],
            "revenue": found["revenue"], "cost": cost, "profit": profit,
            "cumulative_profit": None if profit is None else profit_sum, "market_share": share, "market_value": value,
            "cumulative_market_value": None if value is None else market_sum,
        })  # fmt: skip
    return pa.Table.from_pylist(rows, schema=schema())


def impossible_shares(months: Sequence[Mapping[str, Any]], market: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Why the share of the market is not known though the market is told, in words; months, market: see above.

    A market told in another unit (millions, a share in per cent) makes shares above 1, a month of net refunds one
    below 0; a warning, for all that is published besides is right without it.
    """
    revenue = {row["month"]: row["revenue"] for row in months}
    told = {_month(row["period"]): row for row in market}
    shares = {month: _share(revenue[month], told[month]) for month in sorted(revenue.keys() & told.keys())}
    wrong = [month for month, share in shares.items() if share is not None and _possible(share) is None]
    if not wrong:
        return ()
    span = f"{wrong[0]:%Y-%m}" if len(wrong) == 1 else f"{len(wrong)} months from {wrong[0]:%Y-%m} to {wrong[-1]:%Y-%m}"
    return (f"value_by_period: market_share is not known in {span}: own_share, or revenue by market_size, is not "
            "within 0 and 1; is the market told in another unit than the orders?",)  # fmt: skip


def schema() -> pa.Schema:
    """Columns and types of value_by_period."""
    import pyarrow as pa

    money = pa.decimal128(18, 2)
    return pa.schema([
        pa.field("as_of", pa.date32(), False), pa.field("period", pa.date32(), False), ("until_day", pa.date32()),
        ("customers", pa.int32()), ("revenue", money), ("cost", money), ("profit", money), ("cumulative_profit", money),
        ("market_share", pa.decimal128(9, 6)), ("market_value", money), ("cumulative_market_value", money),
    ])  # fmt: skip


def _cost(found: Mapping[str, Any], margin: Decimal | None) -> Decimal | None:
    unknown = found["revenue_without_cost"]
    if unknown is None:
        return Decimal(found["cost"])
    return None if margin is None else found["cost"] + (unknown * (1 - margin)).quantize(_CENT, ROUND_HALF_EVEN)


def _share(revenue: Decimal, market: Mapping[str, Any] | None) -> Decimal | None:
    if market is None:
        return None
    if market["own_share"] is not None:
        return Decimal(str(market["own_share"]))
    size = market["market_size"]
    return Decimal(revenue / size) if size else None


def _possible(share: Decimal | None) -> Decimal | None:
    """The share to six digits; None where it is none."""
    if share is None or not share.is_finite() or not 0 <= share <= 1:
        return None
    return share.quantize(_SHARE, ROUND_HALF_EVEN)


def _month(period: str) -> date:
    found = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])(-01)?", period)
    if not found:
        raise MalformedDataError("a period of the market is not a month", value=period, hint="Write it as YYYY-MM.")
    return date(int(found[1]), int(found[2]), 1)


def _months(first: date, as_of: date) -> Iterator[date]:
    for number in range(first.year * 12 + first.month - 1, as_of.year * 12 + as_of.month):
        yield date(number // 12, number % 12 + 1, 1)


def _last_day(month: date) -> date:
    return month.replace(day=calendar.monthrange(month.year, month.month)[1])
