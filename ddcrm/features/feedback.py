"""What customers say of it: reviews and answers, their ratings, the last rating."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from ddcrm.features.family import Family, Views, days_since, known, share, within
from ddcrm.settings import PurchaseSettings

if TYPE_CHECKING:
    import ibis

_COUNTS = ("feedback_count", "feedback_365d")


def feedback_features(views: Views, as_of: date, purchase: PurchaseSettings) -> ibis.Table:
    """views: feedback with customer_key, event_date and rating. The last rating is the mean of the last rated day."""
    rows = known(views["feedback"], as_of)
    days = rows.group_by("customer_id", "event_date").agg(
        n=rows.count(), rated=rows.rating.count(), stars=rows.rating.sum().fill_null(0).cast("int64")
    )
    rated = days.rated > 0
    return days.group_by("customer_id").agg(
        feedback_count=days.n.sum(),
        feedback_365d=days.n.sum(where=within(days.event_date, as_of, 365)),
        feedback_recency_days=days_since(days.event_date.max(), as_of),
        feedback_rating_mean=share(days.stars.sum(), days.rated.sum()),
        feedback_rating_last=share(
            days.stars.argmax(days.event_date, where=rated), days.rated.argmax(days.event_date, where=rated)
        ),
    )


FAMILY = Family(
    name="feedback",
    reads={"feedback": ("customer_key", "event_date", "rating")},
    types={**dict.fromkeys((*_COUNTS, "feedback_recency_days"), "int32"),
           **dict.fromkeys(("feedback_rating_mean", "feedback_rating_last"), "float64")},
    counts=_COUNTS,
    build=feedback_features,
)  # fmt: skip
