"""`ddcrm doctor`: looks at everything that a run needs, and says what to do about what is wrong."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator

from ddcrm.cli.output import Output
from ddcrm.errors import DdcrmError, LakeError, SettingsError
from ddcrm.settings import Settings

MIN_FREE_BYTES = 1 << 30

Check = Callable[[Settings], str]


def doctor(out: Output) -> None:
    """Run all checks; one that fails does not stop the others."""
    for name, check in _checks():
        try:
            found, well = check(out.settings), True
        except DdcrmError as error:
            found, well = str(error), False
        out.failed = out.failed or not well
        out.add("checks", {"check": name, "ok": well, "found": found})
        out.say(f"{'ok   ' if well else 'WRONG'}  {name}: {found}")


def _checks() -> Iterator[tuple[str, Check]]:
    yield "python", lambda _: sys.version.split()[0]
    yield "settings", lambda settings: f"{settings.project_dir / 'ddcrm.toml'}"
    yield "lake", _lake
    yield "contracts", _contracts
    yield "suites", _suites
    yield "secrets", _secrets
    yield "warehouse", _warehouse


def _lake(settings: Settings) -> str:
    try:
        settings.lake_dir.mkdir(parents=True, exist_ok=True)
        writable, free = os.access(settings.lake_dir, os.W_OK), shutil.disk_usage(settings.lake_dir).free
    except OSError as error:
        raise LakeError(f"{settings.lake_dir} can't be made: {error.strerror}", hint="Set DDCRM_STATE_DIR.") from None
    if not writable:
        raise LakeError(f"{settings.lake_dir} is not writable", hint="Set DDCRM_STATE_DIR to a folder that is.")
    if free < MIN_FREE_BYTES:
        raise LakeError(f"only {free >> 20} MiB are free in {settings.lake_dir}", hint="Free at least 1 GiB.")
    return f"{settings.lake_dir}, {free >> 30} GiB free"


def _contracts(settings: Settings) -> str:
    from ddcrm.contracts import load_contracts

    contracts = load_contracts(settings.contracts_dir)
    if not contracts.sources:
        raise SettingsError(f"there are no contracts in {settings.contracts_dir}")
    return f"{len(contracts.sources)} sources: {', '.join(contracts.sources)}"


def _suites(settings: Settings) -> str:
    from ddcrm.contracts import load_contracts
    from ddcrm.pipeline.suites import check_published_suites, check_source_suites

    contracts = load_contracts(settings.contracts_dir)
    versions = [version for source in contracts.sources for version in contracts.versions(source)]
    own, published = check_source_suites(settings, versions), check_published_suites(settings)
    return f"{own} of sources and {published} of published tables, all valid"


def _secrets(settings: Settings) -> str:
    from ddcrm.contracts import load_contracts

    contracts = load_contracts(settings.contracts_dir)
    active = [source for source in contracts.sources if settings.source(source).enabled]
    named = sorted({contracts.versions(source)[-1].server.secret for source in active} - {None}, key=str)
    for name in named:
        settings.secret(str(name))
    return f"{len(named)} set" if named else "none needed"


def _warehouse(settings: Settings) -> str:
    from ddcrm.warehouse.connect import Warehouse
    from ddcrm.warehouse.migrate import check_current

    with Warehouse.open(settings) as warehouse:
        warehouse.ping()
        check_current(warehouse)
        return warehouse.display_url
