"""A family of features: what it reads of which entities, and the features that it makes of it, one row a customer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

from ddcrm.settings import PurchaseSettings

if TYPE_CHECKING:
    import ibis

Views = Mapping[str, "ibis.Table"]
"""As-of views by entity."""


@dataclass(frozen=True)
class Family:
    """reads: the columns that it reads, by entity. types: its features in their order, with their types.

    counts: the features that are 0 for a customer of whom the entities say nothing; the others are NULL then.
    build: the features of whom they say something, from the views of all entities that it reads.
    columns: the entity's column behind a feature that is a category, so that a contract can keep it out.
    """

    name: str
    reads: Mapping[str, tuple[str, ...]]
    types: Mapping[str, str]
    counts: tuple[str, ...]
    build: Callable[[Views, date, PurchaseSettings], ibis.Table]
    columns: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def empty(self, name: str) -> ibis.Value:
        """A feature of whom the entities say nothing."""
        import ibis

        return (ibis.literal(0) if name in self.counts else ibis.null()).cast(self.types[name])


def known(view: ibis.Table, as_of: date) -> ibis.Table:
    """The rows of a customer that had happened by `as_of`, whoever let others in, with customer_id."""
    import ibis

    rows = view.filter(view.customer_key.notnull(), view.event_date <= ibis.literal(as_of))
    return rows.mutate(customer_id=rows.customer_key)


def within(day: ibis.Value, as_of: date, days: int) -> ibis.Value:
    """Whether the day is one of the last `days` days, `as_of` included."""
    import ibis

    return day > ibis.literal(as_of - timedelta(days=days))


def days_since(day: ibis.Value, as_of: date) -> ibis.Value:
    """Days from a day to `as_of`."""
    import ibis

    return ibis.literal(as_of).delta(day, unit="day")


def share(part: ibis.Value, whole: ibis.Value) -> ibis.Value:
    """A whole number by another one, NULL where that is 0: floating point begins here, once a customer."""
    return part.cast("float64") / whole.cast("float64").nullif(0)


def favourite(table: ibis.Table, name: str, n: str) -> ibis.Table:
    """With `first`: whether the row is the one of its customer with the greatest `n`, of equal ones the first by name.

    table: customer_id, `name` (a text) and `n`, a row a customer and name. A row without a name is never it.
    """
    import ibis

    order = [table[name].isnull(), table[n].desc(), table[name]]
    place = ibis.row_number().over(ibis.window(group_by=table.customer_id, order_by=order))
    return table.mutate(first=(place == 0) & table[name].notnull() & (table[n] > 0))
