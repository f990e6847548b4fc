"""`ddcrm doctor`: looks at everything that a run needs, and says what to do about what is wrong."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ddcrm.cli.output import Output
from ddcrm.errors import DdcrmError, LakeError, SettingsError
from ddcrm.settings import Settings, secret_variable

MIN_FREE_BYTES = 1 << 30


@dataclass(frozen=True)
class Check:
    """Something to look at, and the check without which it makes no sense."""

    name: str
    look: Callable[[Output], str]
    needs: str = ""


def doctor(out: Output) -> None:
    """Run all checks; one that fails stops only those that need it."""
    sound: set[str] = set()
    for check in _checks():
        well, found = _result(out, check, sound)
        sound |= {check.name} if well else set()
        out.failed = out.failed or well is False
        out.add("checks", {"check": check.name, "ok": well, "found": found})
        out.say(f"{_SHOWN[well]}  {check.name}: {found}")


_SHOWN = {True: "ok   ", False: "WRONG", None: "-    "}


def _result(out: Output, check: Check, sound: set[str]) -> tuple[bool | None, str]:
    """Whether it is well (None: not looked at), and what was found."""
    if check.needs and check.needs not in sound:
        return None, f"not checked: it needs {check.needs}"
    try:
        return True, check.look(out)
    except DdcrmError as error:
        return False, str(error)


def _checks() -> Iterator[Check]:
    yield Check("python", lambda _: sys.version.split()[0])
    yield Check("settings", lambda out: f"{out.settings.project_dir / 'ddcrm.toml'}")
    yield Check("lake", lambda out: _lake(out.settings), "settings")
    yield Check("contracts", lambda out: _contracts(out.settings), "settings")
    yield Check("suites", lambda out: _suites(out.settings), "contracts")
    yield Check("secrets", lambda out: _secrets(out.settings), "contracts")
    yield Check("warehouse", lambda out: _warehouse(out.settings), "settings")


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
    named = {contracts.versions(source)[-1].server.secret: source for source in active}
    named.pop(None, None)
    absent = {str(name): source for name, source in named.items() if not _is_set(settings, str(name))}
    if absent:
        who = ", ".join(f"{name} (source {source})" for name, source in absent.items())
        raise SettingsError(
            f"not set: {who}",
            hint=f"Set {', '.join(map(secret_variable, absent))}, or Airflow connections of the names.",
        )
    return f"{len(named)} set" if named else "none needed"


def _is_set(settings: Settings, name: str) -> bool:
    try:
        return bool(settings.secret(name))
    except SettingsError:
        return False


def _warehouse(settings: Settings) -> str:
    from ddcrm.warehouse.connect import Warehouse
    from ddcrm.warehouse.migrate import check_current, pending

    with Warehouse.open(settings) as warehouse:
        warehouse.ping()
        if settings.warehouse_url is None and pending(warehouse):  # whoever opens the ledger brings it up to date
            return f"{warehouse.display_url}, whose tables the first step makes"
        check_current(warehouse)
        return warehouse.display_url
