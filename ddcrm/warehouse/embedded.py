"""The embedded PostgreSQL: started by the first process that needs it, stopped by the last one that leaves.

Who uses it is told by locks on a file, which the kernel takes away from a process that dies: a killed user neither
keeps the server up nor takes it from the others. Folder:

    data/        the cluster, with server.log and, where its path is short enough, the socket
    start.lock   held while somebody starts or stops it
    users.lock   held, shared, by everyone who uses it
"""

from __future__ import annotations

import fcntl
import os
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from ddcrm.errors import WarehouseUnavailableError
from ddcrm.warehouse import postmaster
from ddcrm.warehouse.programs import programs
from ddcrm.warehouse.sockets import PORT

APPLICATION = "ddcrm"  # the application_name of our own connections; others are guests whom a stop would hurt
LOCK_SECONDS = 150


class EmbeddedPostgres:
    """A use of the server in `folder`, from `start` to `close` (a context manager closes it by itself)."""

    def __init__(self, folder: Path, socket_dir: Path, users: int) -> None:
        self.folder = folder
        self.socket_dir = socket_dir
        self._leave = weakref.finalize(self, _leave, folder, users, os.getpid())

    @classmethod
    def start(cls, folder: Path, options: Mapping[str, str] | None = None) -> EmbeddedPostgres:
        """Use the server in `folder`; makes and starts it where needed, with further server `options` then.

        Raises WarehouseUnavailableError where it does not come up, SettingsError where it never can.
        """
        folder = folder.expanduser().resolve()
        folder.mkdir(parents=True, exist_ok=True)
        data = folder / "data"
        with _starting(folder):
            if not (data / "PG_VERSION").exists():
                postmaster.initialise(data)
            postmaster.check_version(data)
            found = postmaster.find(data) or postmaster.start(data, options or {})
            users = os.open(folder / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(users, fcntl.LOCK_SH)
        return cls(folder, found.socket_dir, users)

    @property
    def programs(self) -> Path:
        """The folder of psql, pg_dump and the like."""
        return programs()

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL of a database of the server."""
        host = quote(str(self.socket_dir), safe="/")
        return (
            f"postgresql+psycopg://{postmaster.SUPERUSER}@/{quote(database, safe='')}"
            f"?host={host}&port={PORT}&application_name={APPLICATION}"
        )

    def create_database(self, name: str) -> None:
        """Create the database `name` where it is not there; several may try at once."""
        import psycopg
        from psycopg import errors, sql

        with psycopg.connect(_conninfo(self.socket_dir), autocommit=True) as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount:
                return
            try:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            except (errors.DuplicateDatabase, errors.UniqueViolation):
                return

    def close(self, *, force: bool = False) -> None:
        """Leave; the last one to leave stops the server, unless a guest (psql, say) is connected and not `force`."""
        if force and (left := self._leave.detach()):
            folder, users, process = left[2]
            _leave(folder, users, process, force=True)
        self._leave()

    def __enter__(self) -> EmbeddedPostgres:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _leave(folder: Path, users: int, process: int, force: bool = False) -> None:
    """Give up the shared lock; whoever then gets the exclusive one was the last."""
    if os.getpid() != process:  # a forked child has a copy of the lock, and is no user of its own
        os.close(users)
        return
    with _starting(folder):
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        finally:
            os.close(users)
        found = postmaster.find(folder / "data")
        if found and (force or not _guests(found.socket_dir)):
            postmaster.stop(folder / "data")
            with suppress(OSError):  # the data folder is not empty, a folder of the socket's own is
                found.socket_dir.rmdir()


def _guests(socket_dir: Path) -> int:
    import psycopg

    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' "
        "AND pid <> pg_backend_pid() AND application_name <> %s"
    )
    try:
        with psycopg.connect(_conninfo(socket_dir)) as connection:
            row = connection.execute(query, [APPLICATION]).fetchone()
            return int(row[0]) if row else 0
    except psycopg.OperationalError:
        return 0


def _conninfo(socket_dir: Path) -> str:
    from psycopg.conninfo import make_conninfo

    return make_conninfo(
        host=str(socket_dir),
        port=PORT,
        user=postmaster.SUPERUSER,
        dbname="postgres",
        connect_timeout=10,
        application_name=APPLICATION,
    )


@contextmanager
def _starting(folder: Path) -> Iterator[None]:
    """Hold the lock under which the server is started and stopped; raises WarehouseUnavailableError after minutes."""
    lock = os.open(folder / "start.lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    try:
        while not _locked(lock):
            if time.monotonic() > deadline:
                raise WarehouseUnavailableError(
                    "another process has been starting the embedded PostgreSQL for minutes",
                    folder=folder,
                    hint="See data/server.log there.",
                )
            time.sleep(0.02)
        yield
    finally:
        os.close(lock)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
