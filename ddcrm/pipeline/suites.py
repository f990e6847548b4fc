"""All suites of the project, those of its sources and of the published tables, held against the columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ddcrm.settings import Settings

if TYPE_CHECKING:
    from ddcrm.contracts.model import Contract
    from ddcrm.quality.suites import Suite


def check_source_suites(settings: Settings, contracts: Iterable[Contract]) -> int:
    """Load the suites of these contracts, and see that the columns they name are there; returns how many there are.

    Raises SuiteError.
    """
    from ddcrm.lake.accept import AUDIT_COLUMNS
    from ddcrm.lake.conform import output_columns
    from ddcrm.quality.suites import check_columns, load_suite

    names = set()
    for contract in contracts:
        if contract.suite:
            names.add(contract.suite)
            suite = load_suite(settings.expectations_dir, contract.suite)
            check_columns(suite, [*output_columns(contract), *AUDIT_COLUMNS], contract.entity)
    return len(names)


def published_suites(settings: Settings, tables: Iterable[str]) -> dict[str, Suite]:
    """The suites of the published tables; raises SuiteError."""
    from ddcrm.quality.suites import load_suite

    folder = settings.published_expectations_dir or settings.expectations_dir
    return {name: load_suite(folder, f"crm_{name}") for name in tables}


def check_published_suites(settings: Settings) -> int:
    """Load the suite of each published table, and see that the columns it names are there; returns how many there are.

    Raises SuiteError.
    """
    from ddcrm.quality.suites import check_columns
    from ddcrm.warehouse.tables import CRM, metadata, published_names

    suites = published_suites(settings, published_names())
    for name, suite in suites.items():
        check_columns(suite, list(metadata.tables[f"{CRM}.{name}"].columns.keys()), f"{CRM}.{name}")
    return len(suites)
