"""The features of all customers at an as_of, as one Arrow table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from ddcrm.errors import MissingDataError, ModelError
from ddcrm.features.families import FEATURE_TYPES, families_of
from ddcrm.features.family import Family
from ddcrm.features.purchases import FEATURE_TYPES as PURCHASE_TYPES
from ddcrm.features.purchases import beside, purchase_features
from ddcrm.lake.asof import as_of_view

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

    from ddcrm.lake.engine import Engine


def feature_table(engine: Engine, as_of: date, columns: Sequence[str]) -> pa.Table | None:
    """The features asked for (see `families.FEATURE_TYPES`), a row a customer in the order of customer_id.

    Only what they need is read. Of a family that nothing has arrived for, counts are 0 and the rest is NULL. None where
    no orders have arrived by `as_of`; no rows where nobody has bought. Raises KeyError for a feature that there is not,
    ModelError where a customer's sum of amounts does not fit decimal(18,2), the type in which money is published.
    """
    for known in _read(engine, as_of):
        if {"customer_id", *columns} <= set(known.column_names):
            return known.select([name for name in known.column_names if name in {"customer_id", *columns}])
    features = _computed(engine, as_of, columns)
    if features is not None:
        _read(engine, as_of).append(features)
    return features


def _read(engine: Engine, as_of: date) -> list[pa.Table]:
    """What an engine that remembers has read of a day already."""
    return engine.once(("features", as_of), list)


def _computed(engine: Engine, as_of: date, columns: Sequence[str]) -> pa.Table | None:
    from duckdb import ConversionException, OutOfRangeException

    orders = as_of_view(engine, engine.settings, "orders", as_of)
    if orders is None:
        return None
    features = _all(engine, orders, as_of, columns)
    try:
        return engine.ibis.to_pyarrow(features.order_by("customer_id")).combine_chunks()
    except (ConversionException, OutOfRangeException):  # what it quotes is a customer's
        raise ModelError(
            "a customer's amounts sum to more than decimal(18,2) can hold",
            as_of=str(as_of),
            hint="Look for amounts in the orders that are no amounts, and bound them in the contract.",
        ) from None


def _all(engine: Engine, orders: ibis.Table, as_of: date, columns: Sequence[str]) -> ibis.Table:
    """The features of purchases with those of the other families beside them, in the order of FEATURE_TYPES."""
    wanted = {"customer_id", *columns}
    if unknown := wanted - FEATURE_TYPES.keys():
        raise KeyError(f"there is no feature {', '.join(sorted(unknown))}")
    bought = [name for name in PURCHASE_TYPES if name in wanted]
    table = purchase_features(orders, as_of, engine.settings.purchase, bought)
    for family in families_of(wanted):
        table = _with(engine, table, family, orders, as_of)
    return table.select([name for name in FEATURE_TYPES if name in wanted])


def _with(engine: Engine, table: ibis.Table, family: Family, orders: ibis.Table, as_of: date) -> ibis.Table:
    views = {name: orders if name == "orders" else as_of_view(engine, engine.settings, name, as_of)
             for name in family.reads}  # fmt: skip
    there = {name: view for name, view in views.items() if view is not None}
    if len(there) < len(views):
        return table.mutate(**{name: family.empty(name) for name in family.types})
    table = beside(table, family.build(there, as_of, engine.settings.purchase))
    zeros = {name: table[name].fill_null(0) for name in family.counts}
    return table.mutate(**{name: zeros.get(name, table[name]).cast(kind) for name, kind in family.types.items()})


def required_features(engine: Engine, as_of: date, columns: Sequence[str]) -> pa.Table:
    """The same; raises MissingDataError where there are no orders, or no customer."""
    return checked_features(feature_table(engine, as_of, columns), as_of)


def checked_features(features: pa.Table | None, as_of: date) -> pa.Table:
    """These features; raises MissingDataError where there are no orders, or no customer."""
    if features is not None and features.num_rows:
        return features
    message = "no orders have arrived" if features is None else "nobody has bought anything"
    raise MissingDataError(
        f"{message} on or before this day",
        as_of=str(as_of),
        hint="Ingest the orders first (ddcrm ingest orders), or choose a later day.",
    )
