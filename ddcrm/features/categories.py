"""Which kinds of product a customer buys, and how much he keeps to one of them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from ddcrm.features.family import Family, Views, favourite, share
from ddcrm.features.purchases import purchase_lines
from ddcrm.settings import PurchaseSettings

if TYPE_CHECKING:
    import ibis


def category_features(views: Views, as_of: date, purchase: PurchaseSettings) -> ibis.Table:
    """views: orders as `purchase_features` takes them, products with product_id and category.

    Counted are the order lines that make a purchase and whose product has a category in the catalogue as of the day.
    """
    lines = purchase_lines(views["orders"], as_of, purchase)
    products = views["products"]
    kinds = products.group_by("product_id").agg(category=products.category.min())
    rows = lines.filter(lines.bought).select("customer_id", "product_id")
    rows = rows.inner_join(kinds.filter(kinds.category.notnull()), "product_id")
    pairs = rows.group_by("customer_id", "category").agg(n=rows.count())
    pairs = favourite(pairs, "category", "n")
    return pairs.group_by("customer_id").agg(
        categories=pairs.count(),
        category_share=share(pairs.n.max(), pairs.n.sum()),
        category_favourite=pairs.category.max(where=pairs["first"]),
    )


FAMILY = Family(
    name="categories",
    reads={"orders": (), "products": ("product_id", "category")},
    types={"categories": "int32", "category_share": "float64", "category_favourite": "string"},
    counts=("categories",),
    build=category_features,
    columns={"category_favourite": ("products", "category")},
)
