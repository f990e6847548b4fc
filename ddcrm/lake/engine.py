"""The engine: DuckDB in process, reached by SQL for conforming and by Ibis for views and features."""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ddcrm.atomic import locked, sweep
from ddcrm.errors import DdcrmError, LakeError, StorageFullError
from ddcrm.settings import Settings

if TYPE_CHECKING:
    import duckdb
    import ibis

T = TypeVar("T")


class Engine:
    """One DuckDB connection with the settings' limits; spills beside the lake. Use as a context manager."""

    def __init__(self, settings: Settings) -> None:
        import duckdb

        self.settings = settings
        root = settings.state_dir / "tmp"
        with storage_errors(root):
            root.mkdir(parents=True, exist_ok=True)
            sweep(root)
            self._spill = Path(tempfile.mkdtemp(prefix="engine-", dir=root))
            self._held = ExitStack()
            self._held.enter_context(locked(self._spill))
        self.con: duckdb.DuckDBPyConnection = duckdb.connect(
            config={
                "threads": settings.engine.threads,
                "memory_limit": settings.engine.memory_limit,
                "temp_directory": str(self._spill),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        self.con.execute("SET GLOBAL TimeZone = 'UTC'; SET enable_progress_bar = false")
        self.con.execute("SET parquet_metadata_cache = true")  # no file of the lake is ever written again
        self._ibis: Any = None
        self._remembered: dict[Hashable, Any] | None = None

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """In the block `once` keeps what it computes: what is read of the lake stays as it was first read."""
        self._remembered = {}
        try:
            yield
        finally:
            self._remembered = None

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` computes: in `remembering` once for each key, elsewhere each time."""
        if self._remembered is None:
            return make()
        if key not in self._remembered:
            self._remembered[key] = make()
        found: T = self._remembered[key]
        return found

    @property
    def ibis(self) -> ibis.BaseBackend:
        """The same connection as an Ibis backend."""
        if self._ibis is None:
            import ibis

            self._ibis = ibis.duckdb.from_connection(self.con)
        return self._ibis

    def close(self) -> None:
        """Close the connection and remove what it spilled."""
        self.con.close()
        shutil.rmtree(self._spill, ignore_errors=True)
        self._held.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def quoted(name: str) -> str:
    """An SQL identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string literal (for COPY and read_parquet, which take no bound values)."""
    return "'" + text.replace("'", "''") + "'"


def read_parquet(files: list[str], extra: str = "") -> str:
    """A FROM item over Parquet files whose columns may differ, with the partition columns as text."""
    listed = ", ".join(literal(file) for file in files)
    return f"read_parquet([{listed}], union_by_name=true, hive_partitioning=true, hive_types_autocast=false{extra})"


_FULL = ("No space left", "os error 28", "Disk quota", "max_temp_directory_size")
_WAREHOUSE = ("adbc_driver_manager", "psycopg", "sqlalchemy")  # its disk is another one


@contextmanager
def storage_errors(where: Path) -> Iterator[None]:
    """Turn what a full disk makes the file system and the engine raise a StorageFullError, other I/O a LakeError."""
    try:
        with full_disk(where):
            yield
    except OSError as error:
        message = f"the lake can't be read or written: {type(error).__name__}: {error}"
        raise LakeError(message, path=str(where)) from error


@contextmanager
def full_disk(where: Path) -> Iterator[None]:
    """Turn what a full disk makes the file system and the engine raise a StorageFullError; all else stays as it is."""
    try:
        yield
    except DdcrmError:
        raise
    except Exception as error:
        if not _is_full(error):
            raise
        raise StorageFullError(
            "no space left on the device",
            path=str(getattr(error, "filename", None) or where),
            hint="Free some space there and run the step again: nothing half-written is visible.",
        ) from error


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    raised_by = type(error).__module__.partition(".")[0]
    return raised_by not in _WAREHOUSE and any(sign in str(error) for sign in _FULL)
