"""A shop in which the tier that a customer was last given tells what comes, and what was bought before tells nothing.

Tiers are drawn anew on four days, each without regard to the tiers and purchases before it: customers in tier gold buy
often until the next draw, the others seldom. So a regression that sees tiers must win. Besides, customers leave, each
after a purchase with a probability of its own, and each has a mean spend: models of purchases can be fitted, too.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ddcrm.dates import DateRange
from ddcrm.pipeline.ingest import ingest
from ddcrm.settings import Settings, load_settings
from tests.pipeline.shop import REPOSITORY, TOML

DAY = date(2026, 1, 4)
DRAWN = [DAY - timedelta(days=days) for days in (730, 365, 180, 90)]
FIRST = DRAWN[0] - timedelta(days=95)
CUSTOMERS = 600
Purchase = tuple[str, date, float]

_HEAD = """
apiVersion: v3.1.0
kind: DataContract
id: tiered.{entity}
name: {entity}
version: {version}
status: active
servers:
  - {{server: files, type: local, path: '{entity}/{{batch_date}}.csv', format: csv}}
schema:
  - name: {entity}
    logicalType: object
    properties:
{properties}
customProperties:
  - {{property: ddcrm.entity, value: {entity}}}
  - {{property: ddcrm.effectiveFrom, value: '2023-01-01'}}
  - {{property: ddcrm.deliveryMode, value: corrections}}
"""
_PROPERTIES = {
    "orders": """
      - {name: order_id, physicalName: number, logicalType: string, required: true, primaryKey: true}
      - {name: customer_key, physicalName: customer, logicalType: string, required: true}
      - {name: ordered_at, physicalName: day, logicalType: date, required: true}
      - {name: amount, physicalName: amount, logicalType: number, required: true}""",
    "customers": """
      - {name: customer_key, physicalName: customer, logicalType: string, required: true, primaryKey: true}
      - {name: tier, physicalName: tier, logicalType: string}""",
}


def make(folder: Path) -> Settings:
    """Write the project and everything that its sources deliver."""
    for place in ("expectations", *(f"{kind}/{entity}" for kind in ("contracts", "sources") for entity in _PROPERTIES)):
        (folder / place).mkdir(parents=True)
    full = TOML.replace('"published"', json.dumps(str(REPOSITORY / "expectations")))  # all checks are run here
    (folder / "ddcrm.toml").write_text(f'{full}\n[segments]\nschemes = ["rfm"]\n')
    for entity in _PROPERTIES:
        version(folder, entity, "1.0.0")
    chance = np.random.default_rng(11)
    names = [f"C{number:04}" for number in range(CUSTOMERS)]
    tiers = [chance.permutation(CUSTOMERS) < CUSTOMERS // 4 for _ in DRAWN]
    for day, gold in zip(DRAWN, tiers, strict=True):
        rows = [[name, "gold" if one else "basic"] for name, one in zip(names, gold, strict=True)]
        _write(folder / f"sources/customers/{day}.csv", ["customer", "tier"], rows)
    bought = _purchases(chance, names, tiers)
    for day, rows in zip([*DRAWN, DAY], bought, strict=True):
        numbered = [[f"{day}-{place}", name, str(on), f"{amount:.2f}"] for place, (name, on, amount) in enumerate(rows)]
        _write(folder / f"sources/orders/{day}.csv", ["number", "customer", "day", "amount"], numbered)
    return load_settings(folder)


def _purchases(chance: np.random.Generator, names: Sequence[str], tiers: Sequence[Any]) -> list[list[Purchase]]:
    """What is bought until each draw, and after the last one: one purchase of everybody, then as tiers say."""
    leaves, worth = chance.beta(0.6, 3.0, len(names)), chance.gamma(6.0, 8.0, len(names))
    found: list[list[Purchase]] = [[] for _ in range(len(DRAWN) + 1)]
    for who, name in enumerate(names):
        there = True
        for part, (after, last) in enumerate(pairwise([FIRST, *DRAWN, DAY])):
            span = (last - after).days
            often = 1 if part == 0 else chance.poisson(span / (15 if tiers[part - 1][who] else 120))
            for day in sorted(chance.choice(span, min(often, span), replace=False)):
                if there:
                    found[part].append((name, after + timedelta(days=1 + int(day)), chance.gamma(5.0, worth[who] / 5)))
                    there = chance.random() > leaves[who]
    return found


def version(folder: Path, entity: str, number: str, *changes: tuple[str, str]) -> None:
    """Write a version of a contract, in force from the beginning."""
    text = _HEAD.format(entity=entity, version=number, properties=_PROPERTIES[entity].strip("\n"))
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / f"contracts/{entity}/{number}.yaml").write_text(text)


def take_in(settings: Settings, days: Sequence[date]) -> None:
    """Ingest what arrives on these days: orders on all of them, tiers where they were drawn."""
    for day in days:
        for entity in ("customers", "orders"):
            if entity == "orders" or day in DRAWN:
                ingest(settings, entity, DateRange(day, day))


def _write(file: Path, header: list[str], rows: Sequence[Sequence[str]]) -> None:
    with file.open("w", newline="") as target:
        csv.writer(target).writerows([header, *rows])
