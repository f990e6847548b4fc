"""What a change of the source asks of the contract's next version: edits of its text, or a comment for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ddcrm.contracts.change import Change
from ddcrm.contracts.document import Steps
from ddcrm.contracts.draft import Draft, written
from ddcrm.contracts.entities import ENTITIES
from ddcrm.contracts.kinds import engine_type
from ddcrm.contracts.model import Column, Contract
from ddcrm.contracts.wording import sentence

PROPERTIES: Steps = ("schema", 0, "properties")
SILENT = ("column_added", "column_case", "columns_reordered")  # they ask for nothing, or for a suggestion only


@dataclass(frozen=True)
class Amended:
    """The draft after a change; `decided` says what was done, None where a person has to decide."""

    draft: Draft
    decided: str | None


def amend(draft: Draft, contract: Contract, change: Change) -> Amended:
    """The draft with what the change asks for, and a comment that says why. Pure."""
    handler = _HANDLERS.get(change.kind)
    amended = handler(draft, contract, change) if handler else None
    if amended is not None:
        return amended
    said = [f"NOT DECIDED: {sentence(change)}.", *_advice(change)]
    place = _place(draft, contract, change.column)
    return Amended(draft.commented(place or PROPERTIES, said), None)


def _advice(change: Change) -> list[str]:
    if change.kind == "rename_unclear":
        return [*(f"{name}: {_figures(facts)}." for name, facts in change.facts["candidates"].items()),
                "Set physicalName to the right one, or have the source mended."]  # fmt: skip
    said = {
        "column_missing": "It is needed: map another column to it, or have the source mended.",
        "key_duplicated": "The key may need another column: a key can't change within a source, use another folder.",
        "column_emptied": "Nothing needs to change if this is meant.",
        "distribution_shifted": "Divide in transformLogic, or set ddcrm.unitCheck: false if the values are meant.",
        "unit_changed": "Divide in transformLogic, or set ddcrm.unitCheck: false if the values are meant.",
    }
    return (
        [said[change.kind]] if change.kind in said else ["Write a transformLogic that reads it, or change its limits."]
    )


def _renamed(draft: Draft, contract: Contract, change: Change) -> Amended | None:
    old, new = str(change.column), str(change.facts["now"])
    for name in [column.name for column in contract.columns if column.source_name.lower() == old.lower()]:
        path = _index(draft, name)
        draft = draft.with_value((*path, "physicalName"), new).commented(path, _evidence(change))
    for column in contract.columns:
        if column.transform and old.lower() in _reads(column.transform):
            path = _index(draft, column.name)
            draft = draft.with_value((*path, "transformLogic"), _replaced(column.transform, old, new))
            if column.source_name.lower() != old.lower():
                draft = draft.commented(_index(draft, column.name), _evidence(change))
    for place, name in enumerate(contract.further_source_columns):
        if name.lower() == old.lower():
            draft = draft.with_value((*_custom(draft, "ddcrm.sourceColumns"), place), new)
    return Amended(draft, f"{old} is called {new}")


def _evidence(change: Change) -> list[str]:
    facts = change.facts
    lines = [f"Renamed: {change.column} did not arrive, {facts['now']} did. Evidence (0 to 1): {_figures(facts)}."]
    if "ratio" in facts:
        lines.append(f"Its median is {facts['ratio']:g} times that of {change.column} before.")
    return lines


def _figures(facts: Mapping[str, Any]) -> str:
    named = {"name": "names alike", "readable": "values readable", "known_values": "distinct values known from before",
             "known_shapes": "values that look like those before", "score": "score"}  # fmt: skip
    return ", ".join(f"{word} {facts[name]:.2f}" for name, word in named.items() if name in facts)


def _unit(draft: Draft, contract: Contract, change: Change) -> Amended | None:
    if not change.facts.get("certain", True):
        return None
    column = contract.column(str(change.column))
    factor = float(change.facts["factor"])
    scaled = f"/ {factor:g}" if factor > 1 else f"* {1 / factor:g}"
    read = f"({column.transform})" if column.transform else f"CAST({_quoted(column.source_name)} AS {_exact(column)})"
    path = _index(draft, column.name)
    draft = draft.with_value((*path, "transformLogic"), f"{read} {scaled}")
    return Amended(draft.commented(path, [f"Another unit: {sentence(change)}."]),
                   f"{column.name} is in another unit: {scaled}")  # fmt: skip


def _exact(column: Column) -> str:
    return "BIGINT" if column.type == "integer" else engine_type(column.type).replace(",", ", ")


def _dates(draft: Draft, contract: Contract, change: Change) -> Amended | None:
    column, path = contract.column(str(change.column)), _index(draft, str(change.column))
    if "unclear" in change.facts:
        return None
    if "transform" in change.facts:
        draft = draft.with_value((*path, "transformLogic"), change.facts["transform"])
    elif "format" in change.facts:
        draft = draft.with_value((*path, "logicalTypeOptions", "format"), change.facts["format"])
    elif column.format:
        draft = draft.without((*path, "logicalTypeOptions", "format"))
    else:
        return None
    return Amended(_why(draft, column, "Another format", change), f"{column.name} is written as {change.facts['now']}")


def _numbers(draft: Draft, contract: Contract, change: Change) -> Amended | None:
    if "unclear" in change.facts:
        return None
    column = contract.column(str(change.column))
    logic = f"CAST({change.facts['transform']} AS {_exact(column)})"
    draft = draft.with_value((*_index(draft, column.name), "transformLogic"), logic)
    return Amended(_why(draft, column, "Another way of writing numbers", change),
                   f"{column.name} is written with {change.facts['now']}")  # fmt: skip


def _grown(draft: Draft, contract: Contract, change: Change) -> Amended | None:
    column, values = contract.column(str(change.column)), list(change.facts.get("values", ()))
    if not values or column.personal:
        return None
    for value in values:
        typed = int(value) if column.type == "integer" else value == "true" if column.type == "boolean" else value
        draft = draft.with_item((*_index(draft, column.name), "enum"), {"value": typed})
    return Amended(_why(draft, column, "New values", change), f"{column.name} may be {', '.join(values)}")


def _missing(draft: Draft, contract: Contract, change: Change) -> Amended | None:
    """What nothing needs may go; it stays as a comment."""
    gone = str(change.column).lower()
    columns = [column for column in contract.columns if gone in (column.source_name.lower(), *_reads(column.transform))]
    needed = any(column.required or column.primary_key or _used(contract, column) for column in columns)
    if needed or not columns or draft.in_one_line(PROPERTIES):
        return None
    for column in columns:
        path = _index(draft, column.name)
        draft = draft.commented(path, [f"Gone: {sentence(change)}. From now on the column is empty."])
        draft = draft.commented_out(_index(draft, column.name))
    return Amended(draft, f"{change.column} is gone")


def _used(contract: Contract, column: Column) -> bool:
    """Whether an exclusion or the freshness speaks of it."""
    where = any(column.name.lower() in _reads(rule.where) for rule in contract.exclude)
    return where or bool(contract.freshness and contract.freshness.column == column.name)


def _why(draft: Draft, column: Column, what: str, change: Change) -> Draft:
    return draft.commented(_index(draft, column.name), [f"{what}: {sentence(change)}."])


def suggest_columns(draft: Draft, contract: Contract, added: Sequence[tuple[str, str, float]]) -> Draft:
    """Columns that appeared, (name, logical type, share of rows that have one), as properties in comments."""
    known = {name.lower() for name in ENTITIES[contract.entity].columns} | {
        each.name.lower() for each in contract.columns
    }
    lines = ["Columns that appeared. Nothing reads them; to keep one, take it in, with a classification if it is about",
             "a person:"]  # fmt: skip
    for name, kind, share in added:
        ours = _identifier(name)
        ours = f"{ours}_2" if ours.lower() in known else ours
        lines.append(
            f"- {{name: {ours}, physicalName: {written(name)}, logicalType: {kind}}}  # in {share:.0%} of the rows"
        )
    return draft.appended_comment(PROPERTIES, lines) if added else draft


def _identifier(name: str) -> str:
    from re import sub

    found = sub(r"\W+", "_", name.strip()).strip("_").lower() or "column"
    return f"c_{found}" if found[0].isdigit() else found


def _place(draft: Draft, contract: Contract, name: str | None) -> Steps | None:
    """The property that a change is about, by our name or the source's."""
    for column in contract.columns:
        if name is not None and name.lower() in (column.name.lower(), column.source_name.lower()):
            return _index(draft, column.name)
    return None


