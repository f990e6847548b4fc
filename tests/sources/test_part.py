"""Whoever reads a part through an engine gets the source's own error, and never takes a broken part for a whole one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

from ddcrm import progress
from ddcrm.errors import MalformedDataError, MissingDataError
from ddcrm.settings import Settings
from ddcrm.sources import Part, open_source, translate_errors
from tests.sources.support import csv_contract, days, read_part

pytestmark = pytest.mark.usefixtures("small_blocks")


def opened(folder: Path, data: str) -> Part:
    """The part of a CSV file."""
    (folder / "shop.csv").write_text(data)
    [part] = open_source(csv_contract(), Settings(sources_dir=folder), days())
    return part


@pytest.fixture
def broken(tmp_path: Path) -> Part:
    """A part whose 1001st line is wrong, and which has been opened without a complaint."""
    return opened(tmp_path, "id,name,amount\n" + "1,Anna,2\n" * 999 + "2,Anna\n" + "3,b,4\n" * 999)


def copied(part: Part, folder: Path) -> int:
    """Let DuckDB write the part to Parquet, and count what arrived."""
    with duckdb.connect() as connection:
        connection.register("part", part.reader)
        connection.execute(f"COPY (SELECT * FROM part) TO '{folder / 'out.parquet'}' (FORMAT parquet)")
        return connection.execute(f"SELECT count(*) FROM '{folder / 'out.parquet'}'").fetchall()[0][0]


def test_the_engine_reads_all(tmp_path: Path) -> None:
    part = opened(tmp_path, "id,name,amount\n" + "1,Anna,2\n" * 1000)
    with translate_errors(part):
        assert copied(part, tmp_path) == 1000
    assert (part.rows, part.finished, part.error) == (1000, True, None)
    part.check()


def test_the_original_error_comes_back_through_the_engine(broken: Part, tmp_path: Path) -> None:
    with pytest.raises(MalformedDataError) as caught, translate_errors(broken):
        copied(broken, tmp_path)
    assert (caught.value.row, caught.value.message) == (1001, "too few fields: 2 instead of 3")
    assert caught.value is broken.error
    assert not broken.finished


def test_the_engine_itself_fails_with_its_own_error(broken: Part, tmp_path: Path) -> None:
    with pytest.raises(duckdb.Error) as caught:
        copied(broken, tmp_path)
    assert not isinstance(caught.value, MalformedDataError)
    assert "Anna" not in str(caught.value)
    with pytest.raises(MalformedDataError):
        broken.check()


def test_an_error_that_the_engine_swallowed_comes_all_the_same(broken: Part) -> None:
    def read_and_swallow() -> None:
        with translate_errors(broken), suppress(Exception):
            broken.reader.read_all()

    with pytest.raises(MalformedDataError):
        read_and_swallow()


def test_other_errors_pass(tmp_path: Path) -> None:
    part = opened(tmp_path, "id\n1\n")
    with pytest.raises(ZeroDivisionError), translate_errors(part):
        raise ZeroDivisionError


def test_progress_is_told(tmp_path: Path) -> None:
    heard: list[tuple[str, object]] = []
    with progress.listening(lambda name, facts: heard.append((name, facts.get("rows")))):
        (tmp_path / "shop.csv").write_text("id,name,amount\n" + "1,Anna,2\n" * 100)
        for part in open_source(csv_contract(), Settings(sources_dir=tmp_path), days()):
            read_part(part)
    names = [name for name, _ in heard]
    assert names[:2] == ["source.begin", "source.opened"]
    assert names[-2:] == ["source.read", "source.end"]
    assert ("source.read", 100) in heard
    assert sum(int(str(rows)) for name, rows in heard if name == "source.batch") == 100


def test_nothing_is_read_before_it_is_asked_for(settings: Settings) -> None:
    parts = open_source(csv_contract("nowhere.csv"), settings, days())
    with pytest.raises(MissingDataError):
        next(parts)
