"""JSON lines: values as written, nested ones as JSON, and errors that name the line."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest

from ddcrm.contracts.model import Server
from ddcrm.errors import MalformedDataError, MissingDataError, StorageFullError
from ddcrm.settings import Settings
from ddcrm.sources import json_lines, spool
from tests.sources.support import contract, read_all, rows


def read(folder: Path, data: bytes | str, allow_empty: bool = False, **options: str) -> pa.Table:
    """Write `data` as a file of JSON lines and read it."""
    (folder / "shop.jsonl").write_bytes(data.encode() if isinstance(data, str) else data)
    server = Server("file", format="jsonl", path="shop.jsonl", options=options)
    [table] = read_all(contract(server, allow_empty=allow_empty), Settings(sources_dir=folder))
    return table


def test_numbers_keep_their_digits(tmp_path: Path) -> None:
    numbers = ["1.10", "12345678901234567890.123456789", "1e5", "-0", "0.1", "9007199254740993"]
    table = read(tmp_path, "".join(f'{{"n": {number}, "in": [{number}]}}\n' for number in numbers))
    assert table["n"].to_pylist() == numbers
    assert table["in"].to_pylist() == [f"[{number}]" for number in numbers]


def test_values_of_each_kind(tmp_path: Path) -> None:
    table = read(tmp_path, '{"a":"", "b":" x\\n", "c":true, "d":null, "e":{"k": [1, {"ü": null}], "q": "\\""}}\n')
    assert rows(table) == [("", " x\n", "true", None, '{"k":[1,{"ü":null}],"q":"\\""}')]
    assert json.loads(table["e"][0].as_py()) == {"k": [1, {"ü": None}], "q": '"'}


def test_columns_of_all_lines_and_their_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_ROWS", 2)
    monkeypatch.setattr(spool, "_IN_MEMORY", 100)
    table = read(tmp_path, '{"a":1}\n\n{"b":2}\r\n{"c":3,"a":4}\n  \n{}\n{"d":5}')
    assert rows(table, "a", "b", "c", "d", "_line") == [
        ("1", None, None, None, 1),
        (None, "2", None, None, 3),
        ("4", None, "3", None, 4),
        (None, None, None, None, 6),
        (None, None, None, "5", 7),
    ]


@pytest.mark.usefixtures("small_blocks")
def test_blocks_may_end_anywhere(tmp_path: Path) -> None:
    written = [{"id": n, "name": "ü€" * (n % 40)} for n in range(200)]
    data = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in written)
    for packed in (data.encode(), gzip.compress(data.encode()), data.encode("utf-8-sig"), data.encode("utf-16")):
        assert rows(read(tmp_path, packed)) == [(str(row["id"]), row["name"]) for row in written]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"name": "Anna"', "a line that is not JSON: Expecting ',' delimiter, at character 16"),
        ("Anna", "a line that is not JSON: Expecting value, at character 1"),
        ('{"name": NaN}', "a line that is not JSON: NaN is not JSON"),
        ('{"name": "Anna", "name": 2}', "a line that is not JSON: the key 'name' stands twice in one object"),
        ('{"a": {"k": "Anna", "k": 2}}', "a line that is not JSON: the key 'k' stands twice in one object"),
        ('["Anna"]', "a line that is not a JSON object"),
        ("null", "a line that is not a JSON object"),
        ("[" * 100_000, "a line that is not JSON: it is nested too deeply"),
        ('{"name": "Anna \\ud800"}', "text that is not Unicode (half of a surrogate pair)"),
    ],
)
def test_a_bad_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(MalformedDataError) as caught:
        read(tmp_path, f'{{"id": 1}}\n\n{line}\n{{"id": 2}}\n')
    error = caught.value
    assert error.message == message
    assert (error.source, error.partition, error.file, error.row) == ("shop", "2026-03-05", "shop.jsonl", 3)
    assert error.hint
    assert "Anna" not in str(error)


def test_an_array_instead_of_lines(tmp_path: Path) -> None:
    with pytest.raises(MalformedDataError, match="one object a line instead of one array"):
        read(tmp_path, '[{"id": 1},\n{"id": 2}]\n')


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(MalformedDataError) as caught:
        read(tmp_path, b'{"id": 1}\n{"id": "\xff"}\n')
    assert (caught.value.message, caught.value.row, caught.value.byte) == ("a byte that is not utf-8", 2, 18)
    with pytest.raises(MalformedDataError, match="a NUL byte"):
        read(tmp_path, b'{"id": 1}\0\n')


def test_a_gzip_that_was_cut_off(tmp_path: Path) -> None:
    data = gzip.compress(b"".join(b'{"id": %d, "x": %d}\n' % (n, n * n) for n in range(10_000)))
    with pytest.raises(MalformedDataError, match="ends too early"):
        read(tmp_path, data[:-2000])


def test_names_that_differ_only_in_case(tmp_path: Path) -> None:
    with pytest.raises(MalformedDataError, match="'id' and 'ID' differ only in case"):
        read(tmp_path, '{"id": 1}\n{"ID": 2}\n')
    with pytest.raises(MalformedDataError, match="keeps for itself"):
        read(tmp_path, '{"_Line": 1}\n')


def test_a_line_without_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "LONGEST_LINE", 1000)
    monkeypatch.setattr("ddcrm.sources.bytestream.BLOCK_BYTES", 300)
    with pytest.raises(MalformedDataError, match=r"a line of more than .* row 2"):
        read(tmp_path, '{"id": 1}\n{"id": "' + "x" * 5000)


@pytest.mark.parametrize("data", ["", "\n \n"])
def test_nothing(tmp_path: Path, data: str) -> None:
    with pytest.raises(MissingDataError, match="the file is empty"):
        read(tmp_path, data)
    assert read(tmp_path, data, allow_empty=True).schema.names[:3] == ["id", "name", "amount"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", lambda max_size: open("/dev/full", "r+b", buffering=0))  # noqa: SIM115
    with pytest.raises(StorageFullError, match="no space left"):
        read(tmp_path, '{"id": 1}\n')
