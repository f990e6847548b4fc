"""Making the company: the same bytes each time, in place of the one before, and never over what is not ours."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ddcrm import demo, progress
from ddcrm.dates import DateRange
from ddcrm.demo.parameters import Dirt
from ddcrm.errors import SettingsError
from ddcrm.settings import Settings
from tests.demo.conftest import SMALL
from tests.demo.reading import connect

CENTS = DateRange.parse("2026-03-20", "2026-04-15")


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_arguments_give_the_same_bytes_in_every_file(small: Path, tmp_path: Path) -> None:
    demo.make(tmp_path, **SMALL)
    first, second = digests(small), digests(tmp_path)
    assert len(first) == 5 * 46 + 3 + 3  # five sources a day, two stores and the market, the truth
    assert first == second


def test_another_seed_gives_another_company(small: Path, tmp_path: Path) -> None:
    demo.make(tmp_path, seed=2, **SMALL)
    first, second = digests(small), digests(tmp_path)
    assert set(first) == set(second)
    assert first["sources/orders/2026-03-20/orders.csv.gz"] != second["sources/orders/2026-03-20/orders.csv.gz"]


def test_the_summary_says_what_lies_on_the_disk(tmp_path: Path) -> None:
    points: list[str] = []
    with progress.listening(lambda name, facts: points.append(name)):
        summary = demo.make(tmp_path, **SMALL)
    files = [path for path in (tmp_path / "sources").rglob("*") if path.is_file()]
    assert (summary.files, summary.bytes) == (len(files), sum(path.stat().st_size for path in files))
    assert json.loads(json.dumps(summary.as_dict()))["dates"] == "2026-03-01..2026-04-15"
    connection = connect(tmp_path / "sources")
    for source, rows in summary.rows.items():
        assert connection.execute(f"SELECT count(*) FROM {source}").fetchall() == [(rows,)], source
    assert points == ["demo.begin", "demo.drawn", "demo.delivered", "demo.made"]


def test_settings_put_the_truth_beside_their_sources(tmp_path: Path) -> None:
    summary = demo.make(Settings(sources_dir=tmp_path / "demo" / "deliveries"), **SMALL)
    assert summary.folder == tmp_path / "demo"
    assert (tmp_path / "demo" / "deliveries" / "orders" / "2026-03-01" / "orders.csv.gz").is_file()
    assert (tmp_path / "demo" / "truth.json").is_file()


def test_a_company_made_again_replaces_the_one_before(tmp_path: Path) -> None:
    demo.make(tmp_path, **SMALL)
    demo.make(tmp_path, customers=40, first_day="2026-03-01", last_day="2026-03-20")
    assert not (tmp_path / "sources" / "orders" / "2026-04-15").exists()
    assert not (tmp_path / ".making").exists()


def test_what_the_demo_did_not_make_is_left_alone(tmp_path: Path) -> None:
    own = tmp_path / "sources" / "orders.csv"
    own.parent.mkdir()
    own.write_text("mine")
    with pytest.raises(SettingsError, match="did not make"):
        demo.make(tmp_path, **SMALL)
    assert own.read_text() == "mine"


def test_a_make_that_fails_leaves_the_company_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo.make(tmp_path, **SMALL)
    before = digests(tmp_path)

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("ddcrm.demo.company.write_truth", fail)
    with pytest.raises(OSError, match="no space"):
        demo.make(tmp_path, **SMALL | {"customers": 30})
    assert digests(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"customers": 0}, "0 customers"),
        ({"first_day": "2026-04-15"}, "at least two days"),
        ({"first_day": "2026-04-16"}, "ends before it begins"),
        ({"last_day": "15.04.2026"}, "is not a day"),
        ({"variants": {"no such": DateRange.parse("2026-04-01")}}, "no layout 'no such'"),
    ],
)
def test_impossible_arguments_are_refused(arguments: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=words):
        demo.make(tmp_path, **SMALL | arguments)
    assert not (tmp_path / "sources").exists()


def test_no_dirt_means_none(tmp_path: Path) -> None:
    summary = demo.make(tmp_path, dirt=Dirt.none(), **SMALL)
    assert summary.planted == {"orders": {"return": summary.planted["orders"]["return"]}}
    outcome = json.loads((tmp_path / "truth.json").read_text())["sources"]
    assert all(counts["landed"] == counts["conformed"] > 0 for counts in outcome.values())


def test_days_can_have_another_layout(small: Path, tmp_path: Path) -> None:
    """The layout changes the files of its days and nothing else."""
    demo.make(tmp_path, variants={"cents": CENTS}, **SMALL)
    first, second = digests(small / "sources"), digests(tmp_path / "sources")
    changed = {name for name in first if first[name] != second[name]}
    assert changed == {f"orders/{day}/orders.csv.gz" for day in CENTS}
    plain, other = (list(_lines(folder)) for folder in (small, tmp_path))
    position = plain[0].index("Amount")
    assert other[0] == [*plain[0][:position], "total_cents", *plain[0][position + 1 :], "loyalty_tier"]
    assert {row[position + 2] for row in other[1:]} > {"marketplace"}
    amounts = [(old[position], new[position]) for old, new in zip(plain[1:], other[1:], strict=True)]
    assert amounts
    assert all(int(cents) == round(float(euros) * 100) for euros, cents in amounts)


def _lines(folder: Path) -> Iterator[list[str]]:
    for day in CENTS:
        text = gzip.decompress((folder / f"sources/orders/{day}/orders.csv.gz").read_bytes()).decode()
        lines = [line.split(",") for line in text.splitlines()]
        yield from lines if day == CENTS.first else lines[1:]
