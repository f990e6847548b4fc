"""A shop that has published days, and what changes in it afterwards."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import count
from pathlib import Path

import pytest

from ddcrm.dates import DateRange
from ddcrm.warehouse.embedded import EmbeddedPostgres
from tests.conftest import run_folder
from tests.pipeline import days as run
from tests.pipeline.shop import CONTRACT, FIRST, Shop

PUBLISHED = [date(2026, 1, 16), date(2026, 1, 17), date(2026, 1, 18), date(2026, 1, 19)]  # the 18th is a Sunday
DAYS = DateRange(PUBLISHED[0], PUBLISHED[-1])
TRAININGS = [PUBLISHED[0], PUBLISHED[2]]
AMOUNT = "physicalName: amount, logicalType: number, required: true"
NET_AMOUNT = (AMOUNT, f"{AMOUNT}, transformLogic: 'CAST(amount AS DECIMAL(18, 2)) - 1'")
SCHEMES = 'schemes = ["kmeans", "rfm", "value_tier"]'  # the others cost time
TRAINED = date(2026, 2, 2)
_numbers = count()


@contextmanager
def warehouse_of(server: EmbeddedPostgres, template: str) -> Iterator[str]:
    """The name of a new warehouse, a copy of `template`; its URL is in DDCRM_WAREHOUSE_URL inside the block."""
    from tests.databases import copy_database

    name = f"lived_{os.getpid()}_{next(_numbers)}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DDCRM_WAREHOUSE_URL", copy_database(server.url(), name, template))
        yield name


@dataclass(frozen=True)
class Lived:
    """A shop that has lived, to be copied: its folder and its database, which nobody may connect to."""

    folder: Path
    database: str

    @contextmanager
    def copy(self, server: EmbeddedPostgres, folder: Path) -> Iterator[Shop]:
        """A shop of one's own, with a warehouse of its own in DDCRM_WAREHOUSE_URL."""
        shutil.copytree(self.folder, folder, symlinks=True)
        shop = Shop(folder)
        shop.rows = shop.history()
        with warehouse_of(server, self.database):
            yield shop


def lived_in(shop: Shop) -> Lived:
    """The shop as it is now, with the warehouse in DDCRM_WAREHOUSE_URL, to be copied; leave it alone from now on."""
    from sqlalchemy import make_url

    return Lived(shop.folder, make_url(os.environ["DDCRM_WAREHOUSE_URL"]).database or "")


def shared(server: EmbeddedPostgres, template: str, name: str, make: Callable[[Path], Shop]) -> Lived:
    """A shop that `make` makes, in the test run's own folder: by whichever worker comes first."""
    from ddcrm.atomic import locked

    folder = run_folder() / name
    folder.mkdir(exist_ok=True)
    made = folder / "database"
    with locked(folder):
        if not made.exists():
            with warehouse_of(server, template):
                new = lived_in(make(folder / "shop"))
            made.write_text(new.database)
    return Lived(folder / "shop", made.read_text())


def live(folder: Path, *changes: tuple[str, str], days: DateRange = DAYS) -> Shop:
    """A shop with published days; with `changes`, under a version 1.1.0 of the contract from the first day on."""
    shop = Shop(folder).make()
    segments(shop, SCHEMES)
    if changes:
        version(shop, "1.1.0", FIRST, *changes)
    run.ingest(shop.settings, FIRST, days.last)
    run.days(shop.settings, days.first, days.last)
    return shop


def trained(folder: Path) -> Shop:
    """A shop of a month, with models for all schemes; the day of their training is published."""
    shop = Shop(folder).make()
    run.ingest(shop.settings, FIRST, TRAINED)
    run.train(shop.settings, TRAINED)
    run.score(shop.settings, [TRAINED])
    return shop


def segments(shop: Shop, *lines: str) -> None:
    """Write what the project's settings say of segments."""
    toml = shop.folder / "ddcrm.toml"
    toml.write_text("\n".join([toml.read_text(), "[segments]", *lines, ""]))


def version(shop: Shop, number: str, first: date, *changes: tuple[str, str]) -> None:
    """Write another version of the contract."""
    text = CONTRACT.replace("version: 1.0.0", f"version: {number}").replace("'2026-01-01'", f"'{first}'")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (shop.folder / f"contracts/orders/{number}.yaml").write_text(text)
