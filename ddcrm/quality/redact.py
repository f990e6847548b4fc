"""What may be kept of a check: counts, shares and aggregates. Never a value of a row, nor a text that quotes one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

# aggregates that count rows, columns or distinct values, and so say nothing of any value
_COUNTING = (
    "expect_table_",
    "expect_column_unique_value_count_",
    "expect_column_proportion_of_",
    "unexpected_rows_expectation",
)
_NAMING = re.compile(r"expect_column_values_to_be_(of_type|in_type_list)|expect_table_columns_")  # types, columns
_LEADING = re.compile(r"^(?P<kind>[A-Za-z_][\w.]*)(?::\s*(?P<said>.*))?$")

# messages of exceptions that hold names and types only; any other is dropped, for it may quote a value
_SAFE = tuple(
    re.compile(pattern)
    for pattern in (
        r"'[<>=!]+' not supported between instances of '[\w.]+' and '[\w.]+'",
        r"unsupported operand type\(s\) for \S+: '[\w.]+' and '[\w.]+'",
        r"Invalid comparison between dtype=\w+(\[\w+(, [\w/+:-]+)?\])? and \w+",
        r"can't compare offset-naive and offset-aware datetimes",
        r"Cannot compare \w+ with datetime\.date\b.*",
        r"boolean value of NA is ambiguous",
        r"Column values, min_value, and max_value must either be None or of the same type\.",
        r"\w+ metrics cannot be computed on column of type \w+\.",
        r"No provider found for [\w.]+ using \w+",
        r'column "?[\w.]+"? does not exist',
        r'relation "[\w.]+" does not exist',
        r"operator does not exist: [\w ]+ \S{1,3} [\w ]+",
        r"function [\w.]+\([\w ,]*\) does not exist",
        r"permission denied for \w+ [\w.]+",
        r'syntax error at or near "\w+"',
    )
)


@dataclass(frozen=True)
class Trouble:
    """Why a check could not be judged: the class of the exception, and its text where that quotes no data."""

    kind: str
    said: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.said}" if self.said else self.kind


def trouble_of_result(info: Mapping[str, Any] | None) -> Trouble | None:
    """The trouble in a result's `exception_info`; None where nothing was raised."""
    if not info:
        return None
    found = [info] if "raised_exception" in info else [part for part in info.values() if isinstance(part, Mapping)]
    for part in found:
        inner = part.get("exception_info", part)
        if inner["raised_exception"]:
            return trouble_of(str(inner["exception_traceback"]))
    return None


def trouble_of(text: str) -> Trouble:
    """The exception of a formatted traceback: the first of the chain that says something safe, or else the first."""
    lines = (line for line in text.splitlines() if not line.startswith(("Traceback ", "During ", "The above ")))
    found = [Trouble(said["kind"].rsplit(".", 1)[-1], _safe(said["said"] or ""))
             for said in map(_LEADING.match, lines) if said]  # fmt: skip
    return next((trouble for trouble in found if trouble.said), found[0] if found else Trouble("Exception"))


def observed(kind: str, result: Mapping[str, Any], columns: Iterable[str], personal: Iterable[str]) -> dict[str, Any]:
    """What is kept of a result, JSON-ready: counts and shares; aggregates only where no column is personal."""
    kept: dict[str, Any] = {}
    if "element_count" in result:
        kept["missing"] = int(result.get("missing_count") or 0)
        kept["failing_share"] = (result.get("unexpected_percent") or 0.0) / 100
    value = result.get("observed_value")
    if kind.startswith(_COUNTING) or not set(columns) & set(personal):
        kept |= _aggregate(value)
    if _NAMING.match(kind) and isinstance(value, str | list):
        kept["value"] = value
    return kept


def _aggregate(value: Any) -> dict[str, Any]:
    """A number, a moment or quantiles; texts and lists are values of rows."""
    if isinstance(value, Mapping) and "quantiles" in value:
        return {"quantiles": list(value["quantiles"]), "values": [_plain(one) for one in value["values"]]}
    return {} if (plain := _plain(value)) is None else {"value": plain}


def _plain(value: Any) -> float | int | str | None:
    """A number as JSON has it, a day or moment as ISO 8601; None for anything else, NaN included."""
    if isinstance(value, date | datetime):
        return value.isoformat() if value == value else None  # NaT is not equal to itself
    if value is None or isinstance(value, str | bytes | list | tuple | dict | set):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if hasattr(value, "__index__") else number


def _safe(said: str) -> str:
    return said if any(pattern.fullmatch(said) for pattern in _SAFE) else ""
