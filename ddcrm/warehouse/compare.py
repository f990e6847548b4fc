"""Compare the staged days of a restatement with the published ones, in PostgreSQL, before anybody sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from ddcrm.errors import RestatementError
from ddcrm.progress import point
from ddcrm.settings import RestateSettings
from ddcrm.warehouse import compare_sql
from ddcrm.warehouse.records import plain
from ddcrm.warehouse.restatements import Restatement, digest_of, find, move, wrong_state

if TYPE_CHECKING:
    from ddcrm.warehouse.connect import Warehouse

MEASURES = ("clv_365d", "monetary_value")
MOVERS = 20


@dataclass(frozen=True)
class Comparison:
    """The restated days beside the published ones.

    document: JSON-ready; money as decimal text. `days`: rows of each table and change of each measure; `migration`:
    for each scheme from which segment to which, summed over the days; `movers`: the customers whose value changes most
    on any day; `batches`: rows by reason; `checks`: those that did not simply succeed; `beyond_limits`: why somebody
    has to approve again.
    """

    restatement_id: str
    document: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Short digest of all of it; what an approval of it is of (`Restatement.waits_for`)."""
        return digest_of(self.document)[:12]

    @property
    def beyond_limits(self) -> tuple[str, ...]:
        """Where the settings' limits are passed, in words; empty where they are not."""
        return tuple(self.document["beyond_limits"])

    def as_dict(self) -> dict[str, Any]:
        """All of it: it names customers by their keys, so keep it out of logs and run output (see `summary`)."""
        return {"restatement": self.restatement_id, **self.document}

    def summary(self) -> dict[str, Any]:
        """What may be logged: no customers."""
        kept = {name: value for name, value in self.as_dict().items() if name != "movers"}
        return {**kept, "movers": len(self.document["movers"])}

    def html(self) -> str:
        """The page: self-contained, without scripts."""
        from ddcrm.warehouse.compare_page import page

        return page(self.as_dict())


def compare(
    warehouse: Warehouse, restatement_id: str, limits: RestateSettings | None = None, *, who: str | None = None
) -> Comparison:
    """Compare each staged day with the published one, keep the outcome in the ledger, and bring the state to compared.

    Raises RestatementError where days of the plan are not staged, or it is not open.
    """
    with warehouse.session(RestatementError, restatement=restatement_id) as session:
        known = find(session, restatement_id)
        if known.state not in ("approved", "staging", "compared"):
            raise wrong_state(known, "compared")
        staged = compare_sql.staged(session, known.id)
        if missing := sorted(set(known.days) - set(staged)):
            raise RestatementError("not all days are staged", restatement=known.id, days=len(missing),
                                   first=missing[0], hint="Run the restatement again: it goes on.")  # fmt: skip
        with session.transaction():
            session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            document = _document(session, known, staged, limits or RestateSettings())
        _keep(session, known, staged, document, who or known.who)
    return Comparison(known.id, document)


def comparison(warehouse: Warehouse, restatement_id: str) -> Comparison:
    """The comparison that was made last of the days as they are staged; raises RestatementError where there is none."""
    with warehouse.session(RestatementError, restatement=restatement_id) as session:
        known = find(session, restatement_id)
    if known.comparison is None:
        raise RestatementError("it was not compared yet", restatement=known.id, state=known.state, hint=known.way_on)
    return Comparison(known.id, known.comparison)


def _document(
    session: Any, known: Restatement, staged: Mapping[date, Mapping[str, str]], limits: RestateSettings
) -> dict[str, Any]:
    days = []
    for day, tables in staged.items():
        days.append(_day(session, known.id, day, tables))
        point("restate.compared_day", as_of=str(day))
    document = {
        "who": known.who,
        "why": known.why,
        "versions": {"from": known.from_versions, "to": known.to_versions},
        "days": days,
        "migration": _summed([day.pop("migration") for day in days]),
        "movers": _movers([mover for day in days for mover in day.pop("movers")]),
        "batches": compare_sql.batches(session, known.id),
        "checks": compare_sql.checks(session, known.id),
        "limits": limits.model_dump(),
    }
    return dict(plain({**document, "beyond_limits": _beyond(days, limits)}))


