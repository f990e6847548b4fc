"""Which version reads which batch."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddcrm.contracts import Contract, Contracts, load_contracts
from ddcrm.contracts.model import Column, Server
from ddcrm.contracts.semver import is_version, rank
from ddcrm.dates import DateRange
from ddcrm.errors import ContractError
from tests.contracts.conftest import CONTRACTS

DAY = date(2026, 1, 1)


def contract(version: str, effective: date | str, source: str = "shop", **changes: object) -> Contract:
    base = Contract(
        source,
        version,
        "orders",
        date.fromisoformat(str(effective)),
        (Column("order_id", "id", "string"),),
        Server("file"),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def versions(contracts: Contracts, dates: DateRange, source: str = "shop") -> list[tuple[str, str]]:
    return [(str(piece), reader.version) for piece, reader in contracts.for_range(source, dates)]


def test_folder_of_two_versions() -> None:
    contracts = load_contracts(CONTRACTS)
    assert contracts.sources == ("orders",)
    assert [each.version for each in contracts.versions("orders")] == ["1.0.0", "2.0.0"]
    assert contracts.for_batch("orders", date(2026, 1, 14)).version == "1.0.0"
    assert contracts.for_batch("orders", date(2026, 1, 15)).version == "2.0.0"
    assert versions(contracts, DateRange.parse("2026-01-10", "2026-01-20"), "orders") == [
        ("2026-01-10..2026-01-14", "1.0.0"),
        ("2026-01-15..2026-01-20", "2.0.0"),
    ]
    assert contracts.feeding("orders") == ("orders",)
    assert contracts.feeding("events") == ()
    assert [each.version for each in contracts] == ["1.0.0", "2.0.0"]
    assert len(contracts) == 2


def test_batch_before_the_first_version_says_from_when_it_reads() -> None:
    with pytest.raises(ContractError, match=r"The first one, 1\.0\.0, reads from 2025-01-01 on") as caught:
        load_contracts(CONTRACTS).for_batch("orders", date(2024, 12, 31))
    assert (caught.value.source, caught.value.partition) == ("orders", "2024-12-31")
    with pytest.raises(ContractError, match="reads from 2025-01-01 on"):
        load_contracts(CONTRACTS).for_range("orders", DateRange.parse("2024-12-30", "2025-01-02"))


def test_unknown_names_are_suggested() -> None:
    contracts = Contracts([contract("1.0.0", DAY)])
    with pytest.raises(ContractError, match="Did you mean 'shop'"):
        contracts.for_batch("shpo", DAY)
    with pytest.raises(ContractError, match="Did you mean 'orders'"):
        contracts.feeding("order")


def test_higher_version_of_one_day_is_the_correction() -> None:
    contracts = Contracts([contract("1.10.0", DAY), contract("1.9.0", DAY), contract("1.10.0-rc.1", DAY)])
    assert contracts.for_batch("shop", DAY).version == "1.10.0"


def test_later_day_wins_over_the_higher_version() -> None:
    contracts = Contracts([contract("2.0.0", "2026-01-01"), contract("1.5.0", "2026-02-01")])
    assert contracts.for_batch("shop", date(2026, 2, 1)).version == "1.5.0"


def test_only_active_and_deprecated_versions_read() -> None:
    ignored = [contract(f"9.{n}.0", DAY, status=status) for n, status in enumerate(("draft", "proposed", "retired"))]
    contracts = Contracts([contract("1.0.0", DAY, status="deprecated"), *ignored])
    assert contracts.for_batch("shop", DAY).version == "1.0.0"
    assert len(contracts.versions("shop")) == 4


def test_source_of_drafts_is_no_source_yet() -> None:
    contracts = Contracts([contract("1.0.0", DAY, status="draft"), contract("1.0.0", DAY, "web")])
    assert contracts.sources == ("web",)
    assert contracts.feeding("orders") == ("web",)
    with pytest.raises(ContractError, match="no version of the contract is active"):
        contracts.for_batch("shop", DAY)


def test_range_that_one_version_reads_is_one_piece() -> None:
    contracts = Contracts(
        [contract("1.0.0", "2025-01-01"), contract("2.0.0", "2026-01-01"), contract("1.9.0", "2026-01-01")]
    )
    assert versions(contracts, DateRange.parse("2026-01-01", "2026-12-31")) == [("2026-01-01..2026-12-31", "2.0.0")]


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from(["1.0.0", "1.1.0", "2.0.0", "2.0.1", "3.0.0-a"]), st.booleans()),
        min_size=1, max_size=5, unique_by=lambda item: item[1],
    ),
    st.integers(0, 30), st.integers(0, 30),
)  # fmt: skip
def test_range_is_cut_as_its_days_are(items: list[tuple[int, str, bool]], start: int, length: int) -> None:
    contracts = Contracts(
        [
            contract(version, DAY + timedelta(days=offset), status="active" if active else "draft")
            for offset, version, active in items
        ]
        + [contract("0.1.0", DAY)]
    )
    dates = DateRange(DAY + timedelta(days=start), DAY + timedelta(days=start + length))
    pieces = contracts.for_range("shop", dates)
    assert [(day, reader.version) for piece, reader in pieces for day in piece] == [
        (day, contracts.for_batch("shop", day).version) for day in dates
    ]
    assert all(one[1].version != two[1].version for one, two in pairwise(pieces))


def test_versions_of_a_source_feed_one_entity() -> None:
    with pytest.raises(ContractError, match="feed two entities, orders and events"):
        Contracts([contract("1.0.0", DAY), contract("2.0.0", DAY, entity="events", status="draft")])


def test_versions_have_one_key_and_one_delivery_mode() -> None:
    keyed = (Column("order_id", "id", "string", primary_key=True),)
    one, other = contract("1.0.0", DAY, columns=keyed), contract("2.0.0", DAY)
    with pytest.raises(ContractError, match="the key of shop changes from order_id to "):
        Contracts([one, other])
    with pytest.raises(ContractError, match="the delivery mode of shop changes from corrections to append"):
        Contracts([contract("1.0.0", DAY), contract("2.0.0", DAY, delivery="append")])
    assert len(Contracts([one, replace(other, status="draft")])) == 2


def test_effective_is_none_before_the_first_version() -> None:
    contracts = Contracts([contract("1.0.0", DAY), contract("0.9.0", "2020-01-01", status="draft")])
    assert contracts.effective("shop", DAY - timedelta(days=1)) is None
    found = contracts.effective("shop", DAY)
    assert found is not None
    assert found.version == "1.0.0"


def test_version_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ContractError, match=r"version 1\.0\.0 of shop is there twice"):
        Contracts([contract("1.0.0", DAY), contract("1.0.0", DAY)])


def test_column_has_one_type_in_all_sources_of_an_entity() -> None:
    vat = (Column("vat", "vat", "double"),)
    other = (Column("VAT", "vat", "decimal(9,2)"),)
    with pytest.raises(ContractError, match=r"orders\.VAT is a decimal\(9,2\) here, a double in shop 1\.0\.0"):
        Contracts([contract("1.0.0", DAY, columns=vat), contract("1.0.0", DAY, "web", columns=other)])
    Contracts([contract("1.0.0", DAY, columns=vat), contract("1.0.0", DAY, "web", columns=other, entity="events")])


def test_versions_are_ordered_as_semver_says() -> None:
    # the order of https://semver.org/#spec-item-11, and of the numbers
    ordered = ["0.9.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
               "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0"]  # fmt: skip
    assert sorted(Random(1).sample(ordered, len(ordered)), key=rank) == ordered
    assert rank("1.0.0+build.5") == rank("1.0.0")


@pytest.mark.parametrize("text", ["1", "1.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0 ", "", "1.0.x"])
def test_what_is_no_version(text: str) -> None:
    assert not is_version(text)
    with pytest.raises(ValueError, match="not a semantic version"):
        rank(text)
