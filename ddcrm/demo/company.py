"""Making the demo company: every source system, and the truth beside them.

sources/orders/<day>/orders.csv.gz        gzipped CSV; late orders, corrections
sources/products/<day>/products.parquet   the whole catalogue on Mondays, no rows on other days
sources/events/<day>/events.jsonl         JSON lines
sources/feedback/<day>/feedback.csv       tabs, Latin-1, quoted line breaks
sources/contacts/<day>/contacts.csv       semicolons, decimal commas; a header alone between campaigns
sources/market/market.csv                 one file that grows by a month on each 5th
sources/shop/customers.csv                for the shop's database (ddcrm.demo.shop)
sources/tickets/tickets.jsonl             for the help desk's interface (ddcrm.demo.serve)
truth.json, truth/*.parquet               the parameters, what was planted, what must come out
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ddcrm import progress
from ddcrm.dates import DateRange
from ddcrm.demo.deliver import deliver, draw_all
from ddcrm.demo.parameters import Company, Dirt, Process
from ddcrm.demo.truth import Planted, write_truth
from ddcrm.errors import SettingsError
from ddcrm.settings import Settings


@dataclass(frozen=True)
class Summary:
    """What was made: rows a source as delivered, how many files and bytes they take, and which rows were planted."""

    folder: Path
    dates: DateRange
    customers: int
    rows: dict[str, int]
    files: int
    bytes: int
    planted: Planted  # source -> kind -> rows

    def as_dict(self) -> dict[str, Any]:
        """The summary as JSON-ready values."""
        return asdict(self) | {"folder": str(self.folder), "dates": str(self.dates)}


def make(
    target: Settings | Path, *, seed: int = 1, customers: int = 2_500, first_day: str | date = "2025-01-01",
    last_day: str | date = "2026-06-30", process: Process | None = None, dirt: Dirt | None = None,
    variants: Mapping[str, DateRange] | None = None,
) -> Summary:  # fmt: skip
    """Make the company in a folder (settings: the one above their `sources_dir`), in place of one made there before.

    The same arguments give the same bytes in every file. With at least as many customers as days every day has orders.
    `variants` names other layouts of the orders' file and the days that use them. Raises SettingsError for impossible
    arguments and where the sources' folder holds something that was not made here.
    """
    dates = DateRange.parse(first_day, last_day)
    company = Company(seed, customers, dates, process or Process(), dirt or Dirt(), variants or {})
    sources = target.sources_dir if isinstance(target, Settings) else Path(target) / "sources"
    folder = sources.parent
    _check_ours(folder, sources)
    work = folder / ".making"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        rows, planted = _write(company, work)
        _replace(work, folder, sources)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    sizes = [path.stat().st_size for path in sources.rglob("*") if path.is_file()]
    progress.point("demo.made", rows=sum(rows.values()), files=len(sizes))
    return Summary(folder, dates, customers, rows, len(sizes), sum(sizes), planted)


def _check_ours(folder: Path, sources: Path) -> None:
    if sources.is_dir() and any(sources.iterdir()) and not (folder / "truth.json").is_file():
        raise SettingsError(
            f"{sources} holds files that the demo did not make", hint="Choose another folder, or empty it."
        )


def _write(company: Company, work: Path) -> tuple[dict[str, int], Planted]:
    """Write everything below `work`; returns the rows a source, and the planted ones."""
    progress.point("demo.begin", customers=company.customers, dates=str(company.dates))
    drawn = draw_all(company)
    progress.point("demo.drawn", purchases=len(drawn.truth.purchases))
    rows = deliver(company, drawn, work / "sources")
    progress.point("demo.delivered", rows=sum(rows.values()))
    return rows, write_truth(company, drawn, rows, work)


def _replace(work: Path, folder: Path, sources: Path) -> None:
    """Put what was made in its place; truth.json goes last, and comes last: it stands for a company that is whole."""
    places = {"sources": sources, "truth": folder / "truth", "truth.json": folder / "truth.json"}
    removed = work / "removed"
    removed.mkdir()
    for name, place in places.items():
        if place.exists():
            os.replace(place, removed / name)
    for name, place in places.items():
        os.replace(work / name, place)
