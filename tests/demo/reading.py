"""The demo's deliveries as tables of text, read with DuckDB alone: what tests count with."""

from __future__ import annotations

from pathlib import Path

import duckdb

_DAY = r"regexp_extract(filename, '(\d{4}-\d{2}-\d{2})', 1) AS _batch_date"
_PLACE = "filename AS _source, row_number() OVER (PARTITION BY filename) AS _line"


def connect(sources: Path) -> duckdb.DuckDBPyConnection:
    """A table a source: text columns under the source's names, then _batch_date, _source, _line."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    for source, query in _queries(sources).items():
        connection.execute(f"CREATE TABLE {source} AS {query}")
    return connection


def _queries(sources: Path) -> dict[str, str]:
    events = _columns("id", "ts", "user", "type", "sku", "channel", "context")
    tickets = _columns(
        "id", "customer", "opened_at", "closed_at", "kind", "channel", "satisfaction", "updated_at", "day"
    )
    parquet = f"read_parquet('{sources}/products/*/products.parquet', filename = true)"
    products = f"SELECT COLUMNS(* EXCLUDE filename)::VARCHAR, filename FROM {parquet}"
    return {
        "orders": _csv(sources / "orders/*/orders.csv.gz", "delim = ','"),
        "feedback": _csv(sources / "feedback/*/feedback.csv", "delim = '\t', encoding = 'latin-1'"),
        "contacts": _csv(sources / "contacts/*/contacts.csv", "delim = ';'"),
        "market": "SELECT * EXCLUDE reported_on, reported_on AS _batch_date, 'market' AS _source, "
        "row_number() OVER () + 1 AS _line FROM "
        f"read_csv('{sources}/market/market.csv', all_varchar = true, header = true)",
        "events": _placed(f"SELECT * FROM read_json('{sources}/events/*/events.jsonl', filename = true, {events})"),
        "products": _placed(products),
        "customers": "SELECT *, left(updated_at, 10) AS _batch_date, 'shop' AS _source, row_number() OVER () AS _line "
        f"FROM read_csv('{sources}/shop/customers.csv', all_varchar = true)",
        "tickets": "SELECT * EXCLUDE day, day AS _batch_date, 'desk' AS _source, row_number() OVER () AS _line "
        f"FROM read_json('{sources}/tickets/tickets.jsonl', {tickets})",
    }


def _csv(files: Path, options: str) -> str:
    """`header` and the quoting are given: DuckDB's guesses go wrong on small files."""
    options += ", header = true, quote = '\"', escape = '\"', strict_mode = true"
    return _placed(f"SELECT * FROM read_csv('{files}', all_varchar = true, filename = true, {options})")


def _placed(query: str) -> str:
    return f"SELECT * EXCLUDE filename, {_DAY}, {_PLACE} FROM ({query})"


def _columns(*names: str) -> str:
    return "columns = {" + ", ".join(f"'{name}': 'VARCHAR'" for name in names) + "}"
