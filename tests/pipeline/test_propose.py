"""Proposals: the next version of a contract, from a batch that the version in force does not read."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ddcrm.contracts import load_contract
from ddcrm.contracts.load import load_text
from ddcrm.dates import DateRange
from ddcrm.errors import ContractError, MissingDataError, SchemaChangedError
from ddcrm.pipeline.ingest import extract, ingest
from ddcrm.pipeline.propose import Proposal, propose, write
from ddcrm.pipeline.ready import check_ready
from tests.pipeline.reading import conformed, landed, ledger
from tests.pipeline.shop import FIRST, Shop
from tests.pipeline.spoils import DAY, Row, Spoil, cents, deliver, german, renamed, valued, with_channels, without


@pytest.fixture(scope="module")
def shop(changing_shop: Shop) -> Shop:
    return changing_shop


def seconds(moment: str) -> str:
    """Seconds since 1970 of a moment in UTC."""
    from datetime import UTC, datetime

    return str(int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()))


def both(one: Spoil, two: Spoil) -> Spoil:
    return lambda number, row: two(number, one(number, row))


DECIDED: dict[str, tuple[Spoil, str, list[str], list[str]]] = {
    "rename": (renamed("status", "order_state"), "2.0.0", ["status is called order_state"],
               ["physicalName: order_state", "# Renamed: status did not arrive, order_state did. Evidence"]),
    "rename and unit": (renamed("amount", "total_cents", cents), "2.0.0",
                        ["amount is called total_cents", "amount is in another unit: / 100"],
                        ["CAST(total_cents AS DECIMAL(18, 2)) / 100", "times that of amount before"]),
    "two renames": (both(renamed("OrderNo", "order_number"), renamed("Cust", "customer")), "2.0.0",
                    ["OrderNo is called order_number", "Cust is called customer"], ["physicalName: customer,"]),
    "unit": (valued("amount", lambda _, text: cents(text)), "1.1.0", ["amount is in another unit: / 100"],
             ["# Another unit: the median of amount is"]),
    "date format": (valued("OrderTS", lambda _, text: german(text)), "2.0.0",
                    ["ordered_at is written as dd.MM.yyyy HH:mm:ss"], ["format: 'dd.MM.yyyy HH:mm:ss'"]),
    "ISO 8601": (valued("OrderTS", lambda _, text: text.replace(" ", "T") + "+01:00"), "2.0.0",
                 ["ordered_at is written as ISO 8601"], ["# Another format"]),
    "seconds": (valued("OrderTS", lambda _, text: seconds(text)), "1.1.0",
                ["ordered_at is written as seconds since 1970"], ["to_timestamp(CAST("]),
    "decimal comma": (valued("amount", lambda _, text: text.replace(".", ",")), "1.1.0",
                      ["amount is written with a decimal comma"], ["replace("]),
    "separators": (valued("amount", lambda _, text: f"0,{int(float(text)):03}.50"), "1.1.0",
                   ["amount is written with commas between thousands"], []),
    "enumeration": (valued("channel", lambda number, text: text if number % 3 else "app"), "1.0.1",
                    ["channel may be app"], ["enum: [{value: web}, {value: store}, {value: app}]"]),
    "an optional column is gone": (without("status"), "2.0.0", ["status is gone"],
                                   ["# - {name: status, physicalName: status, logicalType: string}"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", DECIDED)
def test_a_proposal_reads_the_batch(shop: Shop, kind: str) -> None:
    spoil, version, decided, parts = DECIDED[kind]
    found = proposed(shop, spoil)
    assert (found.version, list(found.decided), found.undecided, found.reads) == (version, decided, (), True)
    assert found.counts is not None
    assert found.counts.conformed == found.counts.landed == len(shop.rows[DAY])
    for part in parts:
        assert part in found.text
    contract = load_text(found.text, shop.folder / f"contracts/orders/{version}.yaml")
    assert (contract.status, contract.effective_from) == ("proposed", DAY)
    kept = set((shop.folder / "contracts/orders/1.0.0.yaml").read_text().splitlines()) - set(found.text.splitlines())
    assert len(kept) <= 3 + len(decided)  # version, status, day, and what was decided


def proposed(shop: Shop, spoil: Spoil) -> Proposal:
    deliver(shop, spoil)
    extract(shop.settings, "orders", DateRange.parse(DAY))
    return propose(shop.settings, "orders", DAY)


def twice(name: str, one: str, two: str, value: Callable[[str], str]) -> Spoil:
    """The column comes under another name, and so does another one that is made of it."""
    once = renamed(name, one)
    return lambda number, row: {**once(number, row), two: value(row[name])}


def gross(amount: str) -> str:
    return f"{float(amount) * 1.19:.2f}"


UNDECIDED: dict[str, tuple[Spoil, str]] = {
    "net or gross": (twice("amount", "amount_net", "amount_gross", gross), "may now be amount_gross or amount_net"),
    "two in cents": (
        both(
            twice("amount", "cents_net", "cents_gross", lambda text: cents(gross(text))),
            lambda _, row: {**row, "cents_net": cents(row["cents_net"])},
        ),
        "may now be cents_net or cents_gross",
    ),
    "cents, and a number of the old size": (
        both(
            twice("amount", "total_eur", "total_cents", cents),
            lambda _, row: {**row, "total_eur": gross(row["total_eur"])},
        ),
        "may now be total_",
    ),
    "one of two texts, and nothing needs it": (twice("status", "state", "stage", str), "may now be sta"),
    "a number that has nothing to do with it": (
        both(without("amount"), lambda number, row: {**row, "weight": f"{number % 40 + 200}.5"}),
        "may now be weight",
    ),
    "text in a number": (valued("amount", lambda *_: "free"), "amount is no decimal(18,2)"),
    "a needed column is gone": (without("Cust"), "Cust did not arrive"),
    "day and month, or month and day": (
        valued("OrderTS", lambda *_: "02/02/2026 12:00:00"),
        "MM/dd/yyyy HH:mm:ss or dd/MM/yyyy HH:mm:ss",
    ),
    "a comma that may be either": (
        valued("amount", lambda number, _: f"{number % 9 + 1},{number % 10}00"),
        "a decimal comma or commas between",
    ),
    "no values": (valued("Cust", lambda *_: ""), "customer_key is missing"),
    "a key that tells nothing apart": (valued("OrderNo", lambda number, _: f"A{number % 5}"), "key of another row"),
}


@pytest.mark.parametrize("kind", UNDECIDED)
def test_what_can_not_be_decided_is_said_in_a_comment(shop: Shop, kind: str) -> None:
    spoil, words = UNDECIDED[kind]
    found = proposed(shop, spoil)
    assert not found.reads
    assert any(words in line for line in found.undecided)
    assert any(words in line for line in found.text.splitlines() if line.strip().startswith("# NOT DECIDED"))
    assert found.decided == ()
    load_text(found.text, shop.folder / f"contracts/orders/{found.version}.yaml")


def test_a_small_batch_tells_a_unit_by_the_column_before(shop: Shop) -> None:
    """Five rows are too few to judge sizes; what was renamed is held against the old column's values."""
    spoil = renamed("amount", "total_cents", cents)
    with shop.file(DAY).open("w", newline="") as file:
        lines = [{**spoil(0, row), "total_cents": amount} for row, amount in
                 zip(shop.rows[DAY], ("1900", "2100", "1850", "2400", "1500"), strict=False)]  # fmt: skip
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    extract(shop.settings, "orders", DateRange.parse(DAY))
    found = propose(shop.settings, "orders", DAY)
    assert (found.decided, found.undecided, found.reads) == (
        ("amount is called total_cents", "amount is in another unit: / 100"), (), True
    )  # fmt: skip


