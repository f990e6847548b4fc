"""What is delivered, counted with SQL over the files, against truth.json: rows, planted dirt, days, amounts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.demo.reading import connect

pytestmark = pytest.mark.xdist_group("demo")

_TIMES = "try_strptime(OrderTS, '%Y-%m-%d %H:%M:%S')"
_AMOUNT = "TRY_CAST(Amount AS DECIMAL(18, 2))"
_GOOD = (
    f"{_TIMES} IS NOT NULL AND {_AMOUNT} IS NOT NULL AND CAST(UnitPrice AS DECIMAL(18, 2)) >= 0 AND Channel <> 'fax' "
    "AND OrderNo IS NOT NULL AND CustNo IS NOT NULL AND CustNo NOT LIKE 'TEST%'"
)
_PLANTED = {
    ("orders", "broken_dates"): f"SELECT count(*) FROM orders WHERE {_TIMES} IS NULL",
    ("orders", "unknown_channels"): "SELECT count(*) FROM orders WHERE Channel NOT IN ('web', 'app', 'store', 'phone')",
    ("orders", "negative_prices"): "SELECT count(*) FROM orders WHERE UnitPrice LIKE '-%'",
    ("orders", "thousands_separators"): "SELECT count(*) FROM orders WHERE Amount LIKE '%,%'",
    ("orders", "missing_customer_keys"): "SELECT count(*) FROM orders WHERE CustNo IS NULL",
    ("orders", "missing_order_ids"): "SELECT count(*) FROM orders WHERE OrderNo IS NULL",
    ("orders", "test"): "SELECT count(*) FROM orders WHERE CustNo LIKE 'TEST%'",
    ("orders", "return"): "SELECT count(*) FROM orders WHERE Status = 'returned'",
    ("orders", "duplicate"): "SELECT count(*) - (SELECT count(*) FROM (SELECT DISTINCT * EXCLUDE _line FROM orders)) "
    "FROM orders",
    ("orders", "late"): f"SELECT count(*) FROM orders WHERE CAST({_TIMES} AS DATE) < CAST(_batch_date AS DATE) "
    "AND (OrderNo, Line) NOT IN (SELECT (OrderNo, Line) FROM orders WHERE OrderNo IS NOT NULL GROUP BY ALL "
    "HAVING count(DISTINCT _batch_date) > 1)",
    ("orders", "correction"): "SELECT sum(days - 1) FROM (SELECT count(DISTINCT _batch_date) AS days FROM orders "
    "WHERE OrderNo IS NOT NULL GROUP BY OrderNo, Line)",
    ("events", "anonymous_events"): 'SELECT count(*) FROM events WHERE "user" IS NULL',
    ("events", "duplicate"): "SELECT count(*) - count(DISTINCT id) FROM events",
    ("feedback", "bad_ratings"): "SELECT count(*) FROM feedback WHERE stars NOT BETWEEN '1' AND '5'",
    ("feedback", "duplicate"): "SELECT count(*) - count(DISTINCT review_id) FROM feedback",
    ("contacts", "broken_sent_dates"): "SELECT count(*) FROM contacts "
    "WHERE try_strptime(sent, '%d.%m.%Y %H:%M') IS NULL",
    ("customers", "invalid_emails"): "SELECT count(*) FROM customers WHERE NOT contains(email, '@')",
    ("tickets", "bad_satisfactions"): "SELECT count(*) FROM tickets WHERE satisfaction NOT BETWEEN '1' AND '5'",
}  # fmt: skip


@pytest.fixture(scope="module")
def delivered(company: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(company / "sources") as connection:
        yield connection


def one(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    found = connection.execute(query).fetchall()
    assert len(found) == 1
    return found[0][0]


@pytest.mark.parametrize(
    "source", ["orders", "customers", "products", "events", "tickets", "feedback", "contacts", "market"]
)
def test_rows_are_those_of_the_truth(source: str, delivered: duckdb.DuckDBPyConnection, truth: dict[str, Any]) -> None:
    counts = truth["sources"][source]
    assert one(delivered, f"SELECT count(*) FROM {source}") == counts["landed"] > (10 if source == "market" else 1_000)
    reasons = [*counts["quarantined"].values(), *counts["excluded"].values()]
    assert counts["landed"] == counts["conformed"] + sum(reasons) + counts["duplicates"]


@pytest.mark.parametrize(("source", "kind"), list(_PLANTED), ids="-".join)
def test_planted_dirt_is_there(
    source: str, kind: str, delivered: duckdb.DuckDBPyConnection, truth: dict[str, Any]
) -> None:
    assert one(delivered, _PLANTED[source, kind]) == truth["planted"][source][kind] > 0


def test_nothing_else_is_planted(truth: dict[str, Any]) -> None:
    kinds = {(source, kind) for source, planted in truth["planted"].items() for kind in planted}
    assert kinds == set(_PLANTED) | {("orders", "before_correction")}
    assert truth["planted"]["orders"]["before_correction"] == truth["planted"]["orders"]["correction"]


def test_the_asked_counts_were_planted(truth: dict[str, Any]) -> None:
    asked, orders = truth["company"]["dirt_asked"], truth["planted"]["orders"]
    for kind in ("broken_dates", "unknown_channels", "negative_prices", "missing_order_ids", "missing_customer_keys"):
        assert orders[kind] == asked[kind]
    assert (orders["test"], orders["duplicate"]) == (asked["test_orders"], asked["duplicate_lines"])


@pytest.mark.parametrize(
    ("source", "share"), [("orders", 0.05), ("events", 0.05), ("feedback", 0.3), ("contacts", 0.05)]
)
def test_no_day_has_more_bad_rows_than_its_contract_tolerates(
    source: str, share: float, company: Path, delivered: duckdb.DuckDBPyConnection, truth: dict[str, Any]
) -> None:
    kinds = list(truth["sources"][source]["quarantined"])
    planted = f"SELECT batch_date, count(*) AS bad FROM '{company}/truth/planted.parquet' " \
              f"WHERE source = '{source}' AND kind IN ({', '.join(map(repr, kinds))}) GROUP BY 1"  # fmt: skip
    judged = "WHERE coalesce(CustNo, '') NOT LIKE 'TEST-%'" if source == "orders" else ""
    rows = f"SELECT CAST(_batch_date AS DATE) AS batch_date, count(*) AS n FROM {source} {judged} GROUP BY 1"
    worst = one(delivered, f"SELECT max(bad / n) FROM ({planted}) JOIN ({rows}) USING (batch_date)")
    assert 0 < worst <= share


def test_the_last_week_shows_every_kind_of_bad_order(company: Path, truth: dict[str, Any]) -> None:
    found = duckdb.sql(
        f"SELECT DISTINCT kind FROM '{company}/truth/planted.parquet' WHERE source = 'orders' "
        "AND batch_date > DATE '2026-06-30' - 7"
    ).fetchall()
    kinds = {"test", "duplicate", "late", "correction", "return", *truth["sources"]["orders"]["quarantined"]}
    assert {kind for (kind,) in found} >= kinds


def test_every_day_has_its_file_and_orders(company: Path, delivered: duckdb.DuckDBPyConnection) -> None:
    days = {path.name for path in (company / "sources" / "orders").iterdir()}
    assert len(days) == 546
    for source, name in (("orders", "orders.csv.gz"), ("products", "products.parquet"), ("events", "events.jsonl"),
                         ("feedback", "feedback.csv"), ("contacts", "contacts.csv")):  # fmt: skip
        assert {path.parent.name for path in (company / "sources" / source).glob(f"*/{name}")} == days
    assert one(delivered, "SELECT count(DISTINCT _batch_date) FROM orders") == 546
    assert one(delivered, "SELECT count(DISTINCT _batch_date) FROM events") == 546


def test_nothing_arrives_before_it_happened(delivered: duckdb.DuckDBPyConnection) -> None:
    for source, happened in (("orders", _TIMES), ("events", "CAST(ts AS TIMESTAMP)"),
                             ("tickets", "CAST(updated_at AS TIMESTAMP)"),
                             ("feedback", "CAST(left(created, 19) AS TIMESTAMP)"),
                             ("contacts", "try_strptime(sent, '%d.%m.%Y %H:%M') + INTERVAL 7 DAY")):  # fmt: skip
        early = one(
            delivered, f"SELECT count(*) FROM {source} WHERE CAST({happened} AS DATE) > CAST(_batch_date AS DATE)"
        )
        assert early == 0, source


def test_the_last_word_on_every_order_is_the_truth(company: Path, delivered: duckdb.DuckDBPyConnection) -> None:
    """Purchases and spend a customer, of clean and final lines, are those that were drawn."""
    final = f"SELECT DISTINCT ON (OrderNo, Line) OrderNo, CustNo, {_AMOUNT} AS amount FROM orders WHERE {_GOOD} " \
            "AND Status = 'completed' ORDER BY OrderNo, Line, _batch_date DESC"  # fmt: skip
    mine = "SELECT CustNo AS customer_key, count(DISTINCT OrderNo) AS orders, sum(amount) AS spent " \
           f"FROM ({final}) GROUP BY 1"  # fmt: skip
    wrong = one(delivered, f"SELECT count(*) FROM '{company}/truth/customers.parquet' FULL JOIN ({mine}) "
                           "USING (customer_key) WHERE purchases IS DISTINCT FROM orders "
                           "OR CAST(round(spend, 2) AS DECIMAL(18, 2)) IS DISTINCT FROM spent")  # fmt: skip
    assert wrong == 0
    assert one(delivered, f"SELECT count(*) FROM ({mine})") == 2_500


def test_corrections_change_one_amount_and_nothing_else(delivered: duckdb.DuckDBPyConnection) -> None:
    counted = "count(DISTINCT Amount) AS amounts, count(DISTINCT (CustNo, OrderTS, SKU, Qty)) AS rest"
    twice = f"SELECT OrderNo, Line, {counted} FROM orders WHERE OrderNo IS NOT NULL GROUP BY 1, 2 " \
            "HAVING count(DISTINCT _batch_date) > 1"  # fmt: skip
    rows = delivered.execute(f"SELECT OrderNo, sum(amounts - 1), max(rest) FROM ({twice}) GROUP BY 1").fetchall()
    assert len(rows) == 40
    assert all((changed, rest) == (1, 1) for _, changed, rest in rows)


def test_a_customer_has_one_version_a_day(delivered: duckdb.DuckDBPyConnection) -> None:
    assert one(delivered, "SELECT count(*) - count(DISTINCT (customer_no, _batch_date)) FROM customers") == 0
    assert one(delivered, "SELECT count(DISTINCT customer_no) FROM customers") == 2_700
    assert one(delivered, "SELECT count(*) FROM customers") > 2_900


def test_people_are_invented(delivered: duckdb.DuckDBPyConnection) -> None:
    """Addresses that RFC 2606 reserves, numbers that the regulator keeps for fiction."""
    domains = r"SELECT DISTINCT regexp_extract(email, '@(.*)$', 1) FROM customers WHERE contains(email, '@')"
    assert {domain for (domain,) in delivered.execute(domains).fetchall()} <= {
        "example.com", "example.org", "example.net", "mail.example", "post.example"}  # fmt: skip
    fiction = r"^\+49 (30 23125|69 90009|40 66969|221 4710|89 99998)\d{3}$"
    assert one(delivered, f"SELECT count(*) FROM customers WHERE NOT regexp_matches(phone, '{fiction}')") == 0


def test_reviews_speak_their_old_encoding(company: Path) -> None:
    data = b"".join(path.read_bytes() for path in sorted((company / "sources/feedback").glob("*/feedback.csv")))
    with pytest.raises(UnicodeDecodeError):
        data.decode("utf-8")
    assert "Schönes Stück" in data.decode("iso-8859-1")
    assert '"bitte warten""' in data.decode("iso-8859-1")
