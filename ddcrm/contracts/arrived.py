"""A batch that arrived against the contract that reads it: the differences, as changes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ddcrm.contracts.change import Change
from ddcrm.contracts.model import Column, Contract
from ddcrm.contracts.units import Profile, unit_change
from ddcrm.settings import ChangeSettings

_EMPTY_BEFORE = 0.05  # a column with at most this share of missing values was never empty
_VALUES = 5  # new values that are named


@dataclass(frozen=True)
class Reading:
    """In which other spelling the values that could not be read can be: a date's format, or a way of writing numbers.

    `transform` is SQL that reads it, where a format can't; `share` of these values it reads. `unclear`: there are
    several, named in `spelling`, that mean something else by them or by those of other days.
    """

    kind: str  # date or number
    spelling: str
    share: float
    format: str | None = None
    transform: str | None = None
    unclear: bool = False


@dataclass(frozen=True)
class Problem:
    """Rows whose value of a column can't be accepted: how many, where the first one stood, its text ("": not shown)."""

    rows: int
    file: str = ""
    line: int | None = None
    example: str = ""


@dataclass(frozen=True)
class Arrival:
    """What a batch looks like. Problems go by (column, what is wrong); rows that are excluded count nowhere."""

    rows: int
    columns: tuple[str, ...] = ()
    columns_before: tuple[str, ...] = ()  # of the batch before it
    problems: Mapping[tuple[str, str], Problem] = field(default_factory=dict)
    readings: Mapping[str, Reading] = field(default_factory=dict)
    new_values: Mapping[str, Sequence[str]] = field(default_factory=dict)  # the most frequent first
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    history: Mapping[str, Sequence[Profile]] = field(default_factory=dict)  # of earlier batches


def batch_changes(contract: Contract, arrival: Arrival, limits: ChangeSettings) -> list[Change]:
    """All differences but columns that are missing or renamed, without which nothing can be read."""
    return [
        *_names(contract, arrival),
        *_problems(contract, arrival, limits),
        *_emptied(contract, arrival, limits),
        *_units(contract, arrival, limits),
    ]


def _names(contract: Contract, arrival: Arrival) -> list[Change]:
    """Columns that appeared, that are written in another case, that stand in another order."""
    spelled = {name.lower(): name for name in contract.source_columns}
    added = [name for name in arrival.columns if name.lower() not in spelled]
    found = [Change("column_added", name) for name in shown_names(added)]
    cased = [(name, spelled[name.lower()]) for name in arrival.columns if name.lower() in spelled]
    found += [Change("column_case", old, {"now": name}) for name, old in cased if name != old]
    now, before = (_common(one, other) for one, other in ((arrival.columns, arrival.columns_before),
                                                          (arrival.columns_before, arrival.columns)))  # fmt: skip
    ordered = contract.server.format not in ("json", "jsonl") and contract.server.kind != "http"
    return found + ([Change("columns_reordered")] if ordered and now != before else [])


def _common(names: Sequence[str], others: Sequence[str]) -> list[str]:
    known = {name.lower() for name in others}
    return [name.lower() for name in names if name.lower() in known]


def _problems(contract: Contract, arrival: Arrival, limits: ChangeSettings) -> list[Change]:
    found = []
    for (name, what), problem in sorted(arrival.problems.items()):
        share = problem.rows / max(1, arrival.rows)
        if share >= limits.attention_share and problem.rows >= _few(limits):
            facts = {"rows": problem.rows, "share": round(share, 4), "tolerated": contract.max_quarantined_share}
            column = contract.column(name)
            found.append(_problem(column, what, facts | _where(column, problem), arrival))
    return found


def _where(column: Column, problem: Problem) -> dict[str, Any]:
    example = {} if column.personal or not problem.example else {"example": problem.example}
    return {"file": problem.file, "line": problem.line, **example}


def _few(limits: ChangeSettings) -> int:
    """So many rows of a small batch may be stray ones, whatever their share."""
    return min(3, limits.min_values)


def _problem(column: Column, what: str, facts: dict[str, Any], arrival: Arrival) -> Change:
    if what == "missing":
        return Change("value_missing", column.name, facts)
    if what == "not in the enumeration":
        shown = [] if column.personal else list(arrival.new_values.get(column.name, ()))
        return Change("enum_grown", column.name, {**facts, **({"values": shown[:_VALUES]} if shown else {})})
    if not what.startswith("not a "):
        return Change("limit_broken", column.name, {**facts, "limit": what})
    reading = arrival.readings.get(column.name)
    if reading is None:
        return Change("type_changed", column.name, {**facts, "type": column.type})
    spelled = {"format": reading.format, "transform": reading.transform, "unclear": reading.unclear}
    return Change(f"{reading.kind}_format_changed", column.name, {
        **facts, "type": column.type, "now": reading.spelling, **{name: text for name, text in spelled.items() if text},
    })  # fmt: skip


def _emptied(contract: Contract, arrival: Arrival, limits: ChangeSettings) -> list[Change]:
    found = []
    for name, now in arrival.profiles.items():
        before = arrival.history.get(name, ())
        rows, filled = sum(each.rows for each in before), sum(each.filled for each in before)
        sized = sum(each.values for each in before) if now.filled and any(each.quartiles for each in before) else 0
        enough = now.rows >= limits.min_values and rows >= limits.min_values and len(before) >= limits.min_batches
        if enough and not now.filled and filled >= (1 - _EMPTY_BEFORE) * rows:
            found.append(Change("column_emptied", name, {"rows": now.rows}))
        if enough and sized >= (1 - _EMPTY_BEFORE) * rows and not now.values:
            found.append(Change("column_emptied", name, {"rows": now.rows, "zero": True}))
    return found


def _units(contract: Contract, arrival: Arrival, limits: ChangeSettings) -> list[Change]:
    found = []
    for name, now in arrival.profiles.items():
        change = unit_change(name, now, arrival.history.get(name, ()), limits)
        if change is not None:
            found.append(_hidden(change) if contract.column(name).personal else change)
    return found


def _hidden(change: Change) -> Change:
    """Of a personal column not even medians are told."""
    return Change(change.kind, change.column,
                  {name: fact for name, fact in change.facts.items() if not name.startswith("median")})  # fmt: skip


def duplicates_change(
    rows: int, duplicates: int, before: Sequence[tuple[int, int]], limits: ChangeSettings
) -> Change | None:
    """key_duplicated where many more rows than usual have the key of another row; `before`: (rows, duplicates) a batch.

    Without enough earlier batches nothing is judged: some sources deliver every step of a row.
    """
    share = duplicates / max(1, rows)
    usual = sum(many for _, many in before) / max(1, sum(of for of, _ in before))
    judged = len(before) >= limits.min_batches and rows >= limits.min_values
    if not judged or share < usual + max(limits.attention_share * 2, usual):
        return None
    return Change("key_duplicated", None, {"rows": duplicates, "share": round(share, 4), "usual": round(usual, 4)})


def shown_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names that look like names: where a header is missing, customers' values stand in its place."""
    return tuple(
        name for name in names if re.fullmatch(r"[^\W\d][\w .-]{0,62}", name) and not re.search(r"\d{3}", name)
    )
