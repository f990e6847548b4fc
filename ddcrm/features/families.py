"""All families of features beside purchases, and which of them a project has."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from ddcrm.features import categories, contacts, customers, events, feedback, tickets
from ddcrm.features.family import Family
from ddcrm.features.purchases import FEATURE_TYPES as PURCHASE_TYPES

if TYPE_CHECKING:
    from ddcrm.contracts.choose import Contracts

FAMILIES: tuple[Family, ...] = tuple(
    module.FAMILY for module in (events, tickets, feedback, contacts, customers, categories)
)
FEATURE_TYPES = {**PURCHASE_TYPES, **{name: kind for family in FAMILIES for name, kind in family.types.items()}}
"""Every feature that there is, purchases first, with its type."""


def families_of(names: Iterable[str]) -> tuple[Family, ...]:
    """The families that make some of the features."""
    wanted = set(names)
    return tuple(family for family in FAMILIES if wanted & family.types.keys())


def entities_of(names: Iterable[str]) -> tuple[str, ...]:
    """The entities that the families of these features read, by name."""
    return tuple(sorted({entity for family in families_of(names) for entity in family.reads}))


def offered(contracts: Contracts, as_of: date) -> tuple[str, ...]:
    """The features that a project has at a day: of purchases, and of each family whose entities have a source then.

    A feature that is made of a column which a contract in force calls personal is not among them.
    """
    names = list(PURCHASE_TYPES)
    for family in FAMILIES:
        if all(_reading(contracts, entity, as_of) for entity in family.reads):
            names += [name for name in family.types if not _personal(contracts, family, name, as_of)]
    return tuple(names)


def _reading(contracts: Contracts, entity: str, as_of: date) -> list[str]:
    """The sources that feed an entity at a day."""
    return [source for source in contracts.feeding(entity) if contracts.effective(source, as_of)]


def _personal(contracts: Contracts, family: Family, name: str, as_of: date) -> bool:
    if name not in family.columns:
        return False
    entity, column = family.columns[name]
    for source in _reading(contracts, entity, as_of):
        contract = contracts.effective(source, as_of)
        if contract and any(each.name == column and each.personal for each in contract.columns):
            return True
    return False
