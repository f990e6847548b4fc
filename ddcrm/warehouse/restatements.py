"""The ledger of restatements: what each one is, how far it is, who did what to it, when and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from ddcrm.errors import RestatementError
from ddcrm.warehouse.records import Record, plain

OPEN = ("planned", "approved", "staging", "compared")  # states in which a restatement can go on


@dataclass(frozen=True)
class Event(Record):
    """What happened to a restatement: the state it came to, or approved (again), expired."""

    event: str
    who: str
    why: str | None
    at: datetime
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Restatement(Record):
    """One restatement; `events` stand in their order, `comparison` is that of the days as they are staged."""

    id: str
    plan_id: str
    plan: Mapping[str, Any]
    state: str
    who: str
    why: str
    from_versions: Mapping[str, Any] | None
    to_versions: Mapping[str, Any] | None
    comparison: Mapping[str, Any] | None
    events: tuple[Event, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it can go on."""
        return self.state in OPEN

    @property
    def days(self) -> dict[date, Mapping[str, str]]:
        """The days to restate, each with the digests that were published when it was planned."""
        return {date.fromisoformat(day): digests for day, digests in sorted(self.plan["days"].items())}

    @property
    def beyond_limits(self) -> tuple[str, ...]:
        """Why the comparison needs an approval of its own; empty where it needs none."""
        return tuple((self.comparison or {}).get("beyond_limits", ()))

    @property
    def needs_approval(self) -> bool:
        """Whether somebody has to approve before it goes on: the plan, or a comparison beyond the limits."""
        names = [event.event for event in self.events]
        if "approved" not in names:
            return True
        compared = len(names) - names[::-1].index("compared") if "compared" in names else 0
        return bool(self.beyond_limits) and "approved" not in names[compared:]


def find(session: Any, restatement_id: str, *, lock: bool = False) -> Restatement:
    """One restatement, with `lock` for this transaction alone; raises RestatementError where there is none."""
    columns = "id, plan_id, plan, state, who, why, from_versions, to_versions, comparison"
    query = f"SELECT {columns} FROM ops.restatements WHERE id = %s{' FOR UPDATE' if lock else ''}"
    row = session.execute(query, [restatement_id]).fetchone()
    if row is None:
        raise RestatementError("there is no such restatement", restatement=restatement_id,
                               hint="`ddcrm restate list` shows those that there are.")  # fmt: skip
    known: dict[str, Any] = dict(zip(columns.split(", "), row, strict=True))
    return Restatement(**known, events=_events(session, restatement_id))


def listed(session: Any) -> list[str]:
    """The ids of all restatements, the newest first."""
    query = "SELECT id FROM ops.restatements ORDER BY length(id) DESC, id DESC"
    return [found for (found,) in session.execute(query).fetchall()]


def insert(session: Any, plan_id: str, plan: Mapping[str, Any], versions: Mapping[str, Any], who: str, why: str) -> str:
    """A new restatement in state planned, or the open one of the same plan; returns its id."""
    from psycopg.types.json import Jsonb

    with session.transaction():
        session.execute("LOCK TABLE ops.restatements IN SHARE ROW EXCLUSIVE MODE")
        query = "SELECT id FROM ops.restatements WHERE plan_id = %s AND state = ANY(%s)"
        if found := session.execute(query, [plan_id, list(OPEN)]).fetchone():
            return str(found[0])
        (number,) = session.execute("SELECT count(*) + 1 FROM ops.restatements").fetchone()
        values = [f"r{number}", plan_id, Jsonb(plain(plan)), "planned", who, why]
        versioned = [Jsonb(plain(versions[side])) if side in versions else None for side in ("from", "to")]
        session.execute(
            "INSERT INTO ops.restatements (id, plan_id, plan, state, who, why, from_versions, to_versions) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [*values, *versioned],
        )
        note(session, f"r{number}", "planned", who, why)
        return f"r{number}"


def move(session: Any, restatement: Restatement, state: str, who: str, why: str | None = None, **facts: Any) -> None:
    """Bring it to a state and note that; what was compared counts no longer once days are staged again."""
    forget = ", comparison = NULL" if state == "staging" else ""
    session.execute(f"UPDATE ops.restatements SET state = %s{forget} WHERE id = %s", [state, restatement.id])
    note(session, restatement.id, state, who, why, **facts)


def note(session: Any, restatement_id: str, event: str, who: str, why: str | None = None, **facts: Any) -> None:
    """Note an event; the server's clock dates it."""
    from psycopg.types.json import Jsonb

    query = "INSERT INTO ops.restatement_events (restatement_id, event, who, why, facts) VALUES (%s, %s, %s, %s, %s)"
    session.execute(query, [restatement_id, event, who, why, Jsonb(plain(facts)) if facts else None])


def wrong_state(restatement: Restatement, wanted: str) -> RestatementError:
    """The error for what can't be done in this state."""
    return RestatementError(f"it can't be {wanted}", restatement=restatement.id, state=restatement.state)


def _events(session: Any, restatement_id: str) -> tuple[Event, ...]:
    query = (
        "SELECT event, who, why, recorded_at, coalesce(facts, '{}') FROM ops.restatement_events "
        "WHERE restatement_id = %s ORDER BY id"
    )
    return tuple(Event(*row) for row in session.execute(query, [restatement_id]).fetchall())
