"""Values of a contract with their types: each function returns what stands at a place or raises ContractError there."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from ddcrm.contracts.document import Place
from ddcrm.contracts.formats import check_day_pattern
from ddcrm.contracts.odcs import suggest
from ddcrm.errors import ContractError

T = TypeVar("T")

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
_MACHINE_ZONES = re.compile(r"localtime|posixrules|Factory|(posix|right)/.*")


def text(place: Place) -> str:
    """A text that is not empty."""
    if not isinstance(place.value, str) or not place.value.strip():
        raise place.error(f"{label(place)} must be text, not {shown(place.value)}", _quote_hint(place.value))
    return str(place.value)


def flag(place: Place) -> bool:
    """True or false."""
    if not isinstance(place.value, bool):
        raise place.error(f"{label(place)} must be true or false, not {shown(place.value)}")
    return place.value


def whole(place: Place, minimum: int = 0) -> int:
    """A whole number, `minimum` or more."""
    if type(place.value) is not int or place.value < minimum:
        raise place.error(f"{label(place)} must be a whole number, {minimum} or more, not {shown(place.value)}")
    return place.value


def number(place: Place) -> float:
    """A number of zero or more."""
    if isinstance(place.value, bool) or not isinstance(place.value, int | float) or not 0 <= place.value < float("inf"):
        raise place.error(f"{label(place)} must be a number of 0 or more, not {shown(place.value)}")
    return float(place.value)


def texts(place: Place, *, empty: bool = False) -> tuple[str, ...]:
    """A list of distinct texts; `empty` lets an empty text pass."""
    if not isinstance(place.value, list):
        raise place.error(f"{label(place)} must be a list of texts, not {shown(place.value)}")
    found = tuple(item.value if empty and item.value == "" else text(item) for item in place)
    twice = [item for item in found if found.count(item) > 1]
    if twice:
        raise place.error(f"{label(place)} has {twice[0]!r} twice")
    return found


def mapping(place: Place, known: Iterable[str]) -> dict[str, Any]:
    """A mapping whose keys are among the known ones."""
    if not isinstance(place.value, dict):
        raise place.error(f"{label(place)} must be a mapping, not {shown(place.value)}")
    known = list(known)
    for key in place.value:
        if key not in known:
            hint = suggest(key, known) or f"Known are {', '.join(known)}."
            raise (place / key).error(f"{label(place)} has no key {key!r}", hint)
    return dict(place.value)


def one_of(place: Place, known: Sequence[str]) -> str:
    """One of the known words."""
    value = text(place)
    if value not in known:
        raise place.error(f"{label(place)} {value!r} is none of {', '.join(known)}", suggest(value, list(known)))
    return value


def identifier(place: Place) -> str:
    """A name of letters, digits and underscores that does not begin with a digit."""
    value = text(place)
    if not IDENTIFIER.fullmatch(value):
        raise place.error(
            f"{label(place)} {value!r} must be letters, digits and underscores, and not begin with a digit"
        )
    return value


def secret_name(place: Place) -> str:
    """The name of a secret; what does not look like a name is not repeated in the error: it may be the secret."""
    if not isinstance(place.value, str) or not _SECRET_NAME.fullmatch(place.value):
        raise place.error(f"{label(place)} is not the name of a secret",
                          "A name is letters, digits, - and _; its value is set in DDCRM_SECRET_<NAME>.")  # fmt: skip
    return place.value


def day(place: Place) -> date:
    """A day as YYYY-MM-DD."""
    try:
        return date.fromisoformat(text(place))
    except ValueError:
        raise place.error(f"{label(place)} {place.value!r} is not a day", "Write it as YYYY-MM-DD.") from None


def timezone(place: Place) -> str:
    """A time zone by its IANA name."""
    value = text(place)
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError):
        raise place.error(f"there is no time zone {value!r}", _zone_hint(value)) from None
    if _MACHINE_ZONES.fullmatch(value):
        raise place.error(
            f"the time zone {value!r} depends on the machine", "Write an IANA name such as Europe/Berlin."
        )
    return value


def encoding(place: Place) -> str:
    """A character encoding that Python knows."""
    try:
        codecs.lookup(text(place))
    except LookupError:
        raise place.error(
            f"there is no encoding {place.value!r}", "Examples: utf-8, iso-8859-1, cp1252, utf-16."
        ) from None
    return str(place.value)


def day_pattern(place: Place) -> str:
    """A pattern of dates or moments as ODCS writes it (yyyy-MM-dd) that tells the day."""
    pattern = text(place)
    try:
        check_day_pattern(pattern)
    except ContractError as error:
        raise place.error(error.message, error.hint) from None
    return pattern


def optional(place: Place | None, read: Callable[[Place], T], default: T) -> T:
    """What `read` finds at a place, or the default where there is no place."""
    return default if place is None else read(place)


def label(place: Place) -> str:
    """What a message calls the place: its key, or the custom property's name."""
    steps = list(place.path)
    while steps and isinstance(steps[-1], int):
        steps.pop()
    if not steps:
        return "the contract"
    above = Place(place.document, tuple(steps[:-1]))
    name = (above / "property").value if steps[-1] == "value" else None
    return str(name or steps[-1])


def shown(value: Any) -> str:
    """A value as a message shows it: short, and nothing of what is nested."""
    kind = "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else None
    return kind or ("nothing" if value in (None, "") else json.dumps(value, default=str, ensure_ascii=False)[:60])


def _quote_hint(value: Any) -> str | None:
    return "Put it in quotes." if isinstance(value, int | float) else None


def _zone_hint(value: str) -> str:
    from zoneinfo import available_timezones

    return suggest(value, sorted(available_timezones())) or "Write an IANA name such as Europe/Berlin."
