"""What campaigns brought to customers, and what they did with it: received, opened, clicked, bought."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from ddcrm.features.family import Family, Views, days_since, known, share, within
from ddcrm.settings import PurchaseSettings

if TYPE_CHECKING:
    import ibis

_FLAGS = ("opened", "clicked", "converted")
_COUNTS = ("contacts_90d", "contacts_365d", *(f"contacts_{flag}_365d" for flag in _FLAGS[:2]))


def contact_features(views: Views, as_of: date, purchase: PurchaseSettings) -> ibis.Table:
    """views: contacts with customer_key, event_date, treated, opened, clicked and converted.

    Who was left out for comparison (treated is false) received nothing. Rates are of the contacts of which it is known.
    """
    rows = known(views["contacts"], as_of)
    rows = rows.filter(rows.treated.fill_null(True))
    year = within(rows.event_date, as_of, 365)
    return rows.group_by("customer_id").agg(
        contacts_90d=rows.event_date.count(where=within(rows.event_date, as_of, 90)),
        contacts_365d=rows.event_date.count(where=year),
        **{f"contacts_{flag}_365d": rows[flag].count(where=year & rows[flag]) for flag in _FLAGS[:2]},
        contact_recency_days=days_since(rows.event_date.max(), as_of),
        **{f"contact_{flag}_rate": share(rows[flag].count(where=rows[flag]), rows[flag].count()) for flag in _FLAGS},
    )


FAMILY = Family(
    name="contacts",
    reads={"contacts": ("customer_key", "event_date", "treated", *_FLAGS)},
    types={**dict.fromkeys((*_COUNTS, "contact_recency_days"), "int32"),
           **{f"contact_{flag}_rate": "float64" for flag in _FLAGS}},
    counts=_COUNTS,
    build=contact_features,
)  # fmt: skip
