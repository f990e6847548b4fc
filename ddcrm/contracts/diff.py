"""Two versions of a contract: the differences, as changes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ddcrm.contracts.change import Change
from ddcrm.contracts.model import Column, Contract

_LIMITS = ("minimum", "maximum", "pattern", "min_length", "max_length")
_RULES = ("suite", "max_quarantined_share", "allow_empty", "freshness", "volume", "status")
_NONE = "none"


def diff(old: Contract, new: Contract) -> list[Change]:
    """What the version `new` changes; the day from which it reads is no difference."""
    return [*_columns(old, new), *_documents(old, new)]


def _columns(old: Contract, new: Contract) -> Iterator[Change]:
    before, after = ({column.name: column for column in contract.columns} for contract in (old, new))
    gone = [column for name, column in before.items() if name not in after]
    come = [column for name, column in after.items() if name not in before]
    for column in gone:
        twin = next((other for other in come if _same_source(column, other)), None)
        if twin:
            come.remove(twin)
            yield Change("property_renamed", column.name, {"after": twin.name})
        else:
            yield Change("property_removed", column.name)
    for column in come:
        yield Change("property_added", column.name, {"required": column.required})
    for name in (name for name in before if name in after):
        yield from _column(before[name], after[name])


def _same_source(one: Column, two: Column) -> bool:
    sources = (one.source_name.lower(), one.transform), (two.source_name.lower(), two.transform)
    return sources[0] == sources[1] and one.type == two.type


def _column(old: Column, new: Column) -> Iterator[Change]:
    name = new.name
    if old.source_name.lower() != new.source_name.lower():
        yield _pair("source_column_changed", name, old.source_name, new.source_name)
    for kind, attribute in (("canonical_type_changed", "type"), ("format_changed", "format"),
                            ("computation_changed", "transform"), ("timezone_changed", "timezone"),
                            ("classification_changed", "classification"), ("rules_changed", "unit_check")):  # fmt: skip
        if getattr(old, attribute) != getattr(new, attribute):
            yield _pair(kind, name, getattr(old, attribute), getattr(new, attribute))
    if old.required != new.required:
        yield Change("requirement_added" if new.required else "requirement_dropped", name)
    yield from _enumeration(old, new)
    for limit in _LIMITS:
        if getattr(old, limit) != getattr(new, limit):
            yield _pair("limits_changed", name, getattr(old, limit), getattr(new, limit), limit=limit)


def _enumeration(old: Column, new: Column) -> Iterator[Change]:
    """No enumeration lets every value pass."""
    if not (old.enum or new.enum):
        return
    more = [value for value in new.enum if value not in old.enum] if old.enum else []
    less = [value for value in old.enum if value not in new.enum] if new.enum else []
    if more or not new.enum:
        yield Change("enum_extended", new.name, {"values": _listed(more) or "anything"})
    if less or not old.enum:
        yield Change("enum_reduced", new.name, {"values": _listed(less) or "anything else"})


def _documents(old: Contract, new: Contract) -> Iterator[Change]:
    if old.key != new.key:
        yield _pair("key_changed", None, _listed(old.key), _listed(new.key))
    for kind, attribute in (("delivery_changed", "delivery"), ("timezone_changed", "timezone"),
                            ("null_values_changed", "null_values"),
                            ("source_columns_changed", "further_source_columns")):  # fmt: skip
        if getattr(old, attribute) != getattr(new, attribute):
            yield _pair(kind, None, getattr(old, attribute), getattr(new, attribute))
    yield from _exclusions(old, new)
    for part in ("kind", "format", "path", "location", "table", "secret", "options"):
        if getattr(old.server, part) != getattr(new.server, part):
            yield Change("server_changed", None, {"what": part})  # addresses and secrets' names are not repeated
    for rule in _RULES:
        if getattr(old, rule) != getattr(new, rule):
            yield _pair("rules_changed", rule, getattr(old, rule), getattr(new, rule))


def _exclusions(old: Contract, new: Contract) -> Iterator[Change]:
    before, after = ({rule.name: rule.where for rule in contract.exclude} for contract in (old, new))
    for name in (*before, *(name for name in after if name not in before)):
        if before.get(name) != after.get(name):
            what = "new" if name not in before else "gone" if name not in after else "another one"
            yield Change("exclusions_changed", name, {"what": what})


def _pair(kind: str, column: str | None, before: Any, after: Any, **facts: Any) -> Change:
    return Change(kind, column, {"before": _said(before), "after": _said(after), **facts})


def _said(value: Any) -> str:
    if value is None or value in ((), ""):
        return _NONE
    return _listed(value) if isinstance(value, tuple) else str(value)


def _listed(values: Sequence[str]) -> str:
    return ", ".join(values)
