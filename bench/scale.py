"""How a day grows: ddcrm alone, all schemes of segments; seconds and memory of each step at two sizes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

from bench import machine, table
from bench.data import Shop
from bench.day import STEPS, generate, say, say_of, step
from bench.measure import Measured
from bench.project import make_project
from ddcrm.warehouse.embedded import EmbeddedPostgres

TRAINED = 50_000  # customers of the shop whose models score all sizes: what is measured is the day, not the training


def run(customers: int, days: int) -> str:
    """Measure a tenth of the customers, then all of them; returns the report as Markdown."""
    small = Shop(customers=TRAINED, days=days)
    models = _trained(small)
    found = {size: _measure(Shop(customers=size, days=days), models) for size in (customers // 10, customers)}
    return report(found)


def _trained(shop: Shop) -> Path:
    project = make_project(shop.customers, scale=True)
    generate(shop, project)
    with _server(project):
        say_of(step(project, "ingest", shop.first, _before(shop)))
        say_of(step(project, "train", _before(shop)))
    kept = project / "models"  # beside the state, which the next project of this size begins without
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(project / "state" / "lake" / "models", kept)
    return kept


def _measure(shop: Shop, models: Path) -> dict[str, Measured]:
    project = make_project(shop.customers, scale=True)
    orders = int(generate(shop, project).facts["orders"])
    say(f"{shop.customers:,} customers, {orders:,} orders")
    with _server(project):
        found = {"history": say_of(step(project, "ingest", shop.first, _before(shop)))}
        shutil.copytree(models, project / "state" / "lake" / "models")
        found["score before"] = say_of(step(project, "score", _before(shop)))
        return found | {name: say_of(step(project, name, shop.last)) for name in STEPS}


def _before(shop: Shop) -> date:
    return shop.last - timedelta(days=1)


def _server(project: Path) -> EmbeddedPostgres:
    server = EmbeddedPostgres.start(project / "state" / "postgres")
    server.create_database("ddcrm")
    return server


def report(found: Mapping[int, Mapping[str, Measured]]) -> str:
    """Each step at both sizes, and by how much it grew."""
    (small, few), (large, many) = found.items()
    head = ["", f"{small:,} s", "CPU s", "peak MiB", f"{large:,} s", "CPU s", "peak MiB", "CPU grew"]
    rows = [[name, *table.total([few[name]]).cells, *table.total([many[name]]).cells,
             f"{many[name].cpu / few[name].cpu:.1f}"] for name in few]  # fmt: skip
    facts = machine.facts()
    said = f"{facts['cores']} cores, {facts['memory']}; load at the end {machine.load():.1f}."
    return f"{said}\n\n{table.markdown(head, rows)}"
