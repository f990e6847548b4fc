"""What a restatement replaces in the ledger when it is swapped in (publications, checks, batches), and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

_TABLES = "ops.restatement_tables r WHERE r.restatement_id = %s"
_SAME_TABLE = "{0}.table_name = r.table_name AND {0}.as_of = r.as_of"
_BATCHES = "ops.restatement_batches r WHERE r.restatement_id = %s"
_SAME_BATCH = "{0}.source = r.source AND {0}.batch_date = r.batch_date"
_PUBLICATION = "as_of, table_name, rows, digest, run_id, models, fingerprint, made_by, restatement_id"
_CHECKED = "jsonb_array_length(r.checks) > 0"
_CHECK = "run_id, table_name, as_of, suite, expectation, column_name, severity, status, evaluated, failing, observed"

_CHECK_VALUES = ", ".join(f"v.{name}" for name in _CHECK.split(", "))

_REMEMBER = (
    f"UPDATE ops.restatement_tables r SET before = to_jsonb(p) FROM ops.publications p "
    f"WHERE r.restatement_id = %s AND {_SAME_TABLE.format('p')}",
    f"UPDATE ops.restatement_tables r SET before_checks = (SELECT coalesce(jsonb_agg(to_jsonb(v) ORDER BY v.id), '[]') "
    f"FROM ops.validations v WHERE {_SAME_TABLE.format('v')}) WHERE r.restatement_id = %s AND {_CHECKED}",
    f"UPDATE ops.restatement_batches r SET before = to_jsonb(b) || jsonb_build_object('reasons', "
    f"(SELECT coalesce(jsonb_agg(to_jsonb(q)), '[]') FROM ops.batch_reasons q WHERE {_SAME_BATCH.format('q')})) "
    f"FROM ops.batches b WHERE r.restatement_id = %s AND {_SAME_BATCH.format('b')}",
)
_CLEAR = (
    f"DELETE FROM ops.publications p USING {_TABLES} AND {_SAME_TABLE.format('p')}",
    f"DELETE FROM ops.validations v USING {_TABLES} AND {_SAME_TABLE.format('v')} AND {_CHECKED}",
    f"DELETE FROM ops.batch_reasons q USING {_BATCHES} AND {_SAME_BATCH.format('q')}",
    f"DELETE FROM ops.batches b USING {_BATCHES} AND {_SAME_BATCH.format('b')}",
)
_TAKE_OVER = (
    f"INSERT INTO ops.publications ({_PUBLICATION}) SELECT {_PUBLICATION} FROM {_TABLES}",
    f"INSERT INTO ops.validations ({_CHECK}, message) SELECT {_CHECK_VALUES}, v.message "
    f"FROM (SELECT r.checks FROM {_TABLES}) AS r, jsonb_populate_recordset(NULL::ops.validations, r.checks) AS v",
    f"INSERT INTO ops.batches SELECT b.* FROM (SELECT r.after FROM {_BATCHES}) AS r, "
    f"jsonb_populate_record(NULL::ops.batches, r.after || jsonb_build_object('recorded_at', now())) AS b",
    f"INSERT INTO ops.batch_reasons SELECT q.* FROM (SELECT r.after FROM {_BATCHES}) AS r, "
    f"jsonb_populate_recordset(NULL::ops.batch_reasons, r.after -> 'reasons') AS q",
)
_GIVE_BACK = (
    f"INSERT INTO ops.publications SELECT p.* FROM (SELECT r.before FROM {_TABLES} AND r.before IS NOT NULL) AS r, "
    f"jsonb_populate_record(NULL::ops.publications, r.before) AS p",
    f"INSERT INTO ops.validations ({_CHECK}, message, recorded_at) "
    f"SELECT {_CHECK_VALUES}, v.message, v.recorded_at FROM (SELECT r.before_checks "
    f"FROM {_TABLES}) AS r, jsonb_populate_recordset(NULL::ops.validations, r.before_checks) AS v",
    f"INSERT INTO ops.batches SELECT b.* FROM (SELECT r.before FROM {_BATCHES} AND r.before IS NOT NULL) AS r, "
    f"jsonb_populate_record(NULL::ops.batches, r.before) AS b",
    f"INSERT INTO ops.batch_reasons SELECT q.* FROM (SELECT r.before FROM {_BATCHES} AND r.before IS NOT NULL) AS r, "
    f"jsonb_populate_recordset(NULL::ops.batch_reasons, r.before -> 'reasons') AS q",
    "UPDATE ops.restatement_tables r SET archived = NULL WHERE r.restatement_id = %s",
)


def take_over(session: Any, restatement_id: str, archived: Sequence[str]) -> None:
    """Remember what stands in the ledger, and replace it by the restatement's; `archived` names the kept tables."""
    _run(session, (*_REMEMBER, *_CLEAR, *_TAKE_OVER), restatement_id)
    query = "UPDATE ops.restatement_tables SET archived = staged WHERE restatement_id = %s AND staged = ANY(%s)"
    session.execute(query, [restatement_id, list(archived)])


