"""Properties of a contract as columns: names, types, keys, and what a value must satisfy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ddcrm.contracts import values
from ddcrm.contracts.custom import custom_properties
from ddcrm.contracts.document import Place
from ddcrm.contracts.expressions import check_expression
from ddcrm.contracts.kinds import TYPES, a_kind, canonical_type, default_type, feeds
from ddcrm.contracts.limits import build_limits
from ddcrm.contracts.model import Column, Entity
from ddcrm.contracts.odcs import suggest

LINEAGE = {"_line": "BIGINT", "_source": "VARCHAR"}  # what a transformLogic finds beside the source's columns
SYSTEM = (*LINEAGE, "_batch_date", "_reasons")  # columns of landing and quarantine
RESERVED = ("source", "batch_date", "event_date", "contract_version")


@dataclass(frozen=True)
class Scope:
    """What the columns of a contract have in common."""

    entity: Entity
    timezone: str
    further: tuple[str, ...]  # columns of the source without a property


def build_columns(properties: Place, scope: Scope) -> tuple[Column, ...]:
    """The columns of a contract; raises ContractError for the first property that is not sound."""
    places = [replace(place, column=(place / "name").value) for place in properties]
    _check_names(places, scope)
    sources = {name: "VARCHAR" for place in places if (name := source_name(place))}
    sources |= dict.fromkeys(scope.further, "VARCHAR") | LINEAGE
    columns = tuple(_column(place, scope, sources) for place in places)
    _check_required(properties, columns, scope.entity)
    _check_key(properties, places)
    return columns


def source_name(place: Place) -> str:
    """The source's column of a property: its physicalName, else its name; "" for one that is only computed."""
    physical, computed = (place / "physicalName").value, (place / "transformLogic").value
    return str(physical) if physical else "" if computed is not None else str((place / "name").value)


def _check_names(places: Sequence[Place], scope: Scope) -> None:
    for place in places:
        name = values.identifier(place / "name")
        if name.lower() in RESERVED or name.startswith("_"):
            raise (place / "name").error(f"the name {name!r} is the pipeline's own", "Choose another one.")
        right = next((column for column in scope.entity.columns if column == name.lower() != name), None)
        if right:
            raise (place / "name").error(f"{scope.entity.name} has no column {name!r}", f"Write it as {right}.")
        if source_name(place).lower() in SYSTEM:
            hint = "To have the line's number or the file, write transformLogic: _line or _source."
            raise place.error(f"the source's column {source_name(place)!r} has a name of the pipeline's own", hint)
    _check_twice(places, "name", lambda place: str((place / "name").value))
    _check_twice(places, "physicalName", source_name)


def _check_twice(places: Iterable[Place], key: str, name_of: Callable[[Place], str]) -> None:
    lines: dict[str, int] = {}
    for place in places:
        name, line = name_of(place).lower(), place.line
        if name and name in lines:
            raise place.error(
                f"the {key} {name_of(place)!r} stands twice: in line {lines[name]} and in line {line}",
                "Names are compared without regard to case. What is computed from another property's column has "
                "a transformLogic and no physicalName." if key == "physicalName" else "Keep one of them.")  # fmt: skip
        lines[name] = line


def _column(place: Place, scope: Scope, sources: dict[str, str]) -> Column:
    name = str(place.column)
    custom = custom_properties(place)
    kind = _type(place, custom.get("canonicalType"), scope.entity)
    key = bool((place / "primaryKey").value)
    timezone = _timezone(place, custom.get("timezone"), kind)
    computed = (place / "transformLogic").value is not None
    return Column(
        name=name, source_name=source_name(place), type=kind, primary_key=key,
        required=bool((place / "required").value) or key or name in scope.entity.required,
        key_position=max(int((place / "primaryKeyPosition").value or 0), 0) if key else 0,
        transform=check_expression(place / "transformLogic", sources) if computed else None,
        timezone=timezone, role=_role(place, custom.get("role"), scope.entity),
        classification=(place / "classification").value,
        unit_check=values.optional(custom.get("unitCheck"), values.flag, True),
        **build_limits(place, kind, timezone or scope.timezone),
    )  # fmt: skip


def _type(place: Place, own: Place | None, entity: Entity) -> str:
    name, logical = str(place.column), str((place / "logicalType").value)
    kind = canonical_type(values.text(own)) if own else entity.columns.get(name) or default_type(logical)
    if kind is None and own:
        raise own.error(f"there is no canonical type {own.value!r}", f"Write {', '.join(TYPES)} or decimal(18,2).")
    wanted = entity.columns.get(name, kind)
    if own and kind != wanted:
        raise own.error(
            f"{entity.name}.{name} is {a_kind(wanted)}, not {a_kind(kind)}", "Leave ddcrm.canonicalType away."
        )
    if not feeds(logical, str(kind)):
        raise (place / "logicalType").error(
            f"{a_kind(logical)} can't become {entity.name}.{name}, which is {a_kind(kind)}",
            "logicalType says what the value is once it was read (physicalType what it is at the source).")  # fmt: skip
    return str(kind)


def _timezone(place: Place, own: Place | None, kind: str) -> str | None:
    standard = place / "logicalTypeOptions" / "defaultTimezone"
    chosen = own or (standard if standard.value is not None else None)
    if chosen is None:
        return None
    if kind != "timestamp":
        raise chosen.error(f"a time zone says nothing of a {kind}")
    return values.timezone(chosen)


def _role(place: Place, own: Place | None, entity: Entity) -> str | None:
    """event_time stands at the entity's own event time; a contract may say so, and need not."""
    event = place.column == entity.event_time
    if own:
        values.one_of(own, ("event_time",))
        if not event:
            rule = f"It is {entity.name}.{entity.event_time}." if entity.event_time else f"{entity.name} have none."
            raise own.error(f"{place.column} is not the event time of {entity.name}", rule)
    return "event_time" if event else None


def _check_required(properties: Place, columns: Sequence[Column], entity: Entity) -> None:
    names = [column.name for column in columns]
    for missing in (name for name in entity.required if name not in names):
        hint = suggest(missing, names) or f"Map a column of the source to it with physicalName and name: {missing}."
        raise properties.error(f"the required column {entity.name}.{missing} is missing", hint)


def _check_key(properties: Place, places: Sequence[Place]) -> None:
    keys = [place for place in places if (place / "primaryKey").value]
    if not keys:
        raise properties.error(
            "there is no primary key", "Mark the properties that tell rows apart with primaryKey: true."
        )
    positions = [(place / "primaryKeyPosition").value or -1 for place in keys]
    if len(keys) > 1 and (min(positions) < 1 or len(set(positions)) < len(keys)):
        wrong = next(place for n, place in enumerate(keys) if positions[n] < 1 or positions[n] in positions[:n])
        raise wrong.error(
            "the columns of the primary key must have distinct positions", "Write primaryKeyPosition: 1, 2, ..."
        )
