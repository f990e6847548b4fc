"""Values and names as they arrived: JSON with the digits it has, a database's values as text, names checked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any, NoReturn

from ddcrm.contracts.model import Contract
from ddcrm.errors import MalformedDataError
from ddcrm.sources.part import RESERVED


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def load_json(text: str) -> Any:
    """Read JSON; numbers become `Number`. Raises ValueError for what is not JSON, NaN and repeated keys included."""
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def load_json_from(text: str, position: int) -> tuple[Any, int]:
    """Read the JSON value that begins at `position`, and say where it ends."""
    try:
        return _DECODER.raw_decode(text, position)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found


_DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=_refuse, object_pairs_hook=_distinct)


def json_text(value: Any) -> str | None:
    """A JSON value as landing keeps it: text as it is, numbers as written, nested values as compact JSON."""
    if value is None or isinstance(value, str):
        return value
    return write_json(value)


def write_json(value: Any) -> str:
    """Compact JSON of nested values; numbers with the digits they have."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{encode_basestring(str(key))}:{write_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(write_json, value)) + "]"
    if isinstance(value, set | frozenset):
        return write_json(sorted(value, key=str))
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    text = database_text(value) or ""
    return text if isinstance(value, Decimal) else encode_basestring(text)


def database_text(value: Any) -> str | None:
    """A value that a database driver gave, as text: moments as ISO, decimals with all their digits, bytes as hex."""
    if value is None or isinstance(value, str):
        return value
    if type(value) in (int, float):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, dict | list | tuple | set | frozenset):
        return write_json(value)
    return str(value)


def told_names(names: Sequence[str]) -> tuple[str | int, ...]:
    """The names as errors may tell them: the number of one that does not look like a name.

    Where a header is missing, values of customers stand in its place.
    """
    from ddcrm.contracts.arrived import shown_names

    shown = set(shown_names(names))
    return tuple(name if name in shown else number for number, name in enumerate(names, 1))


def check_names(names: Sequence[str], facts: Mapping[str, Any]) -> None:
    """Raise MalformedDataError for a name that stands twice (in whatever case) or that landing keeps for itself."""
    seen: dict[str, str | int] = {}
    for name, told in zip(names, told_names(names), strict=True):
        if name.lower() in RESERVED:
            raise MalformedDataError(
                f"the source has a column {name!r}, a name that landing keeps for itself",
                **facts,
                column=name,
                hint="Rename the column at the source.",
            )
        if name.lower() in seen:
            first = seen[name.lower()]
            message = (
                f"two columns are called {told!r}" if first == told else f"{first!r} and {told!r} differ only in case"
            )
            if isinstance(told, int):
                message = f"the columns {first} and {told} are called the same"
            raise MalformedDataError(
                message, **facts, column=told, hint="Give each column a name of its own at the source."
            )
        seen[name.lower()] = told


def expected_columns(contract: Contract) -> tuple[str, ...]:
    """The columns that the contract expects from the source: those of a batch that arrived without any."""
    listed: Iterable[str] = contract.server.options.get("columns") or contract.source_columns
    found = {name.lower(): name for name in listed if name and name.lower() not in RESERVED}
    return tuple(found.values())


def find_column(wanted: str, names: Sequence[str]) -> str | None:
    """The column called `wanted`, in whatever case if none is spelled that way."""
    if wanted in names:
        return wanted
    return next((name for name in names if name.lower() == wanted.lower()), None)
