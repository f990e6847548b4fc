"""The tables of the report, from what was measured: pure functions to Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.marks import Part
from bench.measure import Measured

FITS = ("fit BG/NBD", "fit Gamma-Gamma", "k-means")
STAGES: tuple[tuple[str, dict[str, tuple[str, ...]], tuple[str, ...]], ...] = (
    ("start", {}, ("imports",)),
    ("take in the orders", {"extract": (), "transform": (), "validate": ()}, ("read",)),
    ("features", {"score": ("start", "features")}, ("summary",)),
    ("scores and segments", {"score": ("scores", "write", "end")}, ("predict", "CLV", "RFM")),
    ("publish", {"publish": ()}, ("to_sql",)),
)
"""What is set against each other: name, ddcrm's steps with the parts that count (none: the whole), the script's parts.

The script's k-means is a fit; ddcrm's processes start within their steps.
"""


@dataclass(frozen=True)
class Cost:
    """What something took; the peak is that of its largest process."""

    wall: float = 0.0
    cpu: float = 0.0
    peak: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.wall + other.wall, self.cpu + other.cpu, max(self.peak, other.peak))

    @property
    def cells(self) -> list[str]:
        """Seconds, seconds of processor, peak MiB."""
        return [f"{self.wall:.1f}", f"{self.cpu:.1f}", f"{self.peak:,.0f}"] if self.wall else ["", "", ""]


def total(costs: Sequence[Measured | Part]) -> Cost:
    """One after the other."""
    return sum((Cost(one.wall, one.cpu, one.peak) for one in costs), Cost())


def parts_of(measured: Measured, names: Sequence[str]) -> Cost:
    """The parts of a process with these names; the whole of it for no names."""
    return total([part for part in measured.parts if part.name in names] if names else [measured])


def ratio(ours: Cost, theirs: Cost) -> str:
    """ddcrm's seconds as a share of the script's."""
    return f"{ours.wall / theirs.wall:.2f}" if ours.wall and theirs.wall else ""


def compare(day: Mapping[str, Measured], train: Measured, script: Measured) -> str:
    """ddcrm's day beside the script's, stage by stage and in total."""
    rows = [_row(name, _ours(day, steps), parts_of(script, theirs)) for name, steps, theirs in STAGES]
    ours, theirs = total(list(day.values())), total([script])
    trained, fits = total([train]), parts_of(script, FITS)
    rows.append(_row("fits", trained, fits))
    rest = Cost(theirs.wall - fits.wall, theirs.cpu - fits.cpu, theirs.peak)
    rows += [
        _row("**the day as it is run: ddcrm without fits, the script with them**", ours, theirs),
        _row("the day, both with fits", ours + trained, theirs),
        _row("the day, both without fits", ours, rest),
    ]
    head = ["", "ddcrm s", "CPU s", "peak MiB", "script s", "CPU s", "peak MiB", "ddcrm / script"]
    return markdown(head, rows)


def _ours(day: Mapping[str, Measured], steps: Mapping[str, Sequence[str]]) -> Cost:
    return sum((parts_of(day[step], names) for step, names in steps.items()), Cost())


def _row(name: str, ours: Cost, theirs: Cost) -> list[str]:
    return [name, *ours.cells, *theirs.cells, ratio(ours, theirs)]


def details(processes: Sequence[Measured]) -> str:
    """Each process and where its seconds went."""
    rows = [[one.name, *total([one]).cells, ", ".join(_parts(one))] for one in processes]
    return markdown(["process", "s", "CPU s", "peak MiB", "of which"], rows)


def _parts(measured: Measured) -> list[str]:
    """Its parts with their seconds, in order, those of one name together."""
    seconds: dict[str, float] = {}
    for part in measured.parts:
        seconds[part.name] = seconds.get(part.name, 0.0) + part.wall
    return [f"{name} {wall:.1f}" for name, wall in seconds.items() if wall >= 0.05]


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are numbers, unless they are headed `of which`."""
    rule = ["---" if not number or name == "of which" else "---:" for number, name in enumerate(head)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))
