"""The benchmark of a day: history, models and yesterday's scores first, then the day by ddcrm and by the script."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench import machine, table
from bench.agreement import agreement
from bench.data import Shop
from bench.measure import Measured, from_marks, measured
from bench.peer import make_environment, run_script
from bench.project import BUILD, make_project, orders_folder
from ddcrm.warehouse.embedded import EmbeddedPostgres

STEPS = ("extract", "transform", "validate", "score", "publish")


def run(shop: Shop) -> str:
    """Measure, print as it goes, leave `result.json` in the project's folder; returns the report as Markdown."""
    make_environment()
    project = make_project(shop.customers)
    say(f"{project}")
    made = say_of(generate(shop, project))
    with EmbeddedPostgres.start(project / "state" / "postgres") as server:
        server.create_database("ddcrm")
        found = _measure(shop, project, server.url("ddcrm"))
    found |= {"orders": made.facts["orders"], "shop": {name: str(value) for name, value in asdict(shop).items()}}
    (project / "result.json").write_text(json.dumps(_plain(found), indent=1), "utf-8")
    return report(found)


def run_script_alone(shop: Shop, insert: str) -> str:
    """The script alone on a shop that a benchmark has left; where its seconds went, as Markdown."""
    project = BUILD / str(shop.customers)
    with EmbeddedPostgres.start(project / "state" / "postgres") as server:
        server.create_database("ddcrm")
        return table.details([run_script(project, str(shop.last - timedelta(days=1)), server.url("ddcrm"), insert)])


def _measure(shop: Shop, project: Path, url: str) -> dict[str, Any]:
    """The last day is for the forked tasks, the one before for ddcrm and the script."""
    last, day, before = (shop.last - timedelta(days=n) for n in range(3))
    server = partial(machine.processor_seconds, project / "state" / "postgres" / "data")
    history = say_of(step(project, "ingest", shop.first, before))
    train, *_ = (say_of(step(project, name, before)) for name in ("train", "score", "publish"))
    load = [machine.load()]
    spent = [server()]
    fresh = {name: say_of(step(project, name, day)) for name in STEPS}
    load, spent = [*load, machine.load()], [*spent, server()]
    script = say_of(run_script(project, str(day), url))
    load, spent = [*load, machine.load()], [*spent, server()]
    forked = {one.name: say_of(one) for one in _forked(project, last)}
    load, spent = [*load, machine.load()], [*spent, server()]
    return {"machine": machine.facts(), "load": load, "day": str(day), "history": history, "train": train,
            "fresh": fresh, "script": script, "forked": forked, "server": _each(spent),
            "agreement": agreement(url, str(day))}  # fmt: skip


def generate(shop: Shop, project: Path) -> Measured:
    """In a process of its own: what the parent holds counts as its children's."""
    marks = project / "orders.json"
    words = [str(orders_folder(project)), str(marks), str(shop.customers), str(shop.days)]
    return measured("generate", [sys.executable, "-m", "bench.data", *words], marks)


def step(project: Path, name: str, first: date, last: date | None = None) -> Measured:
    """A step of ddcrm in a process of its own."""
    marks = project / f"{name}.json"
    words = [name, str(project), str(marks), "BEGUN", str(first), str(last or first)]
    return measured(name, [sys.executable, "-m", "bench.step", *words], marks)


def _forked(project: Path, day: date) -> list[Measured]:
    marks = project / "forked.json"
    words = [str(marks), *(f"{step}:{day}:{day}" for step in STEPS), str(project)]
    measured("forked", [sys.executable, "-m", "bench.preloaded", *words], project / "none.json")
    return [from_marks(one.pop("name"), one.pop("wall"), one.pop("cpu"), one.pop("peak"), one)
            for one in json.loads(marks.read_text("utf-8"))]  # fmt: skip


def report(found: dict[str, Any]) -> str:
    """The whole of it as Markdown."""
    facts, fresh, forked = found["machine"], found["fresh"], found["forked"]
    versions = ", ".join(f"{name} {value}" for name, value in facts.items() if name not in ("cores", "memory"))
    theirs = ", ".join(f"{name} {value}" for name, value in found["script"].facts["versions"].items())
    parts = [
        f"{int(found['shop']['customers']):,} customers, {found['orders']:,} orders over {found['shop']['days']} days; "
        f"{facts['cores']} cores, {facts['memory']}; load before, after ddcrm, after the script, after the forks: "
        f"{', '.join(f'{one:.1f}' for one in found['load'])}.",
        f"Versions: {versions}. The script's: {theirs}.",
        "Each step of ddcrm in a new interpreter:",
        table.compare(fresh, found["train"], found["script"]),
        "Each step forked from a process that has the packages loaded, as the Airflow deployment's tasks are:",
        table.compare(forked, found["train"], found["script"]),
        _processor(found),
        found["agreement"].sentence(),
        "Every process, and where its seconds went:",
        table.details([found["history"], found["train"], *fresh.values(), *_renamed(forked.values()), found["script"]]),
    ]
    return "\n\n".join(parts)


def _each(readings: Sequence[float]) -> list[float]:
    """From a meter's readings what was used between one and the next."""
    return [after - before for before, after in pairwise(readings)]


def _processor(found: dict[str, Any]) -> str:
    """Seconds of processor with those of PostgreSQL: they depend less on who else uses the machine."""
    ours = [table.total(list(found[name].values())).cpu for name in ("fresh", "forked")]
    fresh, script, forked = found["server"]
    totals = [ours[0] + fresh, ours[1] + forked, found["script"].cpu + script]
    said = ", ".join(f"{value:.1f} s ({value / totals[2]:.2f})" for value in totals[:2])
    theirs = f"the script {totals[2]:.1f} s"
    return f"Seconds of processor, PostgreSQL's included: ddcrm {said} in new interpreters and forked, {theirs}."


def _renamed(processes: Sequence[Measured] | Any) -> list[Measured]:
    return [from_marks(f"{one.name}, forked", one.wall, one.cpu, one.peak, {"parts": [asdict(p) for p in one.parts]})
            for one in processes]  # fmt: skip


def _plain(value: Any) -> Any:
    """For JSON: dataclasses as objects."""
    if hasattr(value, "__dataclass_fields__"):
        return _plain(asdict(value))
    return {key: _plain(one) for key, one in value.items()} if isinstance(value, dict) else value


def say_of(one: Measured) -> Measured:
    """Tell what a process took, as soon as it is known."""
    say(f"{one.name:10} {one.wall:7.1f} s {one.cpu:7.1f} s CPU {one.peak:7,.0f} MiB")
    return one


def say(text: str) -> None:
    """Progress goes to standard error; the report alone to standard output."""
    print(text, file=sys.stderr, flush=True)
