"""The questions that a comparison asks: a staged table beside the published day, each one statement."""

from __future__ import annotations

from datetime import date
from typing import Any

NONE = "(none)"  # where a customer has no segment on one of the sides
QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


def staged(session: Any, restatement_id: str) -> dict[date, dict[str, str]]:
    """The staged days in their order, each with the names of its tables in crm_staging."""
    query = (
        "SELECT as_of, jsonb_object_agg(table_name, staged) FROM ops.restatement_tables "
        "WHERE restatement_id = %s GROUP BY as_of ORDER BY as_of"
    )
    return dict(session.execute(query, [restatement_id]).fetchall())


def rows(session: Any, restatement_id: str, day: date) -> dict[str, dict[str, Any]]:
    """For each table of the day: rows before and after, whether it is the same to the last byte."""
    query = """
        SELECT r.table_name, coalesce(p.rows, 0) AS before, r.rows AS after,
               p.digest IS NOT DISTINCT FROM r.digest AS same
        FROM ops.restatement_tables r LEFT JOIN ops.publications p ON p.as_of = r.as_of AND p.table_name = r.table_name
        WHERE r.restatement_id = %s AND r.as_of = %s ORDER BY r.table_name"""
    return {row.pop("table_name"): row for row in _all(session, query, [restatement_id, day])}


def customers(session: Any, day: date, name: str) -> dict[str, Any]:
    """How many customers the day had and has, how many come and go."""
    query = f"""
        SELECT count(b.customer_id) AS before, count(a.customer_id) AS after,
               count(*) FILTER (WHERE b.customer_id IS NULL) AS came,
               count(*) FILTER (WHERE a.customer_id IS NULL) AS went
        FROM {_pair("customer_scores", name, day)}"""
    return _one(session, query)


def measure(session: Any, day: date, name: str, column: str) -> dict[str, Any]:
    """How a value of the day's customers changes; quantiles and mean of the change where it stands on both sides."""
    query = f"""
        SELECT coalesce(sum(b."{column}"), 0) AS sum_before, coalesce(sum(a."{column}"), 0) AS sum_after,
               coalesce(sum(a."{column}"), 0) - coalesce(sum(b."{column}"), 0) AS sum_change,
               count(*) FILTER (WHERE b."{column}" IS NULL AND a."{column}" IS NOT NULL) AS given,
               count(*) FILTER (WHERE a."{column}" IS NULL AND b."{column}" IS NOT NULL) AS withheld,
               count(a."{column}" - b."{column}") AS customers,
               count(*) FILTER (WHERE a."{column}" = b."{column}") AS unchanged,
               round(avg(a."{column}" - b."{column}"), 4) AS mean_change,
               percentile_disc(%s::float8[]) WITHIN GROUP (ORDER BY a."{column}" - b."{column}") AS quantiles
        FROM {_pair("customer_scores", name, day)}"""
    found = _one(session, query, [list(QUANTILES)])
    values = found.pop("quantiles") or [None] * len(QUANTILES)
    return {**found, "quantiles": {f"{q:g}": value for q, value in zip(QUANTILES, values, strict=True)}}


def migration(session: Any, day: date, name: str) -> list[dict[str, Any]]:
    """From which segment to which the customers of the day go; (none) for those who are on one side only."""
    query = f"""
        SELECT scheme, coalesce(b.segment, '{NONE}') AS "from", coalesce(a.segment, '{NONE}') AS "to",
               count(*) AS customers
        FROM crm_staging."{name}" a FULL JOIN (SELECT scheme, customer_id, segment FROM crm.customer_segments
             WHERE as_of = DATE '{day.isoformat()}') b USING (scheme, customer_id)
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
    return _all(session, query)


def movers(session: Any, day: date, name: str, column: str, number: int) -> list[dict[str, Any]]:
    """The customers whose value changes most on the day; no value counts as zero."""
    query = f"""
        SELECT DATE '{day.isoformat()}' AS as_of, coalesce(a.customer_id, b.customer_id) AS customer_id,
               b."{column}" AS before, a."{column}" AS after,
               coalesce(a."{column}", 0) - coalesce(b."{column}", 0) AS change
        FROM {_pair("customer_scores", name, day)}
        WHERE coalesce(a."{column}", 0) <> coalesce(b."{column}", 0)
        ORDER BY abs(coalesce(a."{column}", 0) - coalesce(b."{column}", 0)) DESC,
                 coalesce(a.customer_id, b.customer_id) COLLATE "C" LIMIT {number}"""
    return _all(session, query)


def batches(session: Any, restatement_id: str) -> list[dict[str, Any]]:
    """Rows by outcome of all restated batches of a source, before and after; reasons where rows have them."""
    query = """
        WITH counted AS (
          SELECT r.source, side, outcome, reason, rows
          FROM (SELECT * FROM ops.restatement_batches WHERE restatement_id = %s) r
          LEFT JOIN ops.batches b ON b.source = r.source AND b.batch_date = r.batch_date
          CROSS JOIN LATERAL (VALUES ('before', to_jsonb(b)), ('after', r.after)) AS sides (side, batch)
          CROSS JOIN LATERAL (
            SELECT key AS outcome, NULL AS reason, value::bigint AS rows FROM jsonb_each_text(batch)
            WHERE key IN ('landed', 'conformed', 'quarantined', 'excluded', 'duplicates')
            UNION ALL
            SELECT outcome, reason, q.rows FROM jsonb_to_recordset(r.after -> 'reasons')
              AS q (outcome text, reason text, rows bigint) WHERE side = 'after'
            UNION ALL
            SELECT q.outcome, q.reason, q.rows FROM ops.batch_reasons q
            WHERE side = 'before' AND q.source = r.source AND q.batch_date = r.batch_date) AS counts)
        SELECT source, outcome, reason, coalesce(sum(rows) FILTER (WHERE side = 'before'), 0)::bigint AS before,
               coalesce(sum(rows) FILTER (WHERE side = 'after'), 0)::bigint AS after
        FROM counted GROUP BY 1, 2, 3
        ORDER BY source COLLATE "C", reason IS NOT NULL, outcome COLLATE "C", reason COLLATE "C" """
    return _all(session, query, [restatement_id])


def checks(session: Any, restatement_id: str) -> list[dict[str, Any]]:
    """How the checks of the restated tables came out: for each the days, and the messages of those that failed."""
    query = """
        SELECT r.table_name, c.expectation, c.column_name, c.severity, c.status, count(*) AS days,
               min(c.message) AS message
        FROM ops.restatement_tables r CROSS JOIN LATERAL jsonb_to_recordset(r.checks)
          AS c (expectation text, column_name text, severity text, status text, message text)
        WHERE r.restatement_id = %s GROUP BY 1, 2, 3, 4, 5
        ORDER BY r.table_name COLLATE "C", c.expectation COLLATE "C", c.column_name COLLATE "C", c.severity, c.status"""
    return _all(session, query, [restatement_id])


def _pair(table: str, name: str, day: date) -> str:
    """The staged table as a beside the published day as b, by customer."""
    live = f"(SELECT * FROM crm.\"{table}\" WHERE as_of = DATE '{day.isoformat()}')"
    return f'crm_staging."{name}" a FULL JOIN {live} b USING (customer_id)'


def _all(session: Any, query: str, values: Any = None) -> list[dict[str, Any]]:
    from psycopg.rows import dict_row

    with session.cursor(row_factory=dict_row) as cursor:
        found: list[dict[str, Any]] = cursor.execute(query, values).fetchall()
    return found


def _one(session: Any, query: str, values: Any = None) -> dict[str, Any]:
    return _all(session, query, values)[0]
