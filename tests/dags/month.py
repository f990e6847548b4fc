"""A month of the demo company, whose till changes its files on the 15th; and projects that read it."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from pydantic import SecretStr

from ddcrm.dates import DateRange
from ddcrm.settings import Settings, load_settings
from tests.airflow_home import REPOSITORY
from tests.published_suites import first_checks

CHANGE = date(2026, 3, 15)  # a Sunday, as the 1st: models are trained
HISTORY = DateRange(date(2026, 1, 1), date(2026, 2, 28))
MONTH = DateRange(date(2026, 3, 1), date(2026, 3, 30))
BEFORE = DateRange(MONTH.first, date(2026, 3, 14))
BY_LIBRARY, BY_AIRFLOW = DateRange(BEFORE.first, date(2026, 3, 11)), DateRange(date(2026, 3, 12), BEFORE.last)
WAITING = DateRange(CHANGE, date(2026, 3, 20))
AFTER = DateRange(date(2026, 3, 21), MONTH.last)
SUNDAYS = {day for day in MONTH if day.isoweekday() == 7}
SOURCES = ("market", "orders")  # what scores read

TOML = f"""
state_dir = "state"
expectations_dir = {json.dumps(str(REPOSITORY / "expectations"))}
published_expectations_dir = "published"

[engine]
memory_limit = "1GB"

[segments]
schemes = ["kmeans", "rfm", "value_tier"]
bootstraps = 2

[restate]
max_value_change = 0.0001
"""

IN_CENTS = "total_cents\n        transformLogic: CAST(total_cents AS DECIMAL(18, 2)) * 0.01"
REWRITTEN = {
    "version: 1.0.0": "version: 2.0.0",
    "{property: ddcrm.effectiveFrom, value: '2025-01-01'}": f"{{property: ddcrm.effectiveFrom, value: '{CHANGE}'}}",
    "physicalName: Amount": f"physicalName: {IN_CENTS}",
    "{value: phone}]": "{value: phone}, {value: marketplace}]",
}  # what a person writes who knows of the change


def make_company(folder: Path) -> None:
    """The company's files: from the 15th on `total_cents` for `Amount`, a channel more, a loyalty tier."""
    from ddcrm import demo

    dates = {"first_day": HISTORY.first, "last_day": MONTH.last}
    cents = DateRange(CHANGE, MONTH.last)
    demo.make(folder, seed=4, customers=700, variants={"cents": cents}, **dates)  # of seed 4: a channel used at once


@dataclass(frozen=True)
class Project:
    """A project with the company's own contracts."""

    folder: Path
    company: Path
    warehouse_url: str

    def make(self, *, knows_the_change: bool = False) -> Project:
        """Write the project, and the warehouse's schema."""
        from ddcrm.warehouse.connect import Warehouse
        from ddcrm.warehouse.migrate import upgrade

        for source in SOURCES:
            shutil.copytree(REPOSITORY / "contracts" / source, self.folder / "contracts" / source)
        (self.folder / "ddcrm.toml").write_text(f"sources_dir = {json.dumps(str(self.company / 'sources'))}\n{TOML}")
        first_checks(self.folder / "published")
        if knows_the_change:
            self._rewrite_contract()
        with Warehouse(self.warehouse_url) as warehouse:
            upgrade(warehouse)
        return self

    def _rewrite_contract(self) -> None:
        self._write("2.0.0", "1.0.0", REWRITTEN)

    def correct(self) -> None:
        """Shipping is no longer counted in `amount`, from the month's first day on: in either layout of the files."""
        since = {"effectiveFrom, value: '2025-01-01'": f"effectiveFrom, value: '{MONTH.first}'"}
        net = {
            "physicalName: Amount": "physicalName: Amount\n        transformLogic: CAST(Amount AS DECIMAL(18, 2)) - 1"
        }
        self._write("1.1.0", "1.0.0", {"version: 1.0.0": "version: 1.1.0", **since, **net})
        self._write("2.1.0", "2.0.0", {"\nversion: 2.0.0": "\nversion: 2.1.0", ")) / 100": ")) / 100 - 1"})

    def _write(self, version: str, old: str, changes: Mapping[str, str]) -> None:
        text = self.contract(old).read_text("utf-8")
        for before, after in changes.items():
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        self.contract(version).write_text(text, "utf-8")

    def contract(self, version: str) -> Path:
        """The file of a version of the orders' contract."""
        return self.folder / f"contracts/orders/{version}.yaml"

    @property
    def settings(self) -> Settings:
        """Its settings, with its warehouse."""
        return load_settings(self.folder).model_copy(update={"warehouse_url": SecretStr(self.warehouse_url)})

    @property
    def variables(self) -> dict[str, str]:
        """What a process must be told to work on it."""
        return {"DDCRM_PROJECT_DIR": str(self.folder), "DDCRM_WAREHOUSE_URL": self.warehouse_url}

    def live(self, days: DateRange, since: date | None = None) -> None:
        """Take in what arrived (`since`: before them, too), then day by day: trained where due, scored, published."""
        from ddcrm.pipeline.ingest import ingest
        from tests.pipeline import days as run

        for source in SOURCES:
            ingest(self.settings, source, DateRange(since or days.first, days.last))
        run.days(self.settings, days.first, days.last)

    def delivered(self, day: date) -> list[dict[str, str]]:
        """The lines of a day's file of orders."""
        file = self.company / f"sources/orders/{day}/orders.csv.gz"
        with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines))

    def buyers(self, until: date) -> int:
        """How many customers have come with an order that can be read, by a day before the change."""
        days = DateRange(HISTORY.first, until)
        return len({row["CustNo"] for day in days for row in self.delivered(day) if _is_good(row)})

    def amounts(self, day: date) -> dict[tuple[str, int], Decimal]:
        """What a day's file in the new layout says, by order and line; without what is no number."""
        read = [(row["OrderNo"], int(row["Line"]), row["total_cents"]) for row in self.delivered(day)]
        return {(order, line): Decimal(cents) / 100 for order, line, cents in read if cents.lstrip("-").isdigit()}


def _is_good(row: Mapping[str, str]) -> bool:
    """By the contract's text: keys are there, it is no test of the shop's, its values are what they shall be."""
    try:
        datetime.strptime(row["OrderTS"], "%Y-%m-%d %H:%M:%S")
        values = float(row["Amount"]), float(row["UnitPrice"])
    except ValueError:
        return False
    keys = row["CustNo"] and not row["CustNo"].startswith("TEST-") and row["OrderNo"]
    return bool(keys) and values[1] >= 0 and row["Channel"] in {"web", "app", "store", "phone"}
