"""The connection to the warehouse: any PostgreSQL by URL, or the embedded one."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ddcrm.errors import SettingsError, WarehouseError
from ddcrm.warehouse.embedded import APPLICATION, EmbeddedPostgres
from ddcrm.warehouse.failures import cannot_connect, translated

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

    from ddcrm.settings import Settings

DATABASE = "ddcrm"  # in the embedded server
CONNECT_SECONDS = 10
_SECRET = ("password", "sslpassword")  # in a URL's query


class Warehouse:
    """One PostgreSQL database; a context manager, which closes its connections and leaves the embedded server."""

    def __init__(self, url: str, server: EmbeddedPostgres | None = None) -> None:
        self._url = parse_url(url)
        self._server = server

    @classmethod
    def open(cls, settings: Settings) -> Warehouse:
        """The warehouse of the settings; where they name none the embedded one, which is started if need be.

        A URL is parsed, not yet connected to (see `ping`). Raises SettingsError where it is not one of PostgreSQL,
        WarehouseUnavailableError where the embedded server does not start.
        """
        if settings.warehouse_url is not None:
            return cls(settings.warehouse_url.get_secret_value())
        server = EmbeddedPostgres.start(settings.postgres_dir)
        server.create_database(DATABASE)
        return cls(server.url(DATABASE), server)

    @property
    def url(self) -> str:
        """The SQLAlchemy URL with its password: never print it."""
        return self._url.render_as_string(hide_password=False)

    @property
    def display_url(self) -> str:
        """The URL without its password."""
        hidden = (*_SECRET, "application_name")
        shown = self._url.set(drivername="postgresql", query={})
        text = shown.render_as_string(hide_password=True).replace(":***@", "@")
        query = "&".join(f"{name}={value}" for name, value in self._url.query.items() if name not in hidden)
        return f"{text}?{query}" if query else text

    @property
    def psql_environment(self) -> dict[str, str]:
        """What psql must be told by a variable: the password, which a command line would show to everyone."""
        password = self._parameters.get("password")
        return {} if password is None else {"PGPASSWORD": str(password)}

    @property
    def psql_arguments(self) -> list[str]:
        """The command line of psql for this database, without the password (psql asks, or reads PGPASSWORD)."""
        from psycopg.conninfo import make_conninfo

        hidden = (*_SECRET, "connect_timeout", "application_name")
        parameters = {name: value for name, value in self._parameters.items() if name not in hidden}
        program = str(self._server.programs / "psql") if self._server else "psql"
        return [program, make_conninfo(**parameters)]

    @property
    def psql(self) -> str:
        """A line to paste into a shell."""
        return shlex.join(self.psql_arguments)

    @cached_property
    def engine(self) -> Engine:
        """The SQLAlchemy engine (psycopg 3)."""
        from sqlalchemy import create_engine

        secret = {name: value for name, value in self._url.query.items() if name in _SECRET}
        return create_engine(
            self._url.difference_update_query(_SECRET),
            pool_pre_ping=True,
            pool_size=2,
            hide_parameters=True,
            connect_args={**self._defaults, **secret},
        )

    @contextmanager
    def begin(self, **facts: Any) -> Iterator[Connection]:
        """A connection in a transaction; raises WarehouseError or WarehouseUnavailableError, with `facts`."""
        from sqlalchemy.exc import OperationalError

        with translated(self.display_url, **facts):
            try:
                connection = self.engine.connect()
            except OperationalError as error:
                raise cannot_connect(error.orig or error, self.display_url) from None
            with connection, connection.begin():
                yield connection

    @contextmanager
    def session(self, kind: type[WarehouseError] = WarehouseError, **facts: Any) -> Iterator[Any]:
        """A psycopg connection in autocommit, for what holds locks or can't run in a transaction.

        Raises `kind`, with `facts`, or WarehouseUnavailableError.
        """
        import psycopg

        with translated(self.display_url, kind, **facts):
            try:
                connection = psycopg.connect(self.conninfo, autocommit=True)
            except psycopg.OperationalError as error:
                raise cannot_connect(error, self.display_url) from None
            with connection:
                yield connection

    @contextmanager
    def adbc(self, kind: type[WarehouseError] = WarehouseError, **facts: Any) -> Iterator[Any]:
        """An ADBC connection (DB-API; a transaction is open at once); its cursors are closed before it.

        Raises `kind`, with `facts`, or WarehouseUnavailableError.
        """
        import adbc_driver_manager
        from adbc_driver_postgresql import dbapi

        with translated(self.display_url, kind, **facts):
            try:
                connection = dbapi.connect(self.conninfo)
            except adbc_driver_manager.Error as error:
                raise cannot_connect(error, self.display_url) from None
            with connection:
                yield connection

    @property
    def conninfo(self) -> str:
        """The connection as libpq writes it, with its password: never print it."""
        from psycopg.conninfo import make_conninfo

        return make_conninfo(**self._parameters)

    def ping(self) -> None:
        """Ask the server one thing; raises WarehouseUnavailableError or WarehouseError (a refusal)."""
        from sqlalchemy import text

        with self.begin() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close the connections; the last one to leave the embedded server stops it."""
        if "engine" in self.__dict__:
            self.engine.dispose()
        if self._server:
            self._server.close()

    @property
    def _defaults(self) -> dict[str, Any]:
        given = self._url.query
        defaults = {"connect_timeout": CONNECT_SECONDS, "application_name": APPLICATION}
        return {name: value for name, value in defaults.items() if name not in given}

    @property
    def _parameters(self) -> dict[str, Any]:
        """libpq's parameters, several hosts included."""
        from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

        _, parameters = PGDialect_psycopg().create_connect_args(self._url)
        parameters.pop("context", None)
        return {**self._defaults, **parameters}

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def parse_url(text: str) -> URL:
    """The URL for SQLAlchemy with psycopg 3; raises SettingsError where it is not one of PostgreSQL."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    hint = "Write DDCRM_WAREHOUSE_URL as postgresql://user:password@host:5432/database."
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise SettingsError("the warehouse's URL can't be read", hint=hint) from None
    if url.drivername.split("+")[0] not in ("postgresql", "postgres"):
        raise SettingsError(f"the warehouse must be a PostgreSQL, not {url.drivername!r}", hint=hint)
    if not url.database:
        raise SettingsError("the warehouse's URL names no database", hint=hint)
    return url.set(drivername="postgresql+psycopg")
