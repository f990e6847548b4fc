"""What decides a partition's rows has a part in what made it, and nothing else has."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from ddcrm.contracts.model import Column, Contract, Exclusion, Server
from ddcrm.lake import conforming
from ddcrm.lake.made_by import CONFORM_VERSION, landing_digests, made_by, read_alike

AMOUNT = Column("amount", "Amount", "decimal(18,2)", required=True)
WHEN = Column("ordered_at", "At", "timestamp", required=True, role="event_time")
CITY = Column("city", "City", "string")
CONTRACT = Contract("orders", "1.0.0", "orders", date(2026, 1, 1), (AMOUNT, WHEN, CITY), Server("file"))


def parts_that_differ(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {name for name in one if one[name] != other[name]}


@pytest.mark.parametrize(
    "change",
    [{"version": "2.0.0"}, {"max_quarantined_share": 0.5}, {"server": Server("sql")}, {"allow_empty": True},
     {"fingerprint": "x"}, {"status": "deprecated"}, {"further_source_columns": ("x",)}, {"suite": "another"}],
)  # fmt: skip
def test_what_decides_no_row(change: dict[str, Any]) -> None:
    assert made_by(replace(CONTRACT, **change), [], "l") == made_by(CONTRACT, [], "l")


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"exclude": (Exclusion("tests", "amount = 0"),)}, {"rules"}),
        ({"exclude": (Exclusion("tests", "city = 'x'"),)}, {"rules", "deciding"}),
        ({"null_values": ("", "NA")}, {"rules"}),
        ({"delivery": "append"}, {"rules"}),
        ({"timezone": "Europe/Berlin"}, {"columns"}),
        ({"columns": (AMOUNT, WHEN, replace(CITY, source_name="Town"))}, {"columns"}),
        ({"columns": (AMOUNT, WHEN, replace(CITY, pattern="^[A-Z]"))}, {"columns", "deciding"}),
        ({"columns": (AMOUNT, WHEN, replace(CITY, classification="personal"))}, set()),
    ],
)
def test_what_decides_rows(change: dict[str, Any], parts: set[str]) -> None:
    assert parts_that_differ(made_by(CONTRACT, [], "l"), made_by(replace(CONTRACT, **change), [], "l")) == parts


def test_columns_that_are_read_alike() -> None:
    made = made_by(CONTRACT, [], "l")
    assert read_alike(made, replace(CONTRACT, version="2.0.0")) == {"amount", "ordered_at", "city"}
    columns = (replace(AMOUNT, transform="Amount / 100"), WHEN, Column("note", "Note", "string"))
    assert read_alike(made, replace(CONTRACT, columns=columns)) == {"ordered_at"}
    assert read_alike(made, replace(CONTRACT, null_values=("", "NA"))) == set()
    assert read_alike(None, CONTRACT) == set()


def test_deciding_columns() -> None:
    assert made_by(CONTRACT, [], "l")["deciding"] == ["amount", "ordered_at"]
    checked = [["expect_column_values_to_not_be_null", {"column": "city"}]]
    assert made_by(CONTRACT, checked, "l")["deciding"] == ["amount", "city", "ordered_at"]


def test_a_day_that_lands_again_has_other_files() -> None:
    days = landing_digests([("/a/1.parquet", {"_batch_date": "2026-01-01"}), ("b", {"_batch_date": "2026-01-02"}),
                            ("/a/2.parquet", {"_batch_date": "2026-01-01"})])  # fmt: skip
    assert days.keys() == {"2026-01-01", "2026-01-02"}
    again = landing_digests(
        [("/z/2.parquet", {"_batch_date": "2026-01-01"}), ("/z/1.parquet", {"_batch_date": "2026-01-01"})]
    )
    assert again["2026-01-01"] == days["2026-01-01"]
    assert landing_digests([("/a/1.parquet", {"_batch_date": "2026-01-01"})])["2026-01-01"] != days["2026-01-01"]


# the code that conforms, by the SQL that it builds

EVERYTHING = Contract(
    "orders", "1.0.0", "orders", date(2026, 1, 1),
    (
        Column("order_id", "No", "string", required=True, primary_key=True, pattern="^A", min_length=2, max_length=9),
        Column("line_no", "Line", "integer", required=True, primary_key=True, minimum=1, maximum=99),
        replace(AMOUNT, transform="CAST(Amount AS DECIMAL(18, 2)) / 100"),
        WHEN, Column("paid_at", "Paid", "timestamp", format="dd.MM.yyyy HH:mm:ssZ"),
        Column("due_on", "Due", "date", format="dd.MM.yyyy"), Column("sent_on", "Sent", "date"),
        Column("weight", "Weight", "double"), Column("gift", "Gift", "boolean"),
        Column("channel", "Channel", "string", enum=("web", "store")),
        Column("since", "Since", "timestamp", transform="to_timestamp(CAST(Since AS BIGINT))"),
        replace(CITY, classification="personal"), Column("came", "Never", "string"),
    ),
    Server("file"), delivery="corrections", null_values=("", "NA"), timezone="Europe/Berlin",
    exclude=(Exclusion("tests", "city = 'x'"),),
)  # fmt: skip
ARRIVED = ("No", "Line", "Amount", "At", "Paid", "Due", "Sent", "Weight", "Gift", "Channel", "Since", "City")
SYSTEM = ("_source", "_line")
CONFORMING = {"1": "ffe4c8f6d8e6bcd8"}
"""By CONFORM_VERSION, the digest of the SQL by which EVERYTHING is conformed."""


class Listening:
    """An engine that notes what it is asked."""

    def __init__(self) -> None:
        self.con, self.asked = self, list[str]()

    def execute(self, query: str) -> None:
        self.asked.append(query)


def test_other_sql_has_another_version() -> None:
    """Batches that other code conformed must be told apart, or a plan leaves them.

    Where this fails: if a row could come out otherwise, raise CONFORM_VERSION, which restates every batch, and note the
    digest under it; if none could, note the digest.
    """
    listening: Any = Listening()
    conforming._create_typed(listening, EVERYTHING, "landed", [*SYSTEM, *ARRIVED])
    for contract in (EVERYTHING, CONTRACT):
        conforming._create_losers(listening, contract)
        listening.execute(conforming._accepted(contract))
    listening.execute(conforming._quarantined("landed", [*ARRIVED, "_code"]))
    assert len(listening.asked) == 6
    found = hashlib.sha256("\n".join(listening.asked).encode()).hexdigest()[:16]
    assert {CONFORM_VERSION: found} == CONFORMING
