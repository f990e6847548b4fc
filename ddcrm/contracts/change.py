"""How serious a change is, of what arrives or of a contract: one pure function decides (docs/schema-changes.md).

compatible: every row is read as before. attention: some rows or values fare differently, and a person should look.
breaking: what arrives can't be read as it was, or would be read wrongly; it is not conformed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ddcrm.settings import ChangeSettings

Level = Literal["compatible", "attention", "breaking"]
LEVELS: tuple[Level, ...] = ("compatible", "attention", "breaking")


@dataclass(frozen=True)
class Change:
    """One difference; `facts` are JSON-ready and hold no value of a personal column."""

    kind: str
    column: str | None = None  # the contract's name of it; the source's where the contract has none
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """How serious a change is, and why."""

    level: Level
    reason: str


def classify(change: Change, limits: ChangeSettings | None = None) -> Verdict:
    """The class of a change. Pure; raises KeyError for a kind that is none of KINDS."""
    if change.kind in _ALWAYS:
        return Verdict(*_ALWAYS[change.kind])
    return _BY_FACTS[change.kind](change.facts, limits or ChangeSettings())


def worst(levels: list[Level]) -> Level:
    """The most serious of some levels; compatible where there are none."""
    return max(levels, key=LEVELS.index, default="compatible")


def _by_share(facts: Mapping[str, Any], limits: ChangeSettings) -> Verdict:
    """`share` of the batch's rows, `rows` of them; `tolerated`: the share that the contract lets be quarantined."""
    share, tolerated = float(facts["share"]), float(facts.get("tolerated", 0))
    many = share >= limits.breaking_share and share > tolerated and facts["rows"] >= limits.min_values
    if many:
        return Verdict("breaking", "it is no matter of single rows")
    return Verdict("attention", f"these rows ({share:.1%}) are quarantined as far as the contract tolerates it")


def _unit(facts: Mapping[str, Any], _: ChangeSettings) -> Verdict:
    if facts.get("certain", True):
        return Verdict("breaking", "the values would be taken for another amount than they are")
    return Verdict("attention", "the factor is that of another unit, the digits behind the point are not")


def _duplicates(facts: Mapping[str, Any], limits: ChangeSettings) -> Verdict:
    """Of rows with one key the last one wins: above half, more rows get lost than stay."""
    if facts["share"] > limits.breaking_share and facts["rows"] >= limits.min_values:
        return Verdict("breaking", "the key does not tell rows apart any more: most of them would get lost")
    return Verdict("attention", "of rows with one key only the last one is kept")


def _property_added(facts: Mapping[str, Any], _: ChangeSettings) -> Verdict:
    if facts.get("required"):
        return Verdict("breaking", "batches without the column can't be read by the new version")
    return Verdict("compatible", "what was there before stays as it is")


_ALWAYS: dict[str, tuple[Level, str]] = {
    # a batch against its contract
    "column_missing": ("breaking", "the contract reads it: no row can be conformed without it"),
    "column_renamed": ("breaking", "the contract reads it under its old name"),
    "rename_unclear": ("breaking", "the contract reads it, and a person has to say which one it is"),
    "column_added": ("compatible", "nothing reads it; landing keeps it as text"),
    "column_case": ("compatible", "names are compared without regard to case"),
    "columns_reordered": ("compatible", "columns are known by their names"),
    "column_emptied": ("attention", "it may be empty, and was not before"),
    "distribution_shifted": ("attention", "the values are of another size, by no factor that units have"),
    # a version of a contract against another one
    "property_removed": ("breaking", "whoever reads the column finds it no more"),
    "property_renamed": ("breaking", "whoever reads the column finds it under another name"),
    "source_column_changed": ("breaking", "batches with the old column can't be read by the new version"),
    "canonical_type_changed": ("breaking", "whoever reads the column gets another type"),
    "format_changed": ("breaking", "batches in the old spelling can't be read by the new version"),
    "computation_changed": ("attention", "the same rows give other values"),
    "requirement_added": ("attention", "rows without the value are quarantined"),
    "requirement_dropped": ("compatible", "every row that was accepted still is"),
    "enum_extended": ("compatible", "every row that was accepted still is"),
    "enum_reduced": ("attention", "rows with the values that go are quarantined"),
    "limits_changed": ("attention", "other rows are quarantined"),
    "key_changed": ("breaking", "the rows of both versions can't be told apart by one key"),
    "delivery_changed": ("breaking", "the rows of both versions can't be searched together"),
    "classification_changed": ("attention", "other values are shown, or hidden"),
    "timezone_changed": ("attention", "the same texts mean other moments"),
    "null_values_changed": ("attention", "other texts mean that a value is missing"),
    "exclusions_changed": ("attention", "other rows are left out"),
    "server_changed": ("attention", "the rows come from elsewhere, or are read in another way"),
    "rules_changed": ("compatible", "rows are read as before; other batches may be stopped"),
    "source_columns_changed": ("compatible", "no property reads them"),
}

_BY_FACTS: dict[str, Callable[[Mapping[str, Any], ChangeSettings], Verdict]] = {
    "type_changed": _by_share,
    "date_format_changed": _by_share,
    "number_format_changed": _by_share,
    "value_missing": _by_share,
    "limit_broken": _by_share,
    "enum_grown": _by_share,
    "key_duplicated": _duplicates,
    "unit_changed": _unit,
    "property_added": _property_added,
}

KINDS = (*_ALWAYS, *_BY_FACTS)
