"""Landing: whatever arrives fits, a batch replaces its own partition whole, nothing is visible before the commit."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from datetime import date

import pyarrow as pa
import pytest

from ddcrm.dates import DateRange
from ddcrm.errors import MalformedDataError, SourceError
from ddcrm.lake.engine import Engine, read_parquet
from ddcrm.lake.landing import land
from ddcrm.lake.layout import days, landing_table
from tests.lake.conftest import Part, land_rows, order, part


def landed(engine: Engine, columns: str = "*") -> list[tuple[object, ...]]:
    files = landing_table(engine.settings, "shop").files()
    return engine.con.execute(f"SELECT {columns} FROM {read_parquet(files)} ORDER BY _batch_date, _line").fetchall()


def test_text_is_kept_exactly(engine: Engine) -> None:
    rows = [{"a": " 007 "}, {"a": ""}, {"a": None}, {"a": "1.50"}, {"a": "Ünïcode 'quote' \"double\""}]
    land_rows(engine, "2026-01-05", rows)
    assert landed(engine, "a, _line") == [
        (" 007 ", 2),
        ("", 3),
        (None, 4),
        ("1.50", 5),
        ("Ünïcode 'quote' \"double\"", 6),
    ]


def test_a_batch_replaces_its_own_day_and_no_other(engine: Engine) -> None:
    land_rows(engine, "2026-01-05", [order("1"), order("2")])
    land_rows(engine, "2026-01-06", [order("3")])
    result = land_rows(engine, "2026-01-05", [order("4")])
    assert result.rows == {date(2026, 1, 5): 1}
    assert landed(engine, "OrderNo, _batch_date") == [("4", "2026-01-05"), ("3", "2026-01-06")]


def test_columns_may_come_and_go(engine: Engine) -> None:
    land_rows(engine, "2026-01-05", [{"a": "1", "with space, and comma": "x"}])
    land_rows(engine, "2026-01-06", [{"a": "2", "new": "y"}])
    land_rows(engine, "2026-01-07", [{"b": "3"}])
    assert landed(engine, 'a, "with space, and comma", new, b') == [
        ("1", "x", None, None),
        ("2", None, "y", None),
        (None, None, None, "3"),
    ]


def test_an_empty_day_has_landed(engine: Engine) -> None:
    land_rows(engine, "2026-01-05", [order("1")])
    result = land_rows(engine, "2026-01-05", [], columns=["OrderNo", "Cust"])
    assert result.rows == {date(2026, 1, 5): 0}
    table = landing_table(engine.settings, "shop")
    assert len(table.files(days("_batch_date", DateRange.parse("2026-01-05")))) == 1
    assert landed(engine) == []


def test_a_range_is_one_commit(engine: Engine) -> None:
    dates = DateRange.parse("2026-01-05", "2026-01-08")
    first = land(
        engine,
        "shop",
        dates,
        [
            part("2026-01-05", [order("1")]),
            part("2026-01-07", [order("2"), order("3")]),
            part("2026-01-06", [], ["OrderNo"]),
            part("2026-01-08", [], ["OrderNo"]),
        ],
    )
    assert [first.rows[day] for day in dates] == [1, 0, 2, 0]
    assert land_rows(engine, "2026-01-09", [order("4")]).version == first.version + 1


def test_a_source_that_fails_in_the_middle_leaves_nothing(engine: Engine) -> None:
    land_rows(engine, "2026-01-05", [order("1")])

    def batches() -> object:
        yield part("2026-01-05", [order("9")]).reader.read_next_batch()
        raise RuntimeError("gone")

    class Broken(Part):
        def check(self) -> None:
            raise MalformedDataError("the file ends in the middle", source="shop", row=3)

    good = part("2026-01-05", [order("8")])
    broken = Broken(good.dates, pa.RecordBatchReader.from_batches(good.reader.schema, batches()))  # type: ignore[arg-type]
    with pytest.raises(MalformedDataError, match="row 3"):
        land(engine, "shop", DateRange.parse("2026-01-05"), [good, broken])
    assert landed(engine, "OrderNo") == [("1",)]
    folder = landing_table(engine.settings, "shop").folder
    assert len(list(folder.rglob("*.parquet"))) == 1


def test_columns_that_differ_in_case_only_are_refused(engine: Engine) -> None:
    with pytest.raises(SourceError, match="amount"):
        land_rows(engine, "2026-01-05", [{"Amount": "1", "amount": "2"}])


WRITER = """
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[3])
    from ddcrm.lake.engine import Engine
    from ddcrm.settings import load_settings
    from tests.lake.conftest import land_rows, order
    with Engine(load_settings(Path(sys.argv[1]))) as engine:
        for _ in range(5):
            land_rows(engine, "2026-01-05", [order(sys.argv[2] + str(n)) for n in range(10)])
"""


def test_two_writers_of_one_day_end_as_one_of_them(engine: Engine) -> None:
    root = str(engine.settings.project_dir)
    repository = str(__import__("pathlib").Path(__file__).parents[2])
    writers = [
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(WRITER), root, name, repository]) for name in "ab"
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    numbers = [row[0] for row in landed(engine, "OrderNo")]
    assert len(numbers) == 10
    assert len({number[0] for number in numbers}) == 1


def test_a_large_part_lands_as_a_small_one_does(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"a": str(n), "b": None if n % 3 else f"x{n}"} for n in range(50)]
    land_rows(engine, "2026-01-05", rows)
    small = landed(engine)
    monkeypatch.setattr("ddcrm.lake.landing._SMALL_ROWS", 10)
    land_rows(engine, "2026-01-05", rows)
    assert landed(engine) == small
    assert len(small) == 50
