"""What customers look at: events, sessions, kinds and the channel of the last year.

A session is a run of events without a pause of more than half an hour; it counts on the day on which it began. Nothing
older than a year is read, so that the time it takes does not grow with the history.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from ddcrm.features.family import Family, Views, days_since, favourite, known, within
from ddcrm.settings import PurchaseSettings

if TYPE_CHECKING:
    import ibis

_YEAR, _WINDOWS, _PAUSE = 365, (30, 90, 365), 30 * 60
_KINDS = {"views_90d": "view", "searches_90d": "search", "carts_90d": "cart"}
_COUNTS = (*(f"events_{n}d" for n in _WINDOWS), *(f"sessions_{n}d" for n in _WINDOWS), *_KINDS)


def event_features(views: Views, as_of: date, purchase: PurchaseSettings) -> ibis.Table:
    """views: events with customer_key, event_date, occurred_at, kind and channel."""
    rows = _sessions(known(views["events"], as_of), as_of)
    counted = {f"events_{n}d": rows.event_date.count(where=within(rows.event_date, as_of, n)) for n in _WINDOWS}
    counted |= {f"sessions_{n}d": rows.begins.sum(where=within(rows.event_date, as_of, n)) for n in _WINDOWS}
    recent = within(rows.event_date, as_of, 90)
    counted |= {name: rows.kind.count(where=recent & (rows.kind == kind)) for name, kind in _KINDS.items()}
    last = rows.event_date.max(where=within(rows.event_date, as_of, _YEAR))
    channels = rows.group_by("customer_id", "channel").agg(last=last, **counted)
    channels = favourite(channels, "channel", f"events_{_YEAR}d")
    return channels.group_by("customer_id").agg(
        event_recency_days=days_since(channels["last"].max(), as_of),
        event_channel=channels.channel.max(where=channels["first"]),
        **{name: channels[name].sum() for name in _COUNTS},
    )


def _sessions(rows: ibis.Table, as_of: date) -> ibis.Table:
    """The rows of the last year and of the day before it, with `begins`: 1 where a session does."""
    import ibis

    rows = rows.filter(within(rows.event_date, as_of, _YEAR + 1))
    rows = rows.mutate(second=rows.occurred_at.epoch_seconds().cast("int64"))
    before = rows.second.lag().over(ibis.window(group_by=rows.customer_id, order_by=rows.second))
    return rows.mutate(begins=(before.isnull() | (rows.second - before > _PAUSE)).cast("int64"))


FAMILY = Family(
    name="events",
    reads={"events": ("customer_key", "event_date", "occurred_at", "kind", "channel")},
    types={**dict.fromkeys(_COUNTS, "int32"), "event_recency_days": "int32", "event_channel": "string"},
    counts=_COUNTS,
    build=event_features,
    columns={"event_channel": ("events", "channel")},
)
