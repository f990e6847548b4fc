"""The custom properties that ddcrm knows (docs/contracts.md), by the level at which they stand."""

from __future__ import annotations

from collections.abc import Iterator

from ddcrm.contracts.document import Document, Place
from ddcrm.contracts.odcs import suggest

PREFIX = "ddcrm."

KNOWN: dict[str, tuple[str, ...]] = {
    "document": (
        "entity", "effectiveFrom", "deliveryMode", "suite", "maxQuarantinedShare", "exclude", "timezone", "nullValues",
        "allowEmpty", "volume", "freshnessSeverity", "sourceColumns",
    ),
    "property": ("timezone", "role", "canonicalType", "unitCheck"),
    "server": (
        "secret",
        "csv.delimiter", "csv.quote", "csv.escape", "csv.header", "csv.columns", "csv.skipRows",
        "file.compression", "file.partitionColumn", "file.partitionFormat",
        "sql.cursorColumn", "sql.cursorTimezone", "sql.cursorType",
        "http.path", "http.params", "http.dataSelector", "http.paginator", "http.auth", "http.maxRetries",
        "http.timeoutSeconds", "http.backoffSeconds",
    ),
}  # fmt: skip


def custom_properties(holder: Place) -> dict[str, Place]:
    """The values of a holder's `customProperties` of ours, by name without the prefix."""
    own = (entry for entry in holder / "customProperties" if _ours(entry))
    return {str((entry / "property").value)[len(PREFIX) :]: entry / "value" for entry in own}


def check_custom_properties(document: Document) -> None:
    """Raise ContractError for a custom property of ours that is unknown, at the wrong level, or there twice."""
    for entries in _lists(Place(document)):
        lines: dict[str, int] = {}
        for entry in entries:
            if not _ours(entry):
                continue
            name = str((entry / "property").value)
            _check_name(entry / "property", name, _level(entries))
            if name in lines:
                raise entry.error(
                    f"{name} stands twice: in line {lines[name]} and in line {entry.line}", "Keep one of them."
                )
            lines[name] = entry.line


def _ours(entry: Place) -> bool:
    return str((entry / "property").value).lower().startswith(PREFIX)


def _lists(place: Place) -> Iterator[Place]:
    """Every `customProperties` below a place."""
    for child in place:
        if child.path[-1] == "customProperties":
            yield child
        else:
            yield from _lists(child)


def _level(entries: Place) -> str | None:
    match entries.path:
        case ("customProperties",):
            return "document"
        case ("servers", int(), "customProperties"):
            return "server"
        case ("schema", int(), "properties", int(), "customProperties"):
            return "property"
    return None


def _check_name(place: Place, name: str, level: str | None) -> None:
    short = name[len(PREFIX) :]
    if level and short in KNOWN[level] and name.startswith(PREFIX):
        return
    if level and short in KNOWN[level]:
        raise place.error(f"there is no custom property {name!r}", f"Write it as {PREFIX}{short}.")
    homes = [home for home, names in KNOWN.items() if short in names]
    if homes:
        raise place.error(
            f"{name} has no place here", f"It belongs to the customProperties of a {' or a '.join(homes)}."
        )
    if short.endswith("encoding") and level == "server":
        raise place.error(f"there is no custom property {name!r}", "The standard has a key for it: encoding: utf-8.")
    known = [PREFIX + other for other in KNOWN[level or "document"]]
    hint = suggest(name, known) or f"Known here are {', '.join(known)}."
    raise place.error(f"there is no custom property {name!r}", hint)
