"""Changes in words: one sentence each, without a full stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ddcrm.contracts.change import Change

Facts = Mapping[str, Any]


def sentence(change: Change) -> str:
    """What is different, such as "amount has no values any more"."""
    name = change.column or ""
    return _WORDS[change.kind](name, change.facts)


def _rows(facts: Facts) -> str:
    example = f", such as {facts['example']}" if facts.get("example") else ""
    return f"{facts['rows']:,} rows ({facts['share']:.1%}){example}"


def _renamed(name: str, facts: Facts) -> str:
    evidence = ", ".join(_evidence(facts))
    return f"{name} may now be {facts['now']}" + (f" ({evidence})" if evidence else "")


def _evidence(facts: Facts) -> list[str]:
    """What speaks for a rename: readable values, known ones, known shapes, the size."""
    said = [f"{facts['readable']:.0%} of its values can be read as such"]
    if facts.get("known_values"):
        said.append(f"{facts['known_values']:.0%} of the distinct ones are known from before")
    elif facts.get("known_shapes"):
        said.append(f"{facts['known_shapes']:.0%} look like those before")
    if "factor" in facts:
        said.append(f"{facts['ratio']:g} times as large in the median, so the unit may be another one")
    return said


def _unit(name: str, facts: Facts) -> str:
    medians = f" ({facts['median_before']:g} before, {facts['median_now']:g} now)" if "median_now" in facts else ""
    fractions = {"gone": "; digits behind the point are gone", "new": "; there are digits behind the point now",
                 "still there": "; there still are digits behind the point"}  # fmt: skip
    said = f"the median of {name} is {facts['ratio']:g} times that of earlier batches{medians}"
    return said + fractions.get(str(facts.get("fractions")), "")


def _grown(name: str, facts: Facts) -> str:
    values = ", ".join(map(str, facts.get("values", ())))
    facts = {name: fact for name, fact in facts.items() if name != "example" or not values}
    return f"{name} has values outside its enumeration in {_rows(facts)}" + (f": {values}" if values else "")


def _pair(what: str) -> Callable[[str, Facts], str]:
    return lambda name, facts: f"the {what}{f' of {name}' if name else ''} was {facts['before']}, is {facts['after']}"


_WORDS: dict[str, Callable[[str, Facts], str]] = {
    "column_missing": lambda name, _: f"{name} did not arrive",
    "column_renamed": _renamed,
    "rename_unclear": lambda name, facts: f"{name} did not arrive, it may now be {' or '.join(facts['candidates'])}",
    "column_added": lambda name, _: f"{name} appeared, which the contract does not know",
    "column_case": lambda name, facts: f"{name} is written {facts['now']} now",
    "columns_reordered": lambda _, __: "the columns came in another order",
    "column_emptied": lambda name, facts: f"{name} has no values {'but zero' if facts.get('zero') else 'any more'}",
    "type_changed": lambda name, facts: f"{name} is no {facts['type']} in {_rows(facts)}",
    "date_format_changed": lambda name, facts: f"{name} is written as {facts['now']} in {_rows(facts)}",
    "number_format_changed": lambda name, facts: f"{name} is written with {facts['now']} in {_rows(facts)}",
    "value_missing": lambda name, facts: f"{name} is missing in {_rows(facts)}",
    "limit_broken": lambda name, facts: f"{name}: {facts['limit']} in {_rows(facts)}",
    "enum_grown": _grown,
    "key_duplicated": lambda _, facts: f"{_rows(facts)} have the key of another row, {facts['usual']:.1%} before",
    "unit_changed": _unit,
    "distribution_shifted": _unit,
    "property_added": lambda name, facts: f"{name} is new" + (" and required" if facts.get("required") else ""),
    "property_removed": lambda name, _: f"{name} is gone",
    "property_renamed": lambda name, facts: f"{name} is called {facts['after']}",
    "source_column_changed": lambda name, facts: f"{name} is read from {facts['after']}, was from {facts['before']}",
    "canonical_type_changed": _pair("type"),
    "format_changed": _pair("format"),
    "computation_changed": _pair("computation"),
    "requirement_added": lambda name, _: f"{name} is required",
    "requirement_dropped": lambda name, _: f"{name} is not required any more",
    "enum_extended": lambda name, facts: f"{name} may be {facts['values']} as well",
    "enum_reduced": lambda name, facts: f"{name} may not be {facts['values']} any more",
    "limits_changed": lambda name, facts: f"the {facts['limit']} of {name} was {facts['before']}, is {facts['after']}",
    "key_changed": _pair("key"),
    "delivery_changed": _pair("delivery mode"),
    "classification_changed": _pair("classification"),
    "timezone_changed": _pair("time zone"),
    "null_values_changed": _pair("texts that mean missing"),
    "exclusions_changed": lambda name, facts: f"the exclusion {name} is {facts['what']}",
    "server_changed": lambda _, facts: f"the server's {facts['what']} changed",
    "rules_changed": _pair("rule"),
    "source_columns_changed": _pair("source's further columns"),
}
