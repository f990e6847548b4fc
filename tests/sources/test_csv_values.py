"""CSV: every value exactly as it was received, on the line on which its record starts."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import os
from pathlib import Path

import pyarrow as pa
import pytest

from tests.sources.support import DAY, read_csv, rows

HEADER = "id,name,amount\n"


def test_values_stay_as_they_are(tmp_path: Path) -> None:
    table = read_csv(tmp_path, HEADER + '007, x ,"1,5"\n1e3,"say ""hi""",-0\n')
    assert rows(table) == [("007", " x ", "1,5"), ("1e3", 'say "hi"', "-0")]
    assert table["_source"].to_pylist() == ["shop.csv"] * 2
    assert table["_batch_date"].to_pylist() == [DAY] * 2


def test_a_quoted_empty_field_is_not_null(tmp_path: Path) -> None:
    assert rows(read_csv(tmp_path, HEADER + '1,"",\n,"a",""\n')) == [("1", "", None), (None, "a", "")]


def test_lines_are_physical(tmp_path: Path) -> None:
    data = 'id,"na\nme",amount\n1,a,b\n2,"x\r\ny\n\nz",c\n\n3,"",d\r\n\r\n4,e,"\n"\n5,f,g'
    table = read_csv(tmp_path, data, known=["id"])
    assert rows(table, "id", "_line") == [("1", 3), ("2", 4), ("3", 9), ("4", 11), ("5", 13)]
    assert table["na\nme"].to_pylist()[1] == "x\r\ny\n\nz"


def test_quotes_inside_a_plain_field_are_text(tmp_path: Path) -> None:
    table = read_csv(tmp_path, HEADER + '1,5" pipe,2\n2,a "b" c,3\n3,"x\ny",4\n4,z,"5"\n')
    assert rows(table) == [("1", '5" pipe', "2"), ("2", 'a "b" c', "3"), ("3", "x\ny", "4"), ("4", "z", "5")]
    assert table["_line"].to_pylist() == [2, 3, 4, 6]


@pytest.mark.parametrize("mark", [";", "|", "\t", ":", "\x01", "§"])
def test_any_delimiter(tmp_path: Path, mark: str) -> None:
    data = f'id{mark}name{mark}amount\n1{mark}"a{mark}b"{mark}1,5\n'
    option = "tab" if mark == "\t" else mark
    assert rows(read_csv(tmp_path, data, delimiter=option)) == [("1", f"a{mark}b", "1,5")]


def test_runs_of_blanks(tmp_path: Path) -> None:
    data = ' id  name \t amount\r\n 1   "a   2 \r\n\r\n2 b 3'
    table = read_csv(tmp_path, data, delimiter="whitespace")
    assert rows(table, "id", "name", "amount", "_line") == [("1", '"a', "2", 2), ("2", "b", "3", 4)]


def test_another_quote_or_none(tmp_path: Path) -> None:
    assert rows(read_csv(tmp_path, HEADER + "1,'a,''b',\"c\"\n", quote="'")) == [("1", "a,'b", '"c"')]
    assert rows(read_csv(tmp_path, HEADER + '1,"a,"\n', quote="none")) == [("1", '"a', '"')]


def test_an_escape_protects_special_characters_only(tmp_path: Path) -> None:
    data = HEADER + '1,"a \\"b\\" \\\\",c\\,d\n\\N,"C:\\temp","x""y"\n3,a\\\nb,c\\'
    table = read_csv(tmp_path, data, escape="\\")
    assert rows(table) == [("1", 'a "b" \\', "c,d"), ("\\N", "C:\\temp", 'x"y'), ("3", "a\nb", "c\\")]
    assert table["_line"].to_pylist() == [2, 3, 4]


def test_no_header(tmp_path: Path) -> None:
    table = read_csv(tmp_path, "1,a,2\n2,b,3\n", header=False, columns=("x", "y", "z"))
    assert rows(table, "x", "y", "z", "_line") == [("1", "a", "2", 1), ("2", "b", "3", 2)]


def test_skipped_rows_count_as_lines(tmp_path: Path) -> None:
    table = read_csv(tmp_path, 'report "March\n\nid,name,amount\n1,a,2\n', skip_rows=2)
    assert rows(table, "id", "_line") == [("1", 4)]


def test_columns_without_a_name_get_one(tmp_path: Path) -> None:
    assert read_csv(tmp_path, ",id,\n0,1,2\n").schema.names[:3] == ["column_1", "id", "column_3"]


