"""A month of the demo company, whose till changes its files on the 15th; and projects that read it."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from pydantic import SecretStr

from ddcrm.dates import DateRange
from ddcrm.settings import Settings, load_settings
from tests.airflow_home import REPOSITORY
from tests.published_suites import first_checks

CHANGE = date(2026, 3, 15)  # a Sunday, as the 1st: models are trained
HISTORY = DateRange(date(2026, 1, 1), date(2026, 2, 28))
BEFORE = DateRange(date(2026, 3, 1), date(2026, 3, 14))
WAITING = DateRange(CHANGE, date(2026, 3, 20))
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

    dates = {"first_day": HISTORY.first, "last_day": WAITING.last}
    demo.make(folder, seed=4, customers=700, variants={"cents": WAITING}, **dates)  # of seed 4: a channel used at once


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
        text = self.contract("1.0.0").read_text("utf-8")
        for old, new in REWRITTEN.items():
            assert text.count(old) == 1
            text = text.replace(old, new)
        self.contract("2.0.0").write_text(text, "utf-8")

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

    def live(self) -> None:
        """The history, then the first fourteen days of the month: trained where it is due, scored and published."""
        from ddcrm.pipeline.ingest import ingest
        from tests.pipeline.days import days

        for source in SOURCES:
            ingest(self.settings, source, DateRange(HISTORY.first, BEFORE.last))
        days(self.settings, BEFORE.first, BEFORE.last)

    def amounts(self, day: date) -> dict[tuple[str, int], Decimal]:
        """What a day's file in the new layout says, by order and line; without what is no number."""
        file = self.company / f"sources/orders/{day}/orders.csv.gz"
        with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
            read = [(row["OrderNo"], int(row["Line"]), row["total_cents"]) for row in csv.DictReader(lines)]
        return {(order, line): Decimal(cents) / 100 for order, line, cents in read if cents.lstrip("-").isdigit()}
