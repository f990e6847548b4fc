"""Canonical types, and which logical types of the standard may feed them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

TYPES = ("string", "integer", "double", "boolean", "date", "timestamp")

_DECIMAL = re.compile(r"decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)", re.IGNORECASE)
_ENGINE = {"string": "VARCHAR", "integer": "BIGINT", "double": "DOUBLE", "boolean": "BOOLEAN", "date": "DATE",
           "timestamp": "TIMESTAMP WITH TIME ZONE"}  # fmt: skip
_DEFAULTS = {"integer": "integer", "number": "double", "boolean": "boolean", "date": "date", "timestamp": "timestamp"}
_FEEDS = {
    "integer": {"integer", "double", "decimal"}, "number": {"double", "decimal"}, "boolean": {"boolean"},
    "date": {"date", "timestamp"}, "timestamp": {"timestamp"},
}  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """Digits of a decimal in all, and after the point."""

    precision: int
    scale: int


def canonical_type(text: str) -> str | None:
    """The canonical spelling of a type, None for anything that is none: 'decimal(18, 2)' becomes 'decimal(18,2)'."""
    scale = scale_of(text)
    if scale:
        sound = 1 <= scale.precision <= 38 and scale.scale <= scale.precision
        return f"decimal({scale.precision},{scale.scale})" if sound else None
    return text if text in TYPES else None


def scale_of(kind: str) -> Scale | None:
    """The digits of a decimal; None for other types."""
    match = _DECIMAL.fullmatch(kind)
    return Scale(int(match[1]), int(match[2])) if match else None


def default_type(logical: str) -> str:
    """The canonical type of a column that no entity has; nested values and times of day stay text."""
    return _DEFAULTS.get(logical, "string")


def feeds(logical: str, kind: str) -> bool:
    """Whether a value of the logical type can become one of the canonical type without a loss."""
    return kind.partition("(")[0] in _FEEDS.get(logical, {"string"})


def engine_type(kind: str) -> str:
    """DuckDB's name of a canonical type."""
    return kind.upper() if scale_of(kind) else _ENGINE[kind]


def member(value: Any, kind: str) -> str | None:
    """A value of an enumeration as the engine writes it as text; None where it is no value of the type."""
    if kind == "string":
        return value if isinstance(value, str) else str(value) if type(value) is int else None
    if kind == "boolean":
        return str(value).lower() if isinstance(value, bool) else None
    if kind == "date":
        return _day(value)
    number = _number(value)
    if number is None or kind == "double":
        return None
    scale = scale_of(kind)
    digits = scale.scale if scale else 0
    rounded = round(number, digits)
    return f"{rounded:.{digits}f}" if rounded == number else None


def bound(value: Any, kind: str, timezone: str) -> str | None:
    """A minimum or maximum as text that casts to the type (moments in UTC); None where it is no value of the type."""
    if kind == "date":
        return _day(value)
    if kind == "timestamp":
        return _moment(value, timezone)
    number = _number(value)
    return None if number is None else f"{number:f}"


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _day(value: Any) -> str | None:
    try:
        return date.fromisoformat(value).isoformat()
    except (ValueError, TypeError):
        return None


def _moment(value: Any, timezone: str) -> str | None:
    try:
        moment = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        return None
    local = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone))
    return local.astimezone(UTC).isoformat(sep=" ")


def a_kind(kind: object) -> str:
    """The type with its article, for messages."""
    return f"{'an' if str(kind)[0] in 'aeiou' else 'a'} {kind}"
