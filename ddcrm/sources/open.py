"""The one way in: a contract, the settings and a range of days give parts."""

from __future__ import annotations

from collections.abc import Iterator

from ddcrm import progress
from ddcrm.contracts.model import Contract
from ddcrm.dates import DateRange
from ddcrm.settings import Settings
from ddcrm.sources.part import Part


def open_source(contract: Contract, settings: Settings, dates: DateRange) -> Iterator[Part]:
    """What the source of `contract` holds for `dates`, as parts of text batches; nothing is read before the first part
    is asked for, and a part is best read to its end before the next one.

    Raises SourceError and its kinds, here and while a part's reader is read (`Part.check` gives the original error),
    SettingsError for a secret or a driver that is not there, ContractError for options that don't fit together. The
    extraction is complete only when the iterator and every reader ended without an error.
    """
    progress.point("source.begin", source=contract.source, dates=str(dates), kind=contract.server.kind)
    yield from _open(contract, settings, dates)
    progress.point("source.end", source=contract.source, dates=str(dates))


def _open(contract: Contract, settings: Settings, dates: DateRange) -> Iterator[Part]:
    match contract.server.kind:
        case "sql":
            from ddcrm.sources.sql import open_sql

            return open_sql(contract, settings, dates)
        case "http":
            from ddcrm.sources.http import open_http

            return open_http(contract, settings, dates)
    from ddcrm.sources.files import open_files

    return open_files(contract, settings, dates)
