"""A database by its URL: as SQLAlchemy wants it, and as PostgreSQL's own library wants it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ddcrm.errors import SettingsError

if TYPE_CHECKING:
    import sqlalchemy as sa


# No wait without an end, for a server or for a network that is gone; each can be set otherwise in the URL.
_WAITS = {
    "connect_timeout": "30",  # seconds
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "6",
    "tcp_user_timeout": "90000",  # milliseconds
}
LOCK_TIMEOUT = "60s"  # nobody waits for ever for a table that somebody locks; what reads it is tried again


def _patient(url: sa.URL) -> sa.URL:
    """The URL with a limit to each wait that it does not limit itself."""
    return url.update_query_dict({name: value for name, value in _WAITS.items() if name not in url.query})


@dataclass(frozen=True)
class Database:
    """A database; `url` is as SQLAlchemy writes it, `secret` the name under which it was found."""

    url: str
    secret: str

    def __repr__(self) -> str:
        return f"Database({self.shown})"

    @cached_property
    def parts(self) -> sa.URL:
        """The URL, taken apart; any driver of PostgreSQL becomes psycopg."""
        import sqlalchemy as sa

        try:
            url = sa.make_url(self.url.replace("postgres://", "postgresql://", 1))
        except (sa.exc.ArgumentError, ValueError):
            raise SettingsError(
                f"the secret {self.secret!r} is not the URL of a database",
                hint="Write it as SQLAlchemy does: postgresql://user:password@host/database.",
            ) from None
        return _patient(url.set(drivername="postgresql+psycopg")) if url.get_backend_name() == "postgresql" else url

    @property
    def postgresql(self) -> bool:
        """Whether it is PostgreSQL, which has a quicker way."""
        return self.parts.get_backend_name() == "postgresql"

    @property
    def libpq(self) -> str:
        """The URL for PostgreSQL's own library, with the password."""
        return self.parts.set(drivername="postgresql").render_as_string(hide_password=False)

    @property
    def shown(self) -> str:
        """Where the database is, without user and password."""
        import sqlalchemy as sa

        parts = self.parts
        return sa.URL.create(
            parts.get_backend_name(), host=parts.host, port=parts.port, database=parts.database
        ).render_as_string()

    def engine(self) -> sa.Engine:
        """An engine that keeps no connections; raises SettingsError where the driver is not installed."""
        import sqlalchemy as sa

        try:
            engine = sa.create_engine(self.parts, poolclass=sa.pool.NullPool)
        except (sa.exc.NoSuchModuleError, ImportError) as error:
            name = getattr(error, "name", None) or self.parts.drivername
            raise SettingsError(
                f"the driver of the database is not installed: {name}",
                hint="Install it beside ddcrm (for MySQL: pip install pymysql, mysql+pymysql://...).",
            ) from None
        if self.postgresql:
            sa.event.listen(engine, "connect", _limit_locks)
        return engine


def _limit_locks(connection: Any, _: object) -> None:
    connection.execute(f"SET lock_timeout TO '{LOCK_TIMEOUT}'")
    connection.commit()
