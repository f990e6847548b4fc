"""Errors of drivers as ours: what happened and what to do, without passwords and without customers' data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ddcrm.errors import DdcrmError, WarehouseError, WarehouseUnavailableError

# what a server that was reached answers, and waiting does not help (its words: libpq hands over no code)
_REFUSALS = {
    r"password authentication failed|no password supplied|authentication failed": (
        "the warehouse refuses the user or its password",
        "Set the right ones in DDCRM_WAREHOUSE_URL.",
    ),
    r"role .* does not exist": (
        "the warehouse knows no such user",
        "Create the role, or name another in DDCRM_WAREHOUSE_URL.",
    ),
    r"database .* does not exist": (
        "the warehouse server has no such database",
        "Create the database, or name another in DDCRM_WAREHOUSE_URL.",
    ),
    r"no pg_hba.conf entry|permission denied for database|is not permitted to log in": (
        "the warehouse does not let this user in",
        "Allow it in pg_hba.conf, or GRANT CONNECT ON DATABASE.",
    ),
    r"SSL|certificate": ("the secure connection to the warehouse fails", "Check sslmode and the certificates."),
}
_START = "Start it, or set DDCRM_WAREHOUSE_URL to the one that runs; then run the same command again."
_LOST = re.compile(r"^(08|57P0[1-5]|53300)")  # connection lost, server stops or starts, too many connections

_HINTS = {
    "42501": "Give the role the right, or let the owner run `ddcrm warehouse upgrade`.",
    "42P01": "Run `ddcrm warehouse upgrade`.",
    "3F000": "Run `ddcrm warehouse upgrade`.",
    "53100": "Free space where the warehouse stands, then run the same command again.",
}


def cannot_connect(error: BaseException, url: str) -> WarehouseError:
    """The error for a failed attempt to connect to `url` (which holds no password)."""
    said = " ".join(str(error).split())
    for pattern, (message, hint) in _REFUSALS.items():
        if re.search(pattern, said):
            return WarehouseError(message, url=url, hint=hint)
    reason = said.rsplit("failed: ", 1)[-1].split(" Is the server running")[0]
    return WarehouseUnavailableError(f"the warehouse does not answer: {reason[:200]}", url=url, hint=_START)


def translate(error: BaseException, url: str, kind: type[WarehouseError] = WarehouseError, **facts: Any) -> DdcrmError:
    """The error of a statement on the warehouse: only its primary message, for details quote rows."""
    cause: Any = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlstate", None) or ""
    if _LOST.match(code) or (not code and _is_operational(cause)):
        return WarehouseUnavailableError(f"the warehouse was lost: {_primary(cause)}", url=url, hint=_START, **facts)
    hint = _HINTS.get(code)
    return kind(f"{_primary(cause)} [{code}]" if code else _primary(cause), url=url, hint=hint, **facts)


@contextmanager
def translated(url: str, kind: type[WarehouseError] = WarehouseError, **facts: Any) -> Iterator[None]:
    """Turn drivers' errors inside the block into ours; our own pass as they are."""
    import adbc_driver_manager
    import psycopg
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except (DBAPIError, psycopg.Error, adbc_driver_manager.Error) as error:
        raise translate(error, url, kind, **facts) from None


def _is_operational(cause: BaseException) -> bool:
    import adbc_driver_manager
    import psycopg

    kinds = (psycopg.OperationalError, psycopg.InterfaceError, adbc_driver_manager.OperationalError)
    return isinstance(cause, kinds)


def _primary(cause: Any) -> str:
    """The first message of a PostgreSQL error, without DETAIL and CONTEXT (they quote values)."""
    diagnosis = getattr(cause, "diag", None)
    said = (diagnosis and diagnosis.message_primary) or re.split(r"(?:ERROR|FATAL):\s+", str(cause))[-1]
    return re.split(r"\n|DETAIL:|CONTEXT:|\s+Key \(", said.strip())[0][:300] or type(cause).__name__


def recordable(error: BaseException) -> str:
    """The text of an error for the ledger: ours as it is; of others without what they quote, which may be personal."""
    if isinstance(error, DdcrmError):
        return str(error)[:2000]
    line = (str(error).strip().splitlines() or [""])[0]
    return re.sub(r"\"[^\"]*\"|'[^']*'|\S+@\S+|\b\w*\d{3,}\w*\b", "…", line)[:500]
