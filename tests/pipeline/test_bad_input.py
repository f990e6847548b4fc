"""Bad input through the whole of ingest: a clear error, and nothing of what was there before has changed."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest

from ddcrm.dates import DateRange
from ddcrm.errors import (
    BatchRejectedError,
    ContractError,
    DdcrmError,
    MalformedDataError,
    MissingDataError,
    SchemaChangedError,
    SourceError,
    StorageFullError,
    SuiteError,
    WarehouseUnavailableError,
)
from ddcrm.pipeline.ingest import ingest
from ddcrm.settings import Settings
from tests.pipeline.reading import conformed, landed, ledger
from tests.pipeline.shop import COLUMNS, Shop

DAY = date(2026, 1, 10)
BEFORE = DateRange.parse("2026-01-08", "2026-01-10")


def spoil_text(change: Callable[[str], str]) -> Callable[[Shop], None]:
    return lambda shop: _write(shop, change(shop.file(DAY).read_text()).encode())


def spoil_bytes(change: Callable[[bytes], bytes]) -> Callable[[Shop], None]:
    return lambda shop: _write(shop, change(shop.file(DAY).read_bytes()))


def _write(shop: Shop, content: bytes) -> None:
    shop.file(DAY).write_bytes(content)


def lines(change: Callable[[list[str]], list[str]]) -> Callable[[Shop], None]:
    return spoil_text(lambda text: "\n".join(change(text.splitlines())) + "\n")


def cell(row: int, column: str, value: str | Callable[[str], str]) -> Callable[[list[str]], list[str]]:
    """Change the cell of a data row (0 is the first; -1 stands for all of them)."""

    def change(rows: list[str]) -> list[str]:
        place = COLUMNS.index(column)
        for number in range(1, len(rows)) if row == -1 else [row + 1]:
            cells = rows[number].split(",")
            cells[place] = value if isinstance(value, str) else value(cells[place])
            rows[number] = ",".join(cells)
        return rows

    return change


def retyped_date(text: str) -> str:
    day, hour = text.split(" ")
    year, month, number = day.split("-")
    return f"{number}.{month}.{year} {hour}"


BAD: dict[str, tuple[Callable[[Shop], None], type[DdcrmError], list[str]]] = {
    "missing file": (lambda shop: shop.file(DAY).unlink(), MissingDataError, ["orders", "2026-01-10"]),
    "empty file": (spoil_bytes(lambda _: b""), MissingDataError, ["orders", "2026-01-10"]),
    "header only": (lines(lambda rows: rows[:1]), MissingDataError, ["orders", "2026-01-10"]),
    "column missing": (lines(lambda rows: [",".join(row.split(",")[:4] + row.split(",")[5:]) for row in rows]),
                       SchemaChangedError, ["orders", "2026-01-10", "amount"]),
    "column renamed": (lines(lambda rows: [rows[0].replace("amount", "total"), *rows[1:]]), SchemaChangedError,
                       ["orders", "2026-01-10", "amount may now be total"]),
    "column retyped": (lines(cell(-1, "Line", "first")), SchemaChangedError,
                       ["orders", "2026-01-10", "line_no", "first", "row 2"]),
    "wrong delimiter": (spoil_text(lambda text: text.replace(",", ";")), SourceError, ["orders", "2026-01-10", ";"]),
    "wrong encoding": (spoil_bytes(lambda raw: raw + "A1,1,C1,2026-01-10 10:00:00,1,bezahlt für\n".encode("latin-1")),
                       MalformedDataError, ["orders", "2026-01-10", "row"]),
    "a quote that never closes": (lines(cell(1, "Cust", '"C1')), MalformedDataError, ["orders", "2026-01-10", "row 3"]),
    "a NUL byte": (spoil_bytes(lambda raw: raw.replace(b"A0", b"A\x00", 1)), MalformedDataError,
                   ["orders", "2026-01-10", "row 2"]),
    "too few fields": (lines(lambda rows: [*rows[:2], "A9,1", *rows[2:]]), MalformedDataError,
                       ["orders", "2026-01-10", "row 3"]),
    "dates in another format": (lines(cell(-1, "OrderTS", retyped_date)), SchemaChangedError,
                                ["orders", "2026-01-10", "ordered_at", "dd.MM.yyyy HH:mm:ss"]),
    "numbers with thousands separators": (lines(cell(-1, "amount", "1'234.50")), SchemaChangedError,
                                          ["orders", "2026-01-10", "amount", "1'234.50"]),
    "amounts in cents": (lines(cell(-1, "amount", "12345678")), BatchRejectedError, ["orders", "2026-01-10", "amount"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_file(shop: Shop, kind: str) -> None:
    settings = shop.settings
    ingest(settings, "orders", BEFORE)
    before = conformed(settings), ledger(settings)
    spoil, error, words = BAD[kind]
    spoil(shop)
    with pytest.raises(error) as caught:
        ingest(settings, "orders", DateRange.parse(DAY))
    for word in words:
        assert word in str(caught.value)
    assert not caught.value.retryable
    assert (conformed(settings), ledger(settings)) == before


def test_a_batch_that_can_not_be_read_does_not_replace_what_has_landed(shop: Shop) -> None:
    settings = shop.settings
    ingest(settings, "orders", BEFORE)
    before = landed(settings)
    BAD["a quote that never closes"][0](shop)
    with pytest.raises(MalformedDataError):
        ingest(settings, "orders", DateRange.parse(DAY))
    assert landed(settings) == before


def test_truncated_gzip(shop: Shop) -> None:
    contract = shop.folder / "contracts/orders/1.0.0.yaml"
    contract.write_text(contract.read_text().replace("{batch_date}.csv", "{batch_date}.csv.gz"))
    packed = gzip.compress(shop.file(DAY).read_bytes() * 50)
    shop.file(DAY).with_suffix(".csv.gz").write_bytes(packed[: len(packed) - 20])
    with pytest.raises(MalformedDataError, match=r"2026-01-10\.csv\.gz"):
        ingest(shop.settings, "orders", DateRange.parse(DAY))
    assert landed(shop.settings) == []


def test_a_bom_is_no_error(shop: Shop) -> None:
    spoil_bytes(lambda raw: b"\xef\xbb\xbf" + raw)(shop)
    result = ingest(shop.settings, "orders", DateRange.parse(DAY))
    assert result.landed == result.conformed == len(shop.rows[DAY])


def test_an_added_column_is_told_and_lands(shop: Shop) -> None:
    lines(lambda rows: [row + (",gold" if number else ",tier") for number, row in enumerate(rows)])(shop)
    result = ingest(shop.settings, "orders", DateRange.parse(DAY))
    assert result.conformed == len(shop.rows[DAY])
    assert any("tier" in warning for warning in result.warnings)


def test_duplicate_keys_are_counted_and_the_last_line_wins(shop: Shop) -> None:
    again = {**shop.rows[DAY][0], "amount": "77.77"}
    shop.rows[DAY].append(again)
    shop.write(DAY)
    result = ingest(shop.settings, "orders", DateRange.parse(DAY))
    assert (result.landed, result.duplicates) == (len(shop.rows[DAY]), 1)
    (amount,) = [
        row[5] for row in conformed(shop.settings) if (row[1], str(row[2])) == (again["OrderNo"], again["Line"])
    ]
    assert str(amount) == "77.77"


def test_one_bad_row_of_many_is_quarantined(shop: Shop) -> None:
    dates = DateRange.parse("2026-01-01", "2026-01-31")
    lines(cell(0, "amount", "x1"))(shop)
    result = ingest(shop.settings, "orders", dates)
    assert dict(result.quarantined) == {"amount: not a decimal(18,2)": 1}
    assert result.landed == sum(len(shop.rows[day]) for day in dates)
    assert result.landed == result.conformed + 1


def test_contract_that_is_not_yaml(shop: Shop) -> None:
    (shop.folder / "contracts/orders/1.0.0.yaml").write_text("apiVersion: [v3.1.0\nkind: x")
    with pytest.raises(ContractError, match=r"1\.0\.0\.yaml"):
        ingest(shop.settings, "orders", DateRange.parse(DAY))


def test_contract_that_names_a_column_twice(shop: Shop) -> None:
    contract = shop.folder / "contracts/orders/1.0.0.yaml"
    contract.write_text(
        contract.read_text().replace("name: status, physicalName: status", "name: Amount, physicalName: status")
    )
    with pytest.raises(ContractError, match="amount"):
        ingest(shop.settings, "orders", DateRange.parse(DAY))


def test_suite_that_names_a_column_that_is_not_there(shop: Shop) -> None:
    suite = shop.folder / "expectations/orders.json"
    suite.write_text(suite.read_text().replace('"column": "amount"', '"column": "amuont"'))
    with pytest.raises(SuiteError, match="amuont"):
        ingest(shop.settings, "orders", DateRange.parse(DAY))
    assert conformed(shop.settings) == []


def test_warehouse_that_is_down_is_found_before_any_work(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", "postgresql://nobody:hidden@127.0.0.1:9/none")
    settings: Settings = shop.settings
    with pytest.raises(WarehouseUnavailableError) as caught:
        ingest(settings, "orders", DateRange.parse(DAY))
    assert caught.value.retryable
    assert "hidden" not in str(caught.value)
    assert not Path(settings.lake_dir).exists()


def fill(filler: Path) -> None:
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


def test_full_disk(shop: Shop, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDCRM_STATE_DIR", str(small_disk))
    settings = shop.settings
    ingest(settings, "orders", DateRange.parse(DAY))
    before = conformed(settings)
    filler = small_disk / "filler"
    fill(filler)
    with pytest.raises(StorageFullError):
        ingest(settings, "orders", DateRange.parse(DAY))
    filler.unlink()
    assert conformed(settings) == before
    ingest(settings, "orders", DateRange.parse(DAY))
    assert conformed(settings) == before


def test_a_range_of_a_source_without_days_leaves_the_days_before_as_they_are(shop: Shop) -> None:
    contract = shop.folder / "contracts/orders/1.0.0.yaml"
    text = contract.read_text().replace("orders/{batch_date}.csv", "orders/all.csv")
    contract.write_text(text.replace("deliveryMode, value: corrections", "deliveryMode, value: snapshot"))
    for day in (date(2026, 1, 8), date(2026, 1, 9)):
        (shop.folder / "sources/orders/all.csv").write_bytes(shop.file(day).read_bytes())
        ingest(shop.settings, "orders", DateRange.parse(day))
    before = landed(shop.settings)
    (shop.folder / "sources/orders/all.csv").write_bytes(shop.file(DAY).read_bytes())
    result = ingest(shop.settings, "orders", BEFORE)
    assert result.conformed == len(shop.rows[DAY])
    assert landed(shop.settings) == [*before, ("2026-01-10", len(shop.rows[DAY]))]
