"""The features of all customers at an as_of, as one Arrow table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from ddcrm.errors import MissingDataError, ModelError
from ddcrm.features.purchases import purchase_features
from ddcrm.lake.asof import as_of_view

if TYPE_CHECKING:
    import pyarrow as pa

    from ddcrm.lake.engine import Engine


def feature_table(engine: Engine, as_of: date, columns: Sequence[str]) -> pa.Table | None:
    """The features asked for (see FEATURE_TYPES), a row a customer in the order of customer_id.

    None where no orders have arrived by `as_of`; no rows where nobody has bought. Raises ModelError where a customer's
    sum of amounts does not fit decimal(18,2), the type in which money is published.
    """
    from duckdb import ConversionException, OutOfRangeException

    orders = as_of_view(engine, engine.settings, "orders", as_of)
    if orders is None:
        return None
    features = purchase_features(orders, as_of, engine.settings.purchase, columns)
    try:
        return engine.ibis.to_pyarrow(features.order_by("customer_id")).combine_chunks()
    except (ConversionException, OutOfRangeException):  # what it quotes is a customer's
        raise ModelError(
            "a customer's amounts sum to more than decimal(18,2) can hold",
            as_of=str(as_of),
            hint="Look for amounts in the orders that are no amounts, and bound them in the contract.",
        ) from None


def required_features(engine: Engine, as_of: date, columns: Sequence[str]) -> pa.Table:
    """The same; raises MissingDataError where there are no orders, or no customer."""
    features = feature_table(engine, as_of, columns)
    if features is not None and features.num_rows:
        return features
    message = "no orders have arrived" if features is None else "nobody has bought anything"
    raise MissingDataError(
        f"{message} on or before this day",
        as_of=str(as_of),
        hint="Ingest the orders first (ddcrm ingest orders), or choose a later day.",
    )
