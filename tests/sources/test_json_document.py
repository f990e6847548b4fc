"""A JSON document: an array or objects in a row, wherever its lines break."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from ddcrm.contracts.model import Server
from ddcrm.errors import MalformedDataError, MissingDataError
from ddcrm.settings import Settings
from ddcrm.sources import json_document
from tests.sources.support import contract, read_all, rows


def read(folder: Path, text: str, allow_empty: bool = False) -> pa.Table:
    """Write `text` as a JSON file and read it."""
    (folder / "shop.json").write_text(text, encoding="utf-8")
    server = Server("file", format="json", path="shop.json")
    [table] = read_all(contract(server, allow_empty=allow_empty), Settings(sources_dir=folder))
    return table


@pytest.mark.parametrize(
    "text",
    [
        '[{"id": 1.10, "in": {"a": [2.0]}}, {"id": 2}]',
        '{"id": 1.10, "in": {"a": [2.0]}}{"id": 2}',
        ' {"id": 1.10, "in": {"a": [2.0]}}  {"id": 2} ',
    ],
)
def test_objects_on_one_line(tmp_path: Path, text: str) -> None:
    assert rows(read(tmp_path, text), "id", "in", "_line") == [("1.10", '{"a":[2.0]}', 1), ("2", None, 1)]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("array", [True, False])
def test_objects_over_many_lines(tmp_path: Path, array: bool) -> None:
    written = [{"id": n, "name": "ü€\n" * (n % 30), "list": list(range(n % 5))} for n in range(100)]
    pretty = [json.dumps(row, indent=2, ensure_ascii=False) for row in written]
    text = "[\n" + ",\n".join(pretty) + "\n]\n" if array else "\n".join(pretty)
    table = read(tmp_path, text)
    assert table["id"].to_pylist() == [str(n) for n in range(100)]
    assert table["name"].to_pylist() == [row["name"] for row in written]
    lines = [line for line, content in enumerate(text.split("\n"), 1) if content == "{"]
    assert table["_line"].to_pylist() == lines


def test_lines_of_objects_are_a_document_too(tmp_path: Path) -> None:
    assert rows(read(tmp_path, '{"id": 1}\r\n\r\n{"id": 2}\n'), "id", "_line") == [("1", 1), ("2", 3)]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ('[{"id": 1},\n\n{"id": 2', "an object that is not JSON", 3),
        ('[{"id": 1},\n{"id": 2}\n', "the array does not end: was the file cut off?", 3),
        ('[{"id": 1},\n', "the array does not end: was the file cut off?", 2),
        ('[{"id": 1}\n{"id": 2}]', "a comma is missing between two objects of the array", 2),
        ('[{"id": 1},\n]', "a row that is not a JSON object", 2),
        ('[{"id": 1}]\n\n{"id": 2}', "something follows the array", 3),
        ('[{"id": 1},\n"Anna"]', "a row that is not a JSON object", 2),
        ('{"id": 1}\nAnna', "a row that is not a JSON object", 2),
        ('{"id": 1}\n{"a": 1,\n\n "Anna"}\n{"id": 2}', "an object that is not JSON: Expecting ':' delimiter", 4),
        ('{"id": 1}\n{"a": 1,\n "a": 2}', "an object that is not JSON: the key 'a' stands twice in one object", 2),
    ],
)
def test_what_is_no_document(tmp_path: Path, text: str, message: str, line: int) -> None:
    with pytest.raises(MalformedDataError) as caught:
        read(tmp_path, text)
    error = caught.value
    assert error.message.startswith(message)
    assert (error.source, error.partition, error.file, error.row) == ("shop", "2026-03-05", "shop.json", line)
    assert "Anna" not in str(error)


def test_an_object_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_document, "LONGEST_LINE", 1000)
    monkeypatch.setattr("ddcrm.sources.bytestream.BLOCK_BYTES", 300)
    with pytest.raises(MalformedDataError, match=r"an object that is not JSON.* row 2"):
        read(tmp_path, '{"id": 1}\n{"id": "' + "x" * 5000)


@pytest.mark.parametrize("text", ["", " \n", "[]", "[ \n ]\n"])
def test_nothing(tmp_path: Path, text: str) -> None:
    with pytest.raises(MissingDataError, match="the file is empty"):
        read(tmp_path, text)
    assert read(tmp_path, text, allow_empty=True).num_rows == 0
