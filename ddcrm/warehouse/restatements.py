"""The ledger of restatements: what each one is, how far it is, who did what to it, when and why."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from ddcrm.errors import RestatementError
from ddcrm.warehouse.records import Record, plain

NEXT = {
    "planned": "Approve it: `ddcrm restate approve {0}`.",
    "approved": "Do the work: `ddcrm restate run {0}`.",
    "staging": "Go on with the work: `ddcrm restate run {0}`.",
    "compared": "Swap it in: `ddcrm restate swap {0}`; or give it up: `ddcrm restate drop {0}`.",
    "swapped": "Readers see it. Back: `ddcrm restate undo {0}`; `ddcrm plan` says what is to be restated now.",
    "undone": "Plan again: `ddcrm restate`.",
    "dropped": "Plan again: `ddcrm restate`.",
}  # the way on from each state
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
    def is_expired(self) -> bool:
        """Whether what it replaced is not kept any more."""
        return any(event.event == "expired" for event in self.events)

    @property
    def way_on(self) -> str:
        """The commands that lead on from its state."""
        if self.is_open and self.state == "compared" and self.needs_approval:
            return (f"Look at it: `ddcrm restate show {self.id} --page FILE`; then `ddcrm restate approve {self.id}` "
                    f"and `ddcrm restate swap {self.id}`, or `ddcrm restate drop {self.id}`.")  # fmt: skip
        return NEXT[self.state].format(self.id)

    @property
    def waits_for(self) -> str | None:
        """What somebody has to approve: the plan's id, or the digest of a comparison beyond the limits; or nothing."""
        if not self.is_open or not self.needs_approval:
            return None
        return self.plan_id if self.state == "planned" else digest_of(self.comparison or {})[:12]

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


def state_of(session: Any, restatement_id: str) -> str | None:
    """Its state, None where there is none of this id; waits for a transaction that a killed process has left."""
    row = session.execute("SELECT state FROM ops.restatements WHERE id = %s FOR SHARE", [restatement_id]).fetchone()
    return str(row[0]) if row else None


def extend(session: Any, known: Restatement, plan: Mapping[str, Any], who: str) -> None:
    """Let it have a plan that has grown; what was compared counts no longer, what was approved does."""
    from psycopg.types.json import Jsonb

    if known.state == "compared":
        move(session, known, "staging", who)
    query = "UPDATE ops.restatements SET plan_id = %s, plan = %s WHERE id = %s"
    session.execute(query, [plan["id"], Jsonb(plain(plan)), known.id])
    note(session, known.id, "extended", who, plan=plan["id"], days=len(plan["days"]))


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
    return RestatementError(
        f"it can't be {wanted}", restatement=restatement.id, state=restatement.state, hint=restatement.way_on
    )


def digest_of(document: Mapping[str, Any]) -> str:
    """sha256 of what is JSON-ready, the same before and after PostgreSQL kept it (which writes 1e22 as an integer)."""
    values = json.loads(json.dumps(plain(document)), parse_int=float)
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _events(session: Any, restatement_id: str) -> tuple[Event, ...]:
    query = (
        "SELECT event, who, why, recorded_at, coalesce(facts, '{}') FROM ops.restatement_events "
        "WHERE restatement_id = %s ORDER BY id"
    )
    return tuple(Event(*row) for row in session.execute(query, [restatement_id]).fetchall())