def test_more_fewer_and_other_columns_than_the_contract_has(tmp_path: Path) -> None:
    table = read_csv(tmp_path, "id,betrag,new\n1,2,3\n")
    assert rows(table, "id", "betrag", "new") == [("1", "2", "3")]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le", "shift_jis"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    name = "ソニー" if encoding == "shift_jis" else "Müller"
    assert rows(read_csv(tmp_path, (HEADER + f"1,{name},2\n").encode(encoding), encoding=encoding)) == [
        ("1", name, "2")
    ]


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
    ],
)
def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path, mark: bytes, encoding: str) -> None:
    table = read_csv(tmp_path, mark + (HEADER + "1,Müller,2\n").encode(encoding))
    assert rows(table, "id", "name", "amount") == [("1", "Müller", "2")]


@pytest.mark.parametrize("option", [{}, {"compression": "gzip"}])
def test_gzip_of_several_members(tmp_path: Path, option: dict[str, str]) -> None:
    data = gzip.compress(HEADER.encode()) + gzip.compress(b"1,a,2\n")
    assert rows(read_csv(tmp_path, data, **option)) == [("1", "a", "2")]


def test_zstd(tmp_path: Path) -> None:
    data = pa.compress((HEADER + "1,a,2\n").encode(), "zstd", asbytes=True)
    assert rows(read_csv(tmp_path, data)) == [("1", "a", "2")]


@pytest.mark.usefixtures("small_blocks")
def test_blocks_may_end_anywhere(tmp_path: Path) -> None:
    """Blocks of 64 bytes cut records, quotes, line ends and characters; the csv module says what is right."""
    text = HEADER + "".join(f'{n},"ü ""{n}"" €\r\n{"x" * (n % 70)}",{"" if n % 7 else 5 * n}\r\n' for n in range(300))
    reader = csv.reader(io.StringIO(text, newline=""))
    expected = [(row[0], row[1], row[2] or None) for row in reader][1:]
    table = read_csv(tmp_path, text)
    assert rows(table) == expected
    assert table["_line"].to_pylist() == list(range(2, 602, 2))


def test_a_record_longer_than_a_block(tmp_path: Path) -> None:
    long = "x\n" * 3_000_000
    table = read_csv(tmp_path, HEADER + f'1,"{long}",2\n2,b,3\n')
    assert table["name"][0].as_py() == long
    assert table["_line"].to_pylist() == [2, 3_000_003]


def test_batches_come_before_the_file_is_read_to_its_end(tmp_path: Path) -> None:
    from ddcrm.sources.csv_file import CsvFile
    from ddcrm.sources.dialect import Dialect

    read: list[int] = []

    def blocks() -> io.Iterator[bytes]:  # type: ignore[name-defined]
        yield b"a,b\n"
        for number in range(1000):
            read.append(number)
            yield b"1,2\n" * 1000

    batches = CsvFile(blocks(), Dialect(), {}, 2).batches()
    assert next(batches).num_rows == 1000
    assert len(read) < 5
    assert 1000 + sum(batch.num_rows for batch in batches) == 1_000_000


def _data(name: str) -> Path:
    folder = os.environ.get("DDCRM_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data"
    path = Path(folder) / name
    if not path.exists():
        pytest.skip(f"{path} is not there: name the folder of the real data in DDCRM_TEST_DATA")
    return path


def test_cdnow_as_it_is(tmp_path: Path) -> None:
    lines = _data("cdnow/CDNOW_master.txt").read_text().splitlines()
    table = read_csv(tmp_path, _data("cdnow/CDNOW_master.txt").read_bytes(), delimiter="whitespace")
    assert rows(table) == [tuple(line.split()) for line in lines[1:]]
    assert table["_line"].to_pylist() == list(range(2, len(lines) + 1))


def test_online_retail_as_it_is(tmp_path: Path) -> None:
    path = _data("online_retail/online_retail.csv.gz")
    table = read_csv(tmp_path, path.read_bytes())
    assert table.num_rows == 541_909
    assert table["CustomerID"].null_count == 135_080
    assert table["Description"].null_count == 1_454
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        expected = [(*row, reader.line_num) for row, _ in zip(reader, range(20_001), strict=False)][1:]
    found = [
        (*(value or "" for value in row[:-1]), row[-1]) for row in rows(table.slice(0, 20_000), *reader_names(table))
    ]
    assert found == expected  # no field of these rows has a line break: the line of the end is the line of the start


def reader_names(table: pa.Table) -> list[str]:
    """The source's columns, then the line."""
    return [*table.schema.names[:8], "_line"]
