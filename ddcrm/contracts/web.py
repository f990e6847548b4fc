"""What a contract says of an HTTP service: path, parameters, paging and authentication (the names are dlt's)."""

from __future__ import annotations

from typing import Any

from ddcrm.contracts import values
from ddcrm.contracts.document import Place
from ddcrm.contracts.patterns import check_placeholders

_DAYS = ("batch_date", "next_date")
_END = ("total_path", "stop_after_empty_page", "has_more_path")
PAGINATORS: dict[str, tuple[str, ...]] = {
    "single_page": (),
    "offset": ("limit", "offset", "offset_param", "limit_param", "maximum_offset", *_END),
    "page_number": ("base_page", "page", "page_param", "maximum_page", *_END),
    "cursor": ("cursor_path", "cursor_param", "stop_after_empty_page", "has_more_path"),
    "header_cursor": ("cursor_key", "cursor_param"),
    "header_link": ("links_next_key",),
    "json_link": ("next_url_path",),
}
_WHOLE = ("limit", "offset", "maximum_offset", "base_page", "page", "maximum_page")
_AUTHS: dict[str, tuple[str, ...]] = {"bearer": (), "basic": ("username",), "api_key": ("name", "location")}


def path(place: Place) -> str:
    """The path below the location."""
    values.text(place)
    return check_placeholders(place, _DAYS)


def parameters(place: Place) -> dict[str, Any]:
    """The query's parameters: texts (with days in them), numbers, true or false."""
    if not isinstance(place.value, dict):
        raise place.error(
            f"{values.label(place)} must be a mapping of names to values, not {values.shown(place.value)}"
        )
    for entry in place:
        if isinstance(entry.value, dict | list) or entry.value is None:
            raise entry.error(
                f"the parameter {entry.path[-1]} must be text, a number, true or false, not {values.shown(entry.value)}"
            )
        if isinstance(entry.value, str):
            check_placeholders(entry, _DAYS)
    return dict(place.value)


def data_selector(place: Place) -> str:
    """The JSON path of the rows in an answer."""
    return values.text(place)


def paginator(place: Place) -> dict[str, Any]:
    """How the next page is found: {type: offset, limit: 500, ...}."""
    known = sorted({key for keys in PAGINATORS.values() for key in keys})
    found = values.mapping(place, ("type", *known))
    kind = values.one_of(place / "type", tuple(PAGINATORS))
    values.mapping(place, ("type", *PAGINATORS[kind]))
    for key in found:
        if key in _WHOLE:
            values.whole(place / key)
        elif key == "stop_after_empty_page":
            values.flag(place / key)
        elif (place / key).value is not None:
            values.text(place / key)
    if kind == "offset" and "limit" not in found:
        raise place.error("the paginator offset needs a limit: the rows of a page", "Add limit: 500.")
    return found


def auth(place: Place) -> dict[str, Any]:
    """How to authenticate: {type: bearer, secret: <the secret's name>}, basic with a username, or api_key."""
    found = values.mapping(place, ("type", "secret", "username", "name", "location"))
    kind = values.one_of(place / "type", tuple(_AUTHS))
    values.mapping(place, ("type", "secret", *_AUTHS[kind]))
    values.secret_name(place / "secret")
    if kind == "basic":
        values.text(place / "username")
    if kind == "api_key":
        found["name"] = values.text(place / "name")
        found["location"] = (
            values.one_of(place / "location", ("header", "query", "cookie")) if "location" in found else "header"
        )
    return found