def test_a_week_that_failed_is_no_evidence(shop: Shop) -> None:
    """Days that have landed under the new name say nothing of the old one: those before them do."""
    week = DateRange(DAY, DAY + timedelta(days=6))
    for day in week:
        deliver(shop, renamed("amount", "total_cents", cents), day)
    extract(shop.settings, "orders", week)
    found = propose(shop.settings, "orders", week.last)
    assert found.decided == ("amount is called total_cents", "amount is in another unit: / 100")
    assert "times that of amount before" in found.text


def test_columns_that_appeared_are_suggested(shop: Shop) -> None:
    tiers = renamed("status", "state")
    found = proposed(shop, lambda number, row: {**tiers(number, row), "loyalty tier": "gold", "weight": "1.5"})
    assert (
        "# - {name: loyalty_tier, physicalName: loyalty tier, logicalType: string}  # in 100% of the rows" in found.text
    )
    assert "# - {name: weight, physicalName: weight, logicalType: number}" in found.text


def test_a_batch_that_is_read_as_it_is_asks_for_nothing(shop: Shop) -> None:
    before = conformed(shop.settings), ledger(shop.settings)
    assert proposed(shop, lambda _, row: {**row, "more": "x"}).empty
    assert (conformed(shop.settings), ledger(shop.settings)) == before
    assert not list((shop.settings.lake_dir / "candidates/orders").glob(".trial*"))


