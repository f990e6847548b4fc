"""A small shop in a temporary folder: one CSV file of orders a day, its contract, its suite; made by a seed."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from ddcrm.settings import Settings, load_settings
from tests.published_suites import first_checks

REPOSITORY = Path(__file__).parents[2]
COLUMNS = ("OrderNo", "Line", "Cust", "OrderTS", "amount", "status")
FIRST = date(2026, 1, 1)

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: shop.orders
name: shop orders
version: 1.0.0
status: active
servers:
  - {server: files, type: local, path: 'orders/{batch_date}.csv', format: csv}
schema:
  - name: orders
    physicalName: orders
    logicalType: object
    properties:
      - name: order_id
        physicalName: OrderNo
        logicalType: string
        required: true
        primaryKey: true
        primaryKeyPosition: 1
      - name: line_no
        physicalName: Line
        logicalType: integer
        required: true
        primaryKey: true
        primaryKeyPosition: 2
      - {name: customer_key, physicalName: Cust, logicalType: string, required: true, classification: pseudonymous}
      - name: ordered_at
        physicalName: OrderTS
        logicalType: timestamp
        required: true
        logicalTypeOptions: {format: 'yyyy-MM-dd HH:mm:ss'}
        customProperties:
          - {property: ddcrm.role, value: event_time}
      - {name: amount, physicalName: amount, logicalType: number, required: true}
      - {name: status, physicalName: status, logicalType: string}
customProperties:
  - {property: ddcrm.entity, value: orders}
  - {property: ddcrm.effectiveFrom, value: '2026-01-01'}
  - {property: ddcrm.deliveryMode, value: corrections}
  - {property: ddcrm.timezone, value: Europe/Berlin}
  - {property: ddcrm.suite, value: orders}
  - {property: ddcrm.maxQuarantinedShare, value: 0.1}
"""

SUITE = {
    "name": "orders",
    "meta": {"notes": "Orders of the test shop."},
    "expectations": [
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "customer_key"}, "severity": "critical",
         "meta": {"notes": "Nobody's order."}},
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "max_value": 100000},
         "severity": "critical", "meta": {"notes": "A cent amount taken for euros."}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "status", "value_set": ["paid", "returned"]},
         "severity": "warning", "meta": {"notes": "Something new."}},
    ],
}  # fmt: skip

TOML = """
sources_dir = "sources"
published_expectations_dir = "published"

[engine]
memory_limit = "1GB"
"""


@dataclass
class Shop:
    """The project's folder; `rows` are the order lines by the day on which they arrive."""

    folder: Path
    days: int = 40
    customers: int = 400
    seed: int = 7
    rows: dict[date, list[dict[str, str]]] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return load_settings(self.folder)

    @property
    def last(self) -> date:
        return FIRST + timedelta(days=self.days - 1)

    def make(self) -> Shop:
        """Write the project and all files."""
        (self.folder / "contracts/orders").mkdir(parents=True)
        (self.folder / "expectations").mkdir()
        (self.folder / "sources/orders").mkdir(parents=True)
        (self.folder / "ddcrm.toml").write_text(TOML)
        (self.folder / "contracts/orders/1.0.0.yaml").write_text(CONTRACT)
        (self.folder / "expectations/orders.json").write_text(json.dumps(SUITE))
        first_checks(self.folder / "published")
        self.rows = self.history()
        for day in self.rows:
            self.write(day)
        return self

    def file(self, day: date) -> Path:
        return self.folder / f"sources/orders/{day}.csv"

    def write(self, day: date, columns: Iterable[str] = COLUMNS) -> None:
        with self.file(day).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(columns))
            writer.writeheader()
            writer.writerows(self.rows[day])

    def history(self) -> dict[date, list[dict[str, str]]]:
        """The rows by the day on which they arrive, by the seed."""
        chance = random.Random(self.seed)
        rows: dict[date, list[dict[str, str]]] = {FIRST + timedelta(days=offset): [] for offset in range(self.days)}
        number = 0
        for customer in range(self.customers):
            dropout = chance.betavariate(1.0, 2.0)
            rate, day, worth = (
                chance.gammavariate(1.0, 0.3),
                chance.randrange(self.days * 2 // 3),
                chance.uniform(10, 60),
            )
            while day < self.days:
                number += 1
                today, amount = FIRST + timedelta(days=day), chance.gammavariate(4, worth / 4)
                rows[today] += order(f"A{number:05}", f"C{customer:04}", today, amount, chance.choice([1, 1, 2]))
                if chance.random() < dropout:
                    break
                day += 1 + int(chance.expovariate(rate))
        return rows


def order(number: str, customer: str, day: date, amount: float, lines: int = 1, hour: int = 12) -> list[dict[str, str]]:
    """The lines of one order."""
    return [
        {"OrderNo": number, "Line": str(line + 1), "Cust": customer, "OrderTS": f"{day} {hour:02}:00:00",
         "amount": f"{amount / lines:.2f}", "status": "paid"}
        for line in range(lines)
    ]  # fmt: skip
