"""The product range: every category has the same ladder of prices, so that a line of any amount finds a product."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ddcrm.demo import words
from ddcrm.demo.parameters import Company

if TYPE_CHECKING:
    import pyarrow as pa

STEPS = 24  # products a category
_LOWEST, _HIGHEST = 490, 49_000  # cents
_PRICE_RISE = 1.03


def catalogue(company: Company) -> pd.DataFrame:
    """One row a product: product_id, name, category, brand, cents, cost_cents, description; by category, then price."""
    rng = company.rng("catalogue")
    ladder = np.rint(np.geomspace(_LOWEST, _HIGHEST, STEPS) / 100).astype(np.int64) * 100 - 10
    rows = []
    for number, (category, (things, cost_share)) in enumerate(words.CATEGORIES.items()):
        for step, cents in enumerate(ladder):
            name = f"{words.GRADES[step * len(words.GRADES) // STEPS]} {things[step % len(things)]}"
            brand = words.BRANDS[int(rng.integers(len(words.BRANDS)))]
            cost = int(cents * cost_share * rng.uniform(0.85, 1.1))
            rows.append(
                (
                    f"P{number + 1}{step:03d}",
                    name,
                    category,
                    brand,
                    int(cents),
                    cost,
                    f"{name} by {brand}, {category.lower()} range",
                )
            )
    names = ["product_id", "name", "category", "brand", "cents", "cost_cents", "description"]
    return pd.DataFrame(rows, columns=names)


def catalogue_schema() -> pa.Schema:
    """The columns of the catalogue export."""
    import pyarrow as pa

    texts = ("product_id", "name", "category", "brand", "description")
    money = pa.decimal128(9, 2)
    return pa.schema([*((name, pa.string()) for name in texts), ("price", money), ("cost", money)])


def at_price_list(products: pd.DataFrame, second: bool) -> pd.DataFrame:
    """The rows as the catalogue export has them: prices in decimal euros, by the first price list or the second."""
    cents = np.rint(products["cents"] * _PRICE_RISE).astype(np.int64) if second else products["cents"]
    shown = products.drop(columns=["cents", "cost_cents"])
    return shown.assign(price=_euros(cents), cost=_euros(products["cost_cents"]))


def _euros(cents: pd.Series[int]) -> pd.Series[Any]:
    return pd.Series([Decimal(int(value)).scaleb(-2) for value in cents], index=cents.index, dtype=object)


def product_for(
    category: NDArray[np.int64], unit_cents: NDArray[np.int64], products: pd.DataFrame
) -> NDArray[np.int64]:
    """The row of the category's cheapest product that costs at least `unit_cents` (the dearest where none does)."""
    ladder = products["cents"].to_numpy()[:STEPS]
    return category * STEPS + np.minimum(np.searchsorted(ladder, unit_cents), STEPS - 1)