def test_a_slip_is_no_new_value_of_an_enumeration(shop: Shop) -> None:
    assert proposed(shop, valued("channel", lambda number, text: "wbe" if number == 3 else text)).empty


def test_an_old_proposal_is_not_overwritten(shop: Shop) -> None:
    found = proposed(shop, DECIDED["unit"][0])
    file = write(found, shop.folder / "contracts/orders/1.1.0.yaml")
    try:
        with pytest.raises(ContractError, match="is there already"):
            propose(shop.settings, "orders", DAY)
        assert propose(shop.settings, "orders", DAY, "1.2.0").version == "1.2.0"
        with pytest.raises(ContractError, match="is there already"):
            write(found, file)
        with pytest.raises(SchemaChangedError):  # proposed, so it does not read
            ingest(shop.settings, "orders", DateRange.parse(DAY))
    finally:
        file.unlink()


def test_a_batch_that_has_not_landed(shop: Shop) -> None:
    with pytest.raises(MissingDataError, match="2026-02-05"):
        propose(shop.settings, "orders", date(2026, 2, 5))


# from a change to conformed rows: amount becomes cents under another name, a channel and a column appear

CHANGED = FIRST + timedelta(days=14)
LAST = FIRST + timedelta(days=19)


def changed(number: int, row: Row) -> Row:
    row = {**row, "channel": "app" if number % 4 == 0 else row["channel"]}
    return {**renamed("amount", "total_cents", cents)(number, row), "loyalty_tier": ("gold", "none")[number % 2]}


@pytest.fixture
def month(tmp_path: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", warehouse_url)
    return changing(tmp_path / "shop")


def changing(folder: Path) -> Shop:
    shop = with_channels(Shop(folder).make())
    for day in DateRange(CHANGED, LAST):
        deliver(shop, changed, day)
    return shop


def test_from_a_change_to_conformed_rows(
    month: Shop, tmp_path: Path, other_warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(month.settings, "orders", DateRange(FIRST, CHANGED - timedelta(days=1)))
    with pytest.raises(SchemaChangedError, match="amount may now be total_cents") as caught:
        ingest(month.settings, "orders", DateRange.parse(CHANGED))
    assert "`ddcrm contract propose orders --batch 2026-01-15`" in str(caught.value)
    assert landed(month.settings)[-1] == (str(CHANGED), len(month.rows[CHANGED]))
    assert max(row[0] for row in conformed(month.settings)) == "2026-01-14"
    with pytest.raises(MissingDataError, match="has not been ingested"):
        check_ready(month.settings, CHANGED)

    found = propose(month.settings, "orders", CHANGED, status="active")
    assert (found.version, found.reads, found.undecided) == ("2.0.0", True, ())
    assert found.decided == ("amount is called total_cents", "amount is in another unit: / 100", "channel may be app")
    assert "# - {name: loyalty_tier, physicalName: loyalty_tier, logicalType: string}" in found.text
    committed = write(found, month.folder / "contracts/orders/2.0.0.yaml")
    assert load_contract(committed).effective_from == CHANGED
    for day in DateRange(CHANGED, LAST):
        ingest(month.settings, "orders", DateRange.parse(day))

    amounts = [row[5] for row in conformed(month.settings)]
    assert sum(amounts) == sum(Decimal(row["amount"]) for day in DateRange(FIRST, LAST) for row in month.rows[day])
    after = conformed(month.settings), ledger(month.settings)
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", other_warehouse_url)
    always = changing(tmp_path / "always")
    write(found, always.folder / "contracts/orders/2.0.0.yaml")
    ingest(always.settings, "orders", DateRange(FIRST, LAST))
    assert (conformed(always.settings), ledger(always.settings)) == after


def test_the_files_changed_as_the_story_says(month: Shop) -> None:
    with month.file(CHANGED).open() as file:
        assert next(csv.reader(file)) == ["OrderNo", "Line", "Cust", "OrderTS", "total_cents", "status", "channel",
                                          "loyalty_tier"]  # fmt: skip
