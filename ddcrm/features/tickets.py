"""Who needed help: tickets, those still open, how long it took, how content the customer was.

A ticket that was closed after as_of is open at as_of, and nobody knows yet how content the customer will be.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from ddcrm.features.family import Family, Views, days_since, known, share, within
from ddcrm.settings import PurchaseSettings

if TYPE_CHECKING:
    import ibis

_COUNTS = ("tickets", "tickets_90d", "tickets_365d", "tickets_open")


def ticket_features(views: Views, as_of: date, purchase: PurchaseSettings) -> ibis.Table:
    """views: tickets with customer_key, event_date, opened_at, closed_at, closed_on (the day) and satisfaction."""
    import ibis

    rows = known(views["tickets"], as_of)
    later = (rows.closed_on > ibis.literal(as_of)).fill_null(False)
    rows = rows.mutate(closed=rows.closed_at.notnull() & ~later, told=rows.satisfaction.notnull() & ~later)
    took = (rows.closed_at.epoch_seconds() - rows.opened_at.epoch_seconds()).cast("int64")
    return rows.group_by("customer_id").agg(
        tickets=rows.count(),
        tickets_90d=rows.event_date.count(where=within(rows.event_date, as_of, 90)),
        tickets_365d=rows.event_date.count(where=within(rows.event_date, as_of, 365)),
        tickets_open=rows.event_date.count(where=~rows.closed),
        ticket_recency_days=days_since(rows.event_date.max(), as_of),
        ticket_hours_mean=share(took.sum(where=rows.closed), rows.event_date.count(where=rows.closed) * 3600),
        ticket_satisfaction_mean=share(
            rows.satisfaction.sum(where=rows.told), rows.satisfaction.count(where=rows.told)
        ),
    )


FAMILY = Family(
    name="tickets",
    reads={"tickets": ("customer_key", "event_date", "opened_at", "closed_at", "satisfaction")},
    types={**dict.fromkeys((*_COUNTS, "ticket_recency_days"), "int32"),
           **dict.fromkeys(("ticket_hours_mean", "ticket_satisfaction_mean"), "float64")},
    counts=_COUNTS,
    build=ticket_features,
)  # fmt: skip