def give_back(session: Any, restatement_id: str) -> None:
    """Put back what `take_over` replaced."""
    _run(session, (*_CLEAR, *_GIVE_BACK), restatement_id)


def published_digests(session: Any, days: Iterable[date]) -> dict[date, dict[str, str]]:
    """The digests in ops.publications of these days, as far as there are any."""
    query = (
        "SELECT as_of, jsonb_object_agg(table_name, digest) FROM ops.publications WHERE as_of = ANY(%s) GROUP BY as_of"
    )
    return dict(session.execute(query, [list(days)]).fetchall())


def published_since(session: Any, restatement_id: str) -> list[date]:
    """The days of a swapped restatement that are not published as it left them."""
    query = (
        f"SELECT DISTINCT r.as_of FROM ops.restatement_tables r LEFT JOIN ops.publications p "
        f"ON {_SAME_TABLE.format('p')} AND p.digest = r.digest AND p.restatement_id = r.restatement_id "
        f"WHERE r.restatement_id = %s AND p.digest IS NULL ORDER BY 1"
    )
    return [day for (day,) in session.execute(query, [restatement_id]).fetchall()]


def staged_at(session: Any, restatement_id: str) -> datetime:
    """The server's time after the last load of a restatement; now where nothing is staged."""
    query = "SELECT coalesce(max(staged_at), now()) FROM ops.restatement_tables WHERE restatement_id = %s"
    found: datetime = session.execute(query, [restatement_id]).fetchone()[0]
    return found


def replaced_at(session: Any, restatement_id: str) -> datetime:
    """When the last of the days that a restatement replaced had become visible."""
    query = (
        "SELECT coalesce(max((before ->> 'published_at')::timestamptz), 'epoch') "
        "FROM ops.restatement_tables WHERE restatement_id = %s"
    )
    found: datetime = session.execute(query, [restatement_id]).fetchone()[0]
    return found


def expirable(session: Any, keep_days: int) -> list[str]:
    """The restatements that were swapped more than `keep_days` days ago, by the server's clock, and not expired yet."""
    query = (
        "SELECT r.id FROM ops.restatements r JOIN ops.restatement_events e ON e.restatement_id = r.id "
        "WHERE r.state = 'swapped' AND e.event IN ('swapped', 'expired') GROUP BY r.id "
        "HAVING max(e.recorded_at) < now() - make_interval(days => %s) AND bool_and(e.event = 'swapped') ORDER BY 1"
    )
    return [found for (found,) in session.execute(query, [keep_days]).fetchall()]


def forget_archived(session: Any, restatement_id: str) -> list[str]:
    """Note that the tables it replaced are kept no longer; returns their names in crm_archive."""
    query = "SELECT archived FROM ops.restatement_tables WHERE restatement_id = %s AND archived IS NOT NULL ORDER BY 1"
    names = [name for (name,) in session.execute(query, [restatement_id]).fetchall()]
    session.execute("UPDATE ops.restatement_tables SET archived = NULL WHERE restatement_id = %s", [restatement_id])
    return names


def _run(session: Any, statements: Iterable[str], restatement_id: str) -> None:
    for statement in statements:
        session.execute(statement, [restatement_id])
