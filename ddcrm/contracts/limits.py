"""What a value of a column must satisfy: enumeration, bounds, lengths, pattern, format."""

from __future__ import annotations

from typing import Any

from ddcrm.contracts import values
from ddcrm.contracts.document import Place
from ddcrm.contracts.expressions import check_pattern
from ddcrm.contracts.kinds import a_kind, bound, member

_TEMPORAL = ("date", "timestamp")
_OPTIONS = ("format", "minimum", "maximum", "pattern", "minLength", "maxLength", "timezone", "defaultTimezone")


def build_limits(place: Place, kind: str, timezone: str) -> dict[str, Any]:
    """The fields of Column that limit its values, from a property's `enum` and `logicalTypeOptions`.

    Bounds without an offset are meant in `timezone`. An option that ddcrm would not check is refused.
    """
    options = place / "logicalTypeOptions"
    given = {str(option.path[-1]): option for option in options if option.value is not None}
    for name, option in given.items():
        if name not in _OPTIONS:
            raise option.error(f"ddcrm does not check {name}", "Write it as an expectation of the suite.")
    _check_order(options, "minLength", "maxLength")
    return {
        "enum": _enum(place, kind),
        **_bounds(options, given, kind, timezone),
        "pattern": check_pattern(given["pattern"]) if "pattern" in given else None,
        "min_length": (options / "minLength").value,
        "max_length": (options / "maxLength").value,
        "format": _format(given.get("format"), kind),
    }


def _enum(place: Place, kind: str) -> tuple[str, ...]:
    if (place / "enum").value and kind in ("double", "timestamp"):
        raise (place / "enum").error(f"a {kind} can't be enumerated", "Write a minimum and a maximum.")
    return tuple(_member(entry, kind) for entry in place / "enum")


def _member(entry: Place, kind: str) -> str:
    value = (entry / "value").value
    text = member(value, kind)
    if text is None:
        hint = "Put it in quotes." if kind == "string" else None
        raise entry.error(f"the enumeration's {values.shown(value)} is not {a_kind(kind)}", hint)
    return text


def _bounds(options: Place, given: dict[str, Place], kind: str, timezone: str) -> dict[str, str | None]:
    found = {name: _bound(given.get(name), kind, timezone) for name in ("minimum", "maximum")}
    if kind not in _TEMPORAL:
        _check_order(options, "minimum", "maximum")
    elif found["minimum"] and found["maximum"] and found["minimum"] > found["maximum"]:  # ISO 8601 in UTC sorts as text
        raise (options / "minimum").error("minimum is greater than maximum")
    return found


def _bound(option: Place | None, kind: str, timezone: str) -> str | None:
    if option is None:
        return None
    text = bound(option.value, kind, timezone)
    if text is None:
        hint = "Write it as ISO 8601." if kind in _TEMPORAL else None
        raise option.error(f"{values.label(option)} {values.shown(option.value)} is not {a_kind(kind)}", hint)
    return text


def _check_order(options: Place, low: str, high: str) -> None:
    least, most = (options / low).value, (options / high).value
    if least is not None and most is not None and least > most:
        raise (options / low).error(f"{low} {least} is greater than {high} {most}")


def _format(option: Place | None, kind: str) -> str | None:
    """The pattern of a date or a moment; the formats of other types say nothing that ddcrm needs."""
    return values.day_pattern(option) if option is not None and kind in _TEMPORAL else None
