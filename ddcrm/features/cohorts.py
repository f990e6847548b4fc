"""Cohorts: what the customers of a month of first purchase bought in each month since."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis


def cohort_months(lines: ibis.Table) -> ibis.Table:
    """One row a cohort and month since, where there was anything: cohort, months_since, active, revenue.

    lines: `purchases.purchase_lines`. A cohort, told by its first day, are those whose first purchase day is in its
    month; `active` of them have a purchase day in the month, and `revenue` is the net of all their lines in it. What
    was refunded before the first purchase counts in month 0, so that nothing is lost: the revenue of a cohort is that
    of its customers to the cent.
    """
    first = lines.filter(lines.bought).group_by("customer_id").agg(first=lines.event_date.min())
    rows = lines.inner_join(first, "customer_id")
    since = (_month_number(rows.event_date) - _month_number(rows["first"])).clip(lower=0)
    rows = rows.mutate(cohort=rows["first"].truncate("M").cast("date"), months_since=since.cast("int32"))
    return rows.group_by("cohort", "months_since").agg(
        active=rows.customer_id.nunique(where=rows.bought).cast("int64"),
        revenue=rows.amount.sum().cast("decimal(38, 2)"),
    )


def _month_number(day: ibis.Value) -> ibis.Value:
    return day.year().cast("int32") * 12 + day.month().cast("int32")
