"""Who the customers are, as far as it may tell their value: since when, where, through which channel, in which tier.

Personal data (name, e-mail, phone, date of birth, gender, city) is no feature; a contract keeps a further column out
by its classification.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from ddcrm.features.family import Family, Views, days_since
from ddcrm.settings import PurchaseSettings

if TYPE_CHECKING:
    import ibis

_CATEGORIES = {f"customer_{name}": name for name in ("country", "region", "channel", "tier")}


def customer_features(views: Views, as_of: date, purchase: PurchaseSettings) -> ibis.Table:
    """views: customers with customer_key, signed_up_on (the day), country, region, channel, tier, consent_marketing.

    Of several sources that know a customer the earliest sign-up and the first category by name count.
    """
    import ibis

    rows = views["customers"]
    rows = rows.filter(rows.customer_key.notnull())
    told = rows.signed_up_on <= ibis.literal(as_of)
    return rows.group_by(customer_id=rows.customer_key).agg(
        customer_days=days_since(rows.signed_up_on.min(where=told), as_of),
        customer_consent=rows.consent_marketing.cast("int32").max(),
        **{name: rows[column].min() for name, column in _CATEGORIES.items()},
    )


FAMILY = Family(
    name="customers",
    reads={"customers": ("customer_key", "signed_up_at", "consent_marketing", *_CATEGORIES.values())},
    types={"customer_days": "int32", "customer_consent": "int32", **dict.fromkeys(_CATEGORIES, "string")},
    counts=(),
    build=customer_features,
    columns={name: ("customers", column) for name, column in
             {**_CATEGORIES, "customer_days": "signed_up_at", "customer_consent": "consent_marketing"}.items()},
)  # fmt: skip
