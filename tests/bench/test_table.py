"""The comparison: what is added up, what is set against what, and the Markdown of it."""

from __future__ import annotations

from bench.marks import Marks, Part
from bench.measure import Measured, from_marks
from bench.table import Cost, compare, details, markdown, parts_of, ratio, total


def process(name: str, wall: float, *parts: tuple[str, float]) -> Measured:
    return Measured(name, wall, 2 * wall, 100 * wall, tuple(Part(part, took, took, took) for part, took in parts))


DAY = {
    "extract": process("extract", 1.0),
    "transform": process("transform", 1.0),
    "validate": process("validate", 2.0),
    "score": process("score", 5.0, ("start", 1.0), ("features", 1.5), ("scores", 2.0), ("write", 0.4), ("end", 0.1)),
    "publish": process("publish", 6.0),
}
TRAIN = process("train", 5.0)
SCRIPT = process("script", 100.0, ("imports", 4.0), ("read", 6.0), ("summary", 10.0), ("fit BG/NBD", 8.0),
                 ("fit Gamma-Gamma", 2.0), ("predict", 1.0), ("CLV", 8.0), ("RFM", 1.0), ("k-means", 10.0),
                 ("to_sql", 50.0))  # fmt: skip


def rows_of(text: str) -> dict[str, list[str]]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]
    return {line[0]: line[1:] for line in lines}


def test_stages_and_totals() -> None:
    rows = rows_of(compare(DAY, TRAIN, SCRIPT))
    assert rows["take in the orders"] == ["4.0", "8.0", "200", "6.0", "6.0", "6", "0.67"]
    assert rows["features"][::3] == ["2.5", "10.0", "0.25"]
    assert rows["scores and segments"][::3] == ["2.5", "10.0", "0.25"]
    assert rows["publish"][::3] == ["6.0", "50.0", "0.12"]
    assert rows["fits"][::3] == ["5.0", "20.0", "0.25"]
    assert rows["**the day as it is run: ddcrm without fits, the script with them**"][::3] == ["15.0", "100.0", "0.15"]
    assert rows["the day, both with fits"][::3] == ["20.0", "100.0", "0.20"]
    assert rows["the day, both without fits"][::3] == ["15.0", "80.0", "0.19"]


def test_every_part_of_both_is_in_one_stage() -> None:
    """The stages' seconds add up to the totals: nothing is left out, nothing counts twice."""
    rows = rows_of(compare(DAY, TRAIN, SCRIPT))
    stages = list(rows.values())[:5]
    assert sum(float(row[0] or 0) for row in stages) == 15.0
    assert sum(float(row[3]) for row in stages) + float(rows["fits"][3]) == 100.0


def test_costs_add_up_and_peaks_do_not() -> None:
    assert total([TRAIN, DAY["publish"]]) == Cost(11.0, 22.0, 600.0)
    assert parts_of(DAY["score"], ("start", "write")) == Cost(1.4, 1.4, 1.0)
    assert parts_of(DAY["score"], ()) == Cost(5.0, 10.0, 500.0)


def test_a_ratio_needs_both_sides() -> None:
    assert ratio(Cost(1.0, 1.0, 1.0), Cost(8.0, 1.0, 1.0)) == "0.12"
    assert ratio(Cost(), Cost(8.0, 1.0, 1.0)) == ratio(Cost(1.0, 1.0, 1.0), Cost()) == ""


def test_details_name_each_part_once() -> None:
    text = details([process("publish", 6.0, ("load", 2.0), ("load", 1.0), ("swap", 0.01), ("audit", 2.5))])
    assert text.splitlines()[-1] == "| publish | 6.0 | 12.0 | 600 | load 3.0, audit 2.5 |"
    assert markdown(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


def test_marks_measure_what_ran_between_them() -> None:
    marks = Marks()
    held = bytearray(200 << 20)
    held[::4096] = b"x" * len(held[::4096])
    marks.end("large")
    del held
    marks.end("small")
    large, small = marks.parts
    assert [large.name, small.name] == ["large", "small"]
    assert large.peak > 200
    assert 0 <= small.wall < 60


def test_the_greater_peak_counts() -> None:
    left = {"parts": [{"name": "one", "wall": 1.0, "cpu": 1.0, "peak": 300.0}], "rows": 7}
    found = from_marks("step", 2.0, 2.0, 200.0, left)
    assert (found.peak, found.facts) == (300.0, {"rows": 7})
