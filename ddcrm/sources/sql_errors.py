"""What a database says when it refuses, as errors of the source: without its password, and without values of rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ddcrm.errors import DdcrmError, MissingDataError, SourceAuthError, SourceError, SourceUnavailableError

if TYPE_CHECKING:
    from ddcrm.sources.sql_connect import Database

# Libraries tell a refused login only by its text: PostgreSQL, MySQL, SQL Server, Oracle, Snowflake
_LOGIN = re.compile(
    r"password|authentication|role .* does not exist|access denied|login failed|pg_hba\.conf|ORA-01017|ORA-28000|"
    r"incorrect username",
    re.IGNORECASE,
)
# ADBC keeps no SQLSTATE of what goes wrong while rows stream: the query's own fault, unless the server had to stop it
_QUERY = re.compile(
    r"PGRES_FATAL_ERROR(?!.*(cancel|timeout|terminat|shut|recovery|conflict|memory|disk|FATAL:))", re.DOTALL
)
_NO_DATABASE = re.compile(r"database .* does not exist|unknown database|unable to open database file", re.IGNORECASE)
_KINDS: tuple[tuple[str, type[SourceError], str, str], ...] = (  # by the begin of SQLSTATE
    ("28", SourceAuthError, "the database refuses the login", "Check the secret that the contract names."),
    ("42501", SourceAuthError, "the database user may not read the table", "Grant SELECT on it."),
    ("42P01", MissingDataError, "the table is not there", "Correct the table in the contract."),
    ("08", SourceUnavailableError, "the connection to the database broke", "Try again."),
    ("53", SourceUnavailableError, "the database is out of resources", "Try again later."),
    ("55P03", SourceUnavailableError, "somebody locks the table", "Try again once they are done."),
    ("57", SourceUnavailableError, "the database stopped the query", "Try again."),
    ("40", SourceUnavailableError, "the database gave the query up for another one", "Try again."),
)


@contextmanager
def database_errors(database: Database, facts: dict[str, Any]) -> Iterator[None]:
    """Errors of a driver inside the block become errors of the source."""
    try:
        yield
    except DdcrmError:
        raise
    except Exception as error:
        known = _find_known(error)
        if known is not None:
            raise known from None
        if not _from_driver(error):
            raise
        raise _translated(error, database, facts) from None


def _translated(error: Exception, database: Database, facts: dict[str, Any]) -> SourceError:
    causes = list(_chain(error))
    facts = facts | {"database": database.shown}
    state = next((state for cause in causes if (state := getattr(cause, "sqlstate", None)) and state.strip("\0")), None)
    text = " ".join(
        str(cause) for cause in causes if not _modules(cause) & {"sqlalchemy", "dlt"}
    )  # those repeat the query
    for begin, kind, message, hint in _KINDS:
        if state and state.startswith(begin):
            return kind(message, **facts, sqlstate=state, hint=hint)
    if state is None and _LOGIN.search(text):
        return SourceAuthError("the database refuses the login", **facts, hint=f"Check the secret {database.secret!r}.")
    if _NO_DATABASE.search(text):
        return MissingDataError("there is no such database", **facts, hint=f"Check the secret {database.secret!r}.")
    if state is None and not _QUERY.search(text) and any(_is_outage(cause) for cause in causes):
        return SourceUnavailableError(
            "the database does not answer, or the connection broke",
            **facts,
            reason=_reason(text),
            hint="Is it running, and is the address right?",
        )
    return SourceError(
        "the database could not run the query",
        **facts,
        sqlstate=state,
        reason=type(causes[-1]).__name__,
        hint="The database's own log says more.",
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = getattr(error, "orig", None) or error.__cause__ or error.__context__


def _find_known(error: Exception) -> DdcrmError | None:
    """Our own error, where dlt wrapped one."""
    return next((cause for cause in _chain(error) if isinstance(cause, DdcrmError)), None)


def _modules(cause: BaseException) -> set[str]:
    return {kind.__module__.partition(".")[0] for kind in type(cause).__mro__}


def _from_driver(error: Exception) -> bool:
    """Whether it came from a database or its driver, not from a mistake in this program."""
    return any(
        isinstance(cause, OSError)
        or _modules(cause) & {"sqlalchemy", "adbc_driver_manager", "psycopg", "pyarrow", "sqlite3"}
        for cause in _chain(error)
    )


def _is_outage(cause: BaseException) -> bool:
    return isinstance(cause, OSError) or type(cause).__name__ in ("OperationalError", "InterfaceError", "InternalError")


def _reason(text: str) -> str | None:
    """What kind of outage it was, in words of the network that hold no data."""
    words = (
        "connection refused",
        "timeout",
        "timed out",
        "could not translate host name",
        "no such file or directory",
        "server closed the connection",
        "too many",
        "starting up",
        "shutting down",
        "locked",
        "no route to host",
    )
    return next((word for word in words if word in text.lower()), None)