def _index(draft: Draft, name: str) -> Steps:
    names = [each.get("name") for each in draft.value(PROPERTIES)]
    return (*PROPERTIES, names.index(name))


def _custom(draft: Draft, name: str) -> Steps:
    names = [each.get("property") for each in draft.value(("customProperties",))]
    return ("customProperties", names.index(name), "value")


def for_day(draft: Draft, version: str, day: str, status: str) -> Draft:
    """The draft as a version of its own that reads from a day on."""
    values: dict[Steps, Any] = {("version",): version, ("status",): status,
                                _custom(draft, "ddcrm.effectiveFrom"): day}  # fmt: skip
    for path, value in values.items():
        draft = draft.with_value(path, value)
    return draft


def _reads(sql: str | None) -> list[str]:
    import sqlglot
    from sqlglot import exp

    return [node.name.lower() for node in sqlglot.parse_one(sql, dialect="duckdb").find_all(exp.Column)] if sql else []


def _replaced(sql: str, old: str, new: str) -> str:
    import sqlglot
    from sqlglot import exp

    def change(node: exp.Expression) -> exp.Expression:
        return (
            exp.column(new, quoted=True) if isinstance(node, exp.Column) and node.name.lower() == old.lower() else node
        )

    return str(sqlglot.parse_one(sql, dialect="duckdb").transform(change).sql("duckdb"))


def _quoted(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else '"' + name.replace('"', '""') + '"'


_HANDLERS = {
    "column_renamed": _renamed,
    "column_missing": _missing,
    "unit_changed": _unit,
    "date_format_changed": _dates,
    "number_format_changed": _numbers,
    "enum_grown": _grown,
}
