"""CSV that can't be read: the error names source, partition, file, line and column, what to do, and no value."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from ddcrm.errors import ContractError, MalformedDataError, MissingDataError
from ddcrm.settings import Settings
from ddcrm.sources import csv_file
from tests.sources.support import DAY, csv_contract, read_all, read_csv, squeezed

HEADER = "id,name,amount\n"
GOOD = "1,Anna,2\n"


def failure(folder: Path, data: bytes | str, **options: Any) -> MalformedDataError:
    """The error of reading `data`; checks that it says where, and what to do."""
    with pytest.raises(MalformedDataError) as caught:
        read_csv(folder, data, **options)
    error = caught.value
    assert (error.source, error.partition, error.file) == ("shop", DAY, "shop.csv")
    assert error.hint
    assert "Anna" not in str(error)
    assert error.__cause__ is None  # a log prints causes, and pyarrow's quotes the row
    return error


@pytest.mark.parametrize(
    ("line", "message", "column"),
    [
        ("2,Anna", "too few fields: 2 instead of 3", "amount"),
        ("Anna", "too few fields: 1 instead of 3", "name"),
        (" ", "too few fields: 1 instead of 3", "name"),
        ("2,Anna,3,4", "too many fields: 4 instead of 3", None),
        ('2,"Anna,3', "a quote never closes", "name"),
        ('2,x,"Anna', "a quote never closes", "amount"),
        ('2,"An"na,3', "text behind a closing quote", "name"),
        ('2,"Anna" ,3', "text behind a closing quote", "name"),
        ("2,An\rna,3", "a carriage return without a line feed", "name"),
    ],
)
@pytest.mark.parametrize("before", ["", '1,"a\n\nb",2\n' * 3])
@pytest.mark.parametrize("behind", ["", '3,Berta,4\n4,"x\ny",5\n', "3,Berta,4\n" * 5])
def test_a_bad_line(tmp_path: Path, before: str, line: str, behind: str, message: str, column: str | None) -> None:
    error = failure(tmp_path, f"{HEADER}{GOOD}{before}{line}\n{behind}")
    assert error.message == message
    assert (error.row, error.column) == (3 + before.count("\n"), column)


@pytest.mark.usefixtures("small_blocks")
def test_a_bad_line_far_behind(tmp_path: Path) -> None:
    error = failure(tmp_path, HEADER + '1,"a\nb",2\n' * 500 + "2,Anna\n" + GOOD * 500)
    assert (error.message, error.row) == ("too few fields: 2 instead of 3", 1002)


@pytest.mark.usefixtures("small_blocks")
def test_a_quote_that_opens_far_behind(tmp_path: Path) -> None:
    error = failure(tmp_path, HEADER + '1,"a\nb",2\n' * 100 + '2,"Anna,3\n' + "3,b,4\n" * 500)
    assert (error.message, error.row, error.column) == ("a quote never closes", 202, "name")


def test_a_quote_that_stays_open_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "LONGEST_RECORD", 1000)
    monkeypatch.setattr("ddcrm.sources.bytestream.BLOCK_BYTES", 300)
    error = failure(tmp_path, HEADER + '2,"Anna,3\n' + "3,b,4\n" * 5000)
    assert (error.message, error.row) == ("a quote never closes", 2)


def test_no_line_break_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "LONGEST_RECORD", 1000)
    monkeypatch.setattr("ddcrm.sources.bytestream.BLOCK_BYTES", 300)
    assert failure(tmp_path, HEADER + "Anna," * 5000).row == 2


def test_an_open_quote_in_the_header(tmp_path: Path) -> None:
    error = failure(tmp_path, 'id,"name,amount\n1,a,2\n')
    assert (error.message, error.row, error.column) == ("a quote never closes", 1, 2)


def test_a_file_cut_off_in_its_last_line(tmp_path: Path) -> None:
    error = failure(tmp_path, HEADER + GOOD + "2,Anna")
    assert error.row == 3
    assert "cut off" in str(error.hint)


def test_a_delimiter_at_the_end_of_each_line(tmp_path: Path) -> None:
    error = failure(tmp_path, HEADER + "1,Anna,2,\n")
    assert error.message == "too many fields: 4 instead of 3"
    assert "ends with a delimiter" in str(error.hint)


@pytest.mark.parametrize(("mark", "shown"), [(";", "';'"), ("\t", "a tab"), ("|", "'|'")])
def test_the_wrong_delimiter(tmp_path: Path, mark: str, shown: str) -> None:
    error = failure(tmp_path, (HEADER + "1,Anna,2\n").replace(",", mark))
    assert error.message == f"one column where the contract has 3: the delimiter looks like {shown}, not ','"
    assert error.row == 1


def test_the_wrong_delimiter_without_a_header(tmp_path: Path) -> None:
    error = failure(tmp_path, "1;Anna;2,5\n2;b;3,5\n", header=False, columns=("id", "name", "amount"))
    assert error.message.startswith("too few fields")  # the decimal comma splits the line in two
    error = failure(tmp_path, "1;Anna;2\n", header=False, columns=("id", "name", "amount"))
    assert "looks like ';'" in error.message


def test_one_column_is_no_wrong_delimiter_where_none_is_in_sight(tmp_path: Path) -> None:
    assert read_csv(tmp_path, "id\n1\n").num_rows == 1


def test_the_wrong_encoding(tmp_path: Path) -> None:
    data = HEADER.encode() + GOOD.encode() + "2,Müller,3\n".encode("latin-1")
    error = failure(tmp_path, data)
    assert error.message == "a byte that is not utf-8"
    assert (error.row, error.byte) == (3, data.index(b"\xfc"))
    assert "cp1252" in str(error.hint)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16", "shift_jis"])
def test_the_wrong_encoding_far_behind(tmp_path: Path, codec: str) -> None:
    head = (HEADER + "1,é€,2\n" * 100).encode(codec, "replace")
    bad = b"\x00\xd8" * 3 if codec.startswith("utf-16") else b"\xff"
    error = failure(tmp_path, head + bad + ",3\n".encode("utf-16-le" if "16" in codec else codec), encoding=codec)
    assert (error.row, error.byte) == (102, len(head))


def test_utf_16_without_its_mark(tmp_path: Path) -> None:
    error = failure(tmp_path, (HEADER + GOOD).encode("utf-16-le"))
    assert (error.message, error.row) == ("a NUL byte", 1)
    assert "UTF-16" in str(error.hint)
    assert "byte order" in str(failure(tmp_path, (HEADER + GOOD).encode("utf-16-le"), encoding="utf-16").hint)


def test_an_encoding_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="no encoding 'utf-9'"):
        read_csv(tmp_path, HEADER + GOOD, encoding="utf-9")


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_nul_byte(tmp_path: Path, mark: bytes) -> None:
    data = mark + HEADER.encode() + b"1,An\0na,2\n"
    error = failure(tmp_path, data)
    assert (error.message, error.row, error.byte) == ("a NUL byte", 2, data.index(b"\0"))


def test_a_gzip_that_was_cut_off(tmp_path: Path) -> None:
    data = squeezed(["id,name,amount", *(f"{n},{n * 7919 % 1000},{n * n}" for n in range(100_000))])
    assert failure(tmp_path, data[: len(data) // 2]).message == "the gzip file ends too early"
    assert failure(tmp_path, data[:-4]).message == "the gzip file ends too early"
    assert failure(tmp_path, data[:12]).message == "the gzip file ends too early"


def test_a_gzip_that_was_changed(tmp_path: Path) -> None:
    data = bytearray(squeezed(["id,name,amount", "1,a,2"]))
    data[-6] ^= 255  # its checksum
    assert failure(tmp_path, bytes(data)).message == "the gzip file is damaged"


def test_a_compression_that_is_not_there(tmp_path: Path) -> None:
    assert failure(tmp_path, HEADER + GOOD, compression="gzip").message == "the file is not compressed with gzip"
    with pytest.raises(MalformedDataError):  # compressed bytes are no text
        read_csv(tmp_path, gzip.compress(HEADER.encode()), compression="none")


@pytest.mark.parametrize(
    ("header", "message", "column"),
    [
        ("id,name,id", "two columns are called 'id'", "id"),
        ("id,name,ID", "'id' and 'ID' differ only in case", "ID"),
        ("id,_line,amount", "the source has a column '_line', a name that landing keeps for itself", "_line"),
        ("id,_Source,amount", "the source has a column '_Source', a name that landing keeps for itself", "_Source"),
        ("_batch_date,name,amount", "the source has a column '_batch_date', a name that landing keeps for itself",
         "_batch_date"),
    ],
)  # fmt: skip
def test_bad_names(tmp_path: Path, header: str, message: str, column: str) -> None:
    error = failure(tmp_path, f"{header}\n1,2,3\n")
    assert (error.message, error.row, error.column) == (message, 1, column)


@pytest.mark.parametrize(
    ("data", "message", "column"),
    [
        ("7,anna.berg@example.com,anna.berg@example.com\n1,2,3\n", "the columns 2 and 3 are called the same", 3),
        ("7,2026001,anna.berg@example.com\n1,2\n", "too few fields: 2 instead of 3", 3),
        ('7,2026001,anna.berg@example.com\n1,2,"x\n', "a quote never closes", 3),
    ],
)
def test_values_in_the_place_of_a_header_are_not_told(tmp_path: Path, data: str, message: str, column: int) -> None:
    error = failure(tmp_path, data)
    assert "anna" not in str(error)
    assert (error.message[: len(message)], error.column) == (message, column)


@pytest.mark.parametrize("data", ["", "\n\n", "\ufeff"])
def test_an_empty_file(tmp_path: Path, data: str) -> None:
    with pytest.raises(MissingDataError) as caught:
        read_csv(tmp_path, data)
    assert caught.value.message == "the file is empty"
    assert (caught.value.source, caught.value.partition, caught.value.file) == ("shop", DAY, "shop.csv")
    assert read_csv(tmp_path, data, allow_empty=True).schema.names[:3] == ["id", "name", "amount"]


def test_an_empty_gzip(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="the file is empty"):
        read_csv(tmp_path, gzip.compress(b""))


@pytest.mark.parametrize("data", ["id,other\n", "id,other", "id,other\r\n\r\n"])
def test_a_header_alone(tmp_path: Path, data: str) -> None:
    with pytest.raises(MissingDataError, match="a header and no rows"):
        read_csv(tmp_path, data)
    table = read_csv(tmp_path, data, allow_empty=True)
    assert table.num_rows == 0
    assert table.schema.names == ["id", "other", "_source", "_line", "_batch_date"]


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": ";;"},
        {"delimiter": '"'},
        {"quote": ","},
        {"escape": ","},
        {"delimiter": "\n"},
        {"delimiter": "whitespace", "quote": '"'},
        {"header": False},
    ],
)
def test_a_dialect_that_makes_no_sense(settings: Settings, tmp_path: Path, options: dict[str, Any]) -> None:
    (tmp_path / "shop.csv").write_text(HEADER + GOOD)
    with pytest.raises(ContractError):
        read_all(csv_contract(**options), settings)
