"""What a contract says of whole batches: rows to exclude, volume and freshness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast, get_args

from ddcrm.contracts import values
from ddcrm.contracts.document import Place
from ddcrm.contracts.expressions import check_expression
from ddcrm.contracts.kinds import engine_type
from ddcrm.contracts.model import Column, Exclusion, Freshness, Severity, Volume
from ddcrm.contracts.odcs import suggest

_HOURS = {"h": 1.0, "hr": 1.0, "hour": 1.0, "hours": 1.0, "d": 24.0, "day": 24.0, "days": 24.0,
          "min": 1 / 60, "minute": 1 / 60, "minutes": 1 / 60}  # fmt: skip
_SEVERITIES = get_args(Severity)


def build_exclusions(place: Place | None, columns: Sequence[Column]) -> tuple[Exclusion, ...]:
    """The rules of ddcrm.exclude; their SQL speaks of our names, with our types."""
    if place is None:
        return ()
    if not isinstance(place.value, list):
        raise place.error("ddcrm.exclude must be a list of {name, where, reason}")
    typed = {column.name: engine_type(column.type) for column in columns}
    found: dict[str, Exclusion] = {}
    for entry in place:
        rule = _exclusion(entry, typed)
        if rule.name in found:
            raise entry.error(f"ddcrm.exclude has the rule {rule.name!r} twice", "Give each rule a name of its own.")
        found[rule.name] = rule
    return tuple(found.values())


def _exclusion(entry: Place, typed: dict[str, str]) -> Exclusion:
    values.mapping(entry, ("name", "where", "reason"))
    name, reason = values.identifier(entry / "name"), values.text(entry / "reason")
    values.text(entry / "where")
    return Exclusion(name, check_expression(entry / "where", typed, condition=True), reason)


def build_volume(place: Place) -> Volume:
    """ddcrm.volume: rows against the same weekday's median."""
    given = values.mapping(place, ("tolerance", "weeks", "severity"))
    default = Volume()
    tolerance = values.number(place / "tolerance") if "tolerance" in given else default.tolerance
    weeks = values.whole(place / "weeks", minimum=1) if "weeks" in given else default.weeks
    return Volume(tolerance, weeks, severity(place / "severity") if "severity" in given else default.severity)


def build_freshness(
    properties: Place, table: Sequence[str], columns: Sequence[Column], own: Place | None
) -> Freshness | None:
    """The SLA property `latency`.

    `table` are the names that may stand before the column, `own` is the place of ddcrm.freshnessSeverity.
    """
    places = [place for place in properties if (place / "property").value == "latency"]
    if len(places) > 1:
        raise places[1].error("there are two SLA properties latency", "Keep one.")
    if not places:
        if own:
            raise own.error("ddcrm.freshnessSeverity says nothing without the SLA property latency")
        return None
    column = _fresh_column(places[0], table, columns)
    hours = values.number(places[0] / "value") * _hours(places[0])
    return Freshness(hours, column.name, severity(own)) if own else Freshness(hours, column.name)


def severity(place: Place) -> Severity:
    """critical, warning or info."""
    return cast(Severity, values.one_of(place, _SEVERITIES))


def _hours(place: Place) -> float:
    unit = (place / "unit").value
    if unit not in _HOURS:
        raise place.error(f"the latency's unit {values.shown(unit)} is none of h, d, min", "Write unit: h.")
    return _HOURS[unit]


def _fresh_column(place: Place, table: Sequence[str], columns: Sequence[Column]) -> Column:
    element = (place / "element").value
    if element is None:
        event = next((column for column in columns if column.role == "event_time"), None)
        if event is None:
            raise place.error("the latency has no element", "Write element: <table>.<column>.")
        return event
    head, _, name = str(element).rpartition(".")
    found = next((column for column in columns if column.name == name), None)
    if found is None or (head and head not in table):
        near = suggest(name, [column.name for column in columns]) if found is None else None
        raise (place / "element").error(f"the latency's element {element!r} is no column of the contract",
                                        near or f"Write it as {table[0]}.<column>.")  # fmt: skip
    if found.type not in ("date", "timestamp"):
        raise (place / "element").error(f"the latency's element {element!r} is a {found.type}, not a time")
    return found
