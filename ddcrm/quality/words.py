"""Checks in words: what a suite asks for, and how it came out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ddcrm.quality.redact import Trouble
    from ddcrm.quality.suites import Expectation

_NAMED_ELSEWHERE = {"column", "column_A", "column_B", "column_list", "condition_parser"}
_LONG = 60


def subject(expectation: Expectation) -> str | None:
    """The column or columns that it is about."""
    return ", ".join(expectation.columns) or None


def requirement(expectation: Expectation) -> str:
    """The arguments in short, such as "min_value 0, max_value 100"; of a query its notes, which say what it is for."""
    if expectation.notes and "unexpected_rows_query" in expectation.kwargs:
        return expectation.notes
    shown = {name: value for name, value in expectation.kwargs.items() if name not in _NAMED_ELSEWHERE}
    return ", ".join(_argument(name, value) for name, value in shown.items() if value is not None)


def sentence(
    expectation: Expectation, status: str, evaluated: int, failing: int | None, kept: Mapping[str, Any]
) -> str:
    """How it came out, without a value of any row."""
    check = _check(expectation)
    if failing is not None and status == "failed":
        return f"{check} fails for {failing:,} of {evaluated:,} rows"
    if failing:
        return f"{check} holds: {failing:,} of {evaluated:,} rows fail, which is within mostly"
    if failing is not None:
        return f"{check} holds for all {evaluated:,} rows"
    found = kept.get("value", kept.get("values"))
    shown = f": it is {found:.6g}" if isinstance(found, float) else "" if found is None else f": it is {found}"
    return f"{check} {'holds' if status == 'passed' else 'fails'}{shown}"


def unjudged(expectation: Expectation) -> str:
    """For what there was nothing to judge."""
    return f"{_check(expectation)} has no rows to judge"


def broken(expectation: Expectation, trouble: Trouble) -> str:
    """For a check that raised."""
    return f"{_check(expectation)} could not be judged: {trouble}"


def _check(expectation: Expectation) -> str:
    asked = requirement(expectation)
    about = f"{subject(expectation)}: " if subject(expectation) else ""
    return f"{about}{expectation.type}" + (f" ({asked})" if asked else "")


def _argument(name: str, value: Any) -> str:
    if name == "row_condition":
        return f"where {_condition(value)}"
    if isinstance(value, list | tuple | set) and len(str(value)) > _LONG:
        return f"{name} of {len(value)}"
    if value is True:
        return name
    text = " ".join(str(value).split())
    return f"{name} {text if len(text) <= _LONG else text[:_LONG] + '...'}"


def _condition(condition: Any) -> str:
    if not isinstance(condition, Mapping):
        return str(condition)
    if "conditions" in condition:
        return f" {condition.get('type')} ".join(_condition(part) for part in condition["conditions"])
    if "pass_through_filter" in condition:
        return str(condition["pass_through_filter"])
    column = (condition.get("column") or {}).get("name")
    if condition.get("type") == "nullity":
        return f"{column} is {'' if condition.get('is_null') else 'not '}null"
    return f"{column} {condition.get('operator')} {condition.get('parameter')}"
