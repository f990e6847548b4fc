"""The models' benchmark: transactions to one-year value by ddcrm, by lifetimes and by pymc-marketing.

Each runs in a process and an environment of its own, one after the other, on the same file of orders. Where stages take
hundredths of a second they take turns several times, and medians are told.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench import machine
from bench.data import Shop
from bench.marks import Part
from bench.measure import Measured, measured
from bench.peer import make_environment
from bench.project import BUILD, ROOT
from bench.table import markdown

BIG, ROUNDS = 500_000, 5
"""From how many customers on one round is enough, and how many there are else."""

RIVALS = {"lifetimes": "peer", "pymc-marketing": "pymc"}
"""Who else runs, and in which environment."""

STAGES: dict[str, tuple[str, ...]] = {
    "summary from transactions": ("summary",),
    "the same in the engine, from the file": ("summary in the engine",),
    "fit BG/NBD": ("fit BG/NBD",),
    "fit MBG/NBD": ("fit MBG/NBD",),
    "fit Pareto/NBD": ("fit Pareto/NBD",),
    "fit Gamma-Gamma": ("fit Gamma-Gamma",),
    "predictions and one-year value": ("predict", "CLV"),
}
"""What is set against each other, by the marks that count for it."""


@dataclass(frozen=True)
class Stage:
    """What a stage took of one contestant; None where it has no such stage."""

    wall: float
    cpu: float
    peak: float


def run(shop: Shop, keys: str) -> str:
    """Measure all three with these `KEYS`, print as it goes; returns the report as Markdown."""
    pythons = {name: str(make_environment(environment)) for name, environment in RIVALS.items()}
    folder = BUILD / f"models-{shop.customers}-{keys}"
    folder.mkdir(parents=True, exist_ok=True)
    orders, as_of = folder / "orders.parquet", str(shop.last)
    words = [str(orders), str(folder / "orders.json"), str(shop.customers), str(shop.days), keys]
    measured("orders", [sys.executable, "-m", "bench.models_data", *words], folder / "orders.json")
    load = [machine.load()]
    rounds = []
    for _ in range(1 if shop.customers >= BIG else ROUNDS):
        found = {}
        for name, python in pythons.items():
            module = f"bench.models_{name.replace('-', '_')}"
            found[name] = _measure(name, [python, "-m", module, str(orders), as_of], folder)
        known = [str(folder / f"{name}.json") for name in RIVALS]
        ours = [sys.executable, "-m", "bench.models_ddcrm", str(orders), as_of]
        rounds.append(found | {"ddcrm": _measure("ddcrm", ours, folder, known)})
    load.append(machine.load())
    found = {name: typical([one[name] for one in rounds]) for name in rounds[0]}
    made = json.loads((folder / "orders.json").read_text("utf-8"))
    return report(shop, int(made["orders"]), found, load, len(rounds))


def _measure(name: str, command: list[str], folder: object, more: list[str] | None = None) -> Measured:
    from bench.day import say_of

    marks = BUILD / str(folder) / f"{name}.json"
    return say_of(measured(name, [*command, str(marks), "BEGUN", *(more or [])], marks, {"PYTHONPATH": str(ROOT)}))


def typical(runs: Sequence[Measured]) -> Measured:
    """The medians of what each part took, in several runs of the same."""
    parts = [
        Part(parts[0].name, *(median(getattr(part, what) for part in parts) for what in ("wall", "cpu", "peak")))
        for parts in zip(*(one.parts for one in runs), strict=True)
    ]
    wall, cpu, peak = (median(getattr(one, what) for one in runs) for what in ("wall", "cpu", "peak"))
    return Measured(runs[0].name, wall, cpu, peak, tuple(parts), runs[0].facts)


def report(shop: Shop, orders: int, found: Mapping[str, Measured], load: list[float], rounds: int) -> str:
    """The whole of it as Markdown."""
    facts = machine.facts()
    return "\n\n".join(
        [
            f"{shop.customers:,} customers, {orders:,} orders over {shop.days} days; {facts['cores']} cores, "
            f"{facts['memory']}; load before and after: {', '.join(f'{one:.1f}' for one in load)}"
            f"{f'; medians of {rounds} rounds' if rounds > 1 else ''}.",
            compare(found),
            agreement(found),
        ]
    )


def stage_of(one: Measured, marks: tuple[str, ...]) -> Stage | None:
    """The parts with these marks together; None where there are none."""
    parts = [part for part in one.parts if part.name in marks]
    if not parts:
        return None
    return Stage(sum(p.wall for p in parts), sum(p.cpu for p in parts), max(p.peak for p in parts))


def compare(found: Mapping[str, Measured]) -> str:
    """Stage by stage: seconds, seconds of processor and peak memory of each, and how many times as fast ddcrm is."""
    head = ["", *(f"{name} {unit}" for name in ("ddcrm", *RIVALS) for unit in ("s", "CPU s", "peak MiB")),
            *(f"times {name}" for name in RIVALS)]  # fmt: skip
    rows = []
    for title, marks in STAGES.items():
        stages = {name: stage_of(found[name], marks) for name in ("ddcrm", *RIVALS)}
        ours = stages["ddcrm"]
        times = [f"{other.wall / ours.wall:.1f}" if ours and other else "" for other in map(stages.get, RIVALS)]
        rows.append([title, *(cell for one in stages.values() for cell in _cells(one)), *times])
    return markdown(head, rows)


def _cells(stage: Stage | None) -> list[str]:
    return [f"{stage.wall:.2f}", f"{stage.cpu:.2f}", f"{stage.peak:,.0f}"] if stage else ["", "", ""]


def agreement(found: Mapping[str, Measured]) -> str:
    """Whether they answered the same question alike: sums of the summary, likelihoods on it, and value."""
    names = ("ddcrm", *RIVALS)
    likelihoods = found["ddcrm"].facts["log_likelihoods"]
    rows = [[what, *(_number(found[name].facts["sums"].get(what)) for name in names)]
            for what in found["ddcrm"].facts["sums"]]  # fmt: skip
    rows += [[f"log-likelihood of {model}", *(_number(values.get(name)) for name in names)]
             for model, values in likelihoods.items()]  # fmt: skip
    versions = "; ".join(f"{name} {found[name].facts['version']}" for name in names)
    return f"{markdown(['', *names], rows)}\n\nVersions: {versions}."


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}"