def _day(session: Any, restatement_id: str, day: date, tables: Mapping[str, str]) -> dict[str, Any]:
    scores = tables["customer_scores"]
    migration = compare_sql.migration(session, day, tables["customer_segments"])
    return {
        "as_of": day,
        "tables": compare_sql.rows(session, restatement_id, day),
        "customers": compare_sql.customers(session, day, scores),
        "measures": {name: compare_sql.measure(session, day, scores, name) for name in MEASURES},
        "moves": _moves(migration),
        "migration": migration,
        "movers": compare_sql.movers(session, day, scores, MEASURES[0], MOVERS),
    }


def _moves(matrix: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each scheme: customers that have a segment on both sides, and how many of them change it."""
    found: dict[str, dict[str, Any]] = {}
    for cell in matrix:
        if compare_sql.NONE not in (cell["from"], cell["to"]):
            move = found.setdefault(cell["scheme"], {"scheme": cell["scheme"], "customers": 0, "moved": 0})
            move["customers"] += cell["customers"]
            move["moved"] += cell["customers"] if cell["from"] != cell["to"] else 0
    return [found[scheme] for scheme in sorted(found)]


def _summed(matrices: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The migration matrices of all days as one."""
    total: dict[tuple[str, str, str], int] = {}
    for cell in (cell for matrix in matrices for cell in matrix):
        key = (cell["scheme"], cell["from"], cell["to"])
        total[key] = total.get(key, 0) + cell["customers"]
    return [
        {"scheme": scheme, "from": before, "to": after, "customers": customers}
        for (scheme, before, after), customers in sorted(total.items())
    ]


def _movers(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The customers that move most, each on the day on which it does."""
    ordered = sorted(found, key=lambda mover: (-abs(mover["change"]), mover["customer_id"], mover["as_of"]))
    first: dict[str, dict[str, Any]] = {}
    for mover in ordered:
        first.setdefault(mover["customer_id"], dict(mover))
    return list(first.values())[:MOVERS]


def _beyond(days: Sequence[Mapping[str, Any]], limits: RestateSettings) -> list[str]:
    """Where the limits are passed: one line a measure or scheme, with its worst day."""
    shares: dict[tuple[str, float], list[tuple[float, date]]] = {}
    for day in days:
        for what, limit, share in _shares(day, limits):
            if share is not None and share > limit:
                shares.setdefault((what, limit), []).append((share, day["as_of"]))
    return [
        f"{what}: {max(found)[0]:.1%} at {max(found)[1]}, more than {limit:.1%} (on {len(found)} of {len(days)} days)"
        for (what, limit), found in shares.items()
    ]


def _shares(day: Mapping[str, Any], limits: RestateSettings) -> list[tuple[str, float, float | None]]:
    """What is held against which limit, and its value; None where there was nothing before."""
    customers = day["customers"]
    came_or_went = customers["came"] + customers["went"]
    shares = [("customers that come or go", limits.max_customers_change, _share(came_or_went, customers["before"]))]
    for name, measure in day["measures"].items():
        change = _share(abs(measure["sum_change"]), measure["sum_before"])
        shares.append((f"the sum of {name} changes by", limits.max_value_change, change))
    for scheme in day["moves"]:
        what = f"customers that change segment in {scheme['scheme']}"
        shares.append((what, limits.max_segment_moves, _share(scheme["moved"], scheme["customers"])))
    return shares


def _share(part: Any, whole: Any) -> float | None:
    return float(part / abs(whole)) if whole else None


def _keep(
    session: Any, known: Restatement, staged: Mapping[date, Mapping[str, str]], document: Mapping[str, Any], who: str
) -> None:
    """Keep the outcome, unless days were staged anew meanwhile; the same as before leaves its approval standing."""
    from psycopg.types.json import Jsonb

    with session.transaction():
        now = find(session, known.id, lock=True)
        if not now.is_open or compare_sql.staged(session, known.id) != staged:
            raise wrong_state(now, "compared: its days were staged again meanwhile")
        if now.state == "compared" and digest_of(now.comparison or {}) == digest_of(document):
            return
        move(session, now, "compared", who, beyond_limits=document["beyond_limits"])
        query = "UPDATE ops.restatements SET comparison = %s WHERE id = %s"
        session.execute(query, [Jsonb(dict(document)), known.id])
    point("restate.compared", restatement=known.id, beyond_limits=len(document["beyond_limits"]))
