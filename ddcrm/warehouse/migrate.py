"""The schema's versions: bring a warehouse to the newest one, or say that it is not."""

from __future__ import annotations

import re
import threading
from functools import cache
from typing import TYPE_CHECKING, Any

from ddcrm.errors import WarehouseError
from ddcrm.progress import point

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Connection

    from ddcrm.warehouse.connect import Warehouse

VERSION_TABLE, VERSION_SCHEMA = "schema_version", "ops"
LOCK = 0x64646D67  # the advisory lock of all migrators
_one_at_a_time = threading.Lock()  # Alembic's context belongs to the process


def upgrade(warehouse: Warehouse) -> str:
    """Bring the warehouse to the newest version, in one transaction; returns it. A second call changes nothing.

    Raises WarehouseError, with what the database said, and leaves everything as it was.
    """
    from alembic import command
    from sqlalchemy import text

    with _one_at_a_time, warehouse.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        _ensure_schema(connection)
        found, newest = _revision(connection), head()
        if found != newest:
            point("migrate.begin", found=found, newest=newest)
            _refuse_newer(found, warehouse)
            command.upgrade(_config(connection), "head")
            point("migrate.done", newest=newest)
        return newest


def current_revision(warehouse: Warehouse) -> str | None:
    """The version of the warehouse's schema, None where it has none yet."""
    with warehouse.begin() as connection:
        return _revision(connection)


def check_current(warehouse: Warehouse) -> None:
    """Raise WarehouseError where the schema is not of the version that this ddcrm works with."""
    if message := pending(warehouse):
        raise WarehouseError(message, url=warehouse.display_url, hint="Run `ddcrm warehouse upgrade`.")


def pending(warehouse: Warehouse) -> str | None:
    """Why `upgrade` has something to do, or None; raises WarehouseError where the schema is newer than this ddcrm."""
    found = current_revision(warehouse)
    if found == head():
        return None
    _refuse_newer(found, warehouse)
    return "the warehouse has no tables yet" if found is None else f"the warehouse's schema is at {found}, not {head()}"


@cache
def head() -> str:
    """The newest version that this ddcrm knows: read from the migrations' texts, as every step asks for it.

    Alembic would import all of them.
    """
    texts = [file.read_text("utf-8") for file in _versions().iterdir() if file.name.endswith(".py")]
    known = {revision for text in texts for revision in re.findall(r'^revision = "(\w+)"$', text, re.MULTILINE)}
    before = {revision for text in texts for revision in re.findall(r'^down_revision = "(\w+)"$', text, re.MULTILINE)}
    (newest,) = known - before
    return newest


def drift(warehouse: Warehouse) -> list[Any]:
    """What Alembic would change to bring the database to `tables.metadata`: nothing, if the migrations are right."""
    from alembic.autogenerate import compare_metadata

    from ddcrm.warehouse.tables import metadata

    with warehouse.begin() as connection:
        return compare_metadata(_context(connection), metadata)


def _revision(connection: Connection) -> str | None:
    """What Alembic's own table says: each step asks, and to make Alembic's context takes longer than to ask."""
    from sqlalchemy import text

    table = f"{VERSION_SCHEMA}.{VERSION_TABLE}"
    if connection.scalar(text("SELECT to_regclass(:name)"), {"name": table}) is None:
        return None
    found = connection.scalar(text(f"SELECT version_num FROM {table}"))
    return str(found) if found is not None else None


def _context(connection: Connection) -> MigrationContext:
    from alembic.runtime.migration import MigrationContext

    from ddcrm.warehouse.tables import CRM, OPS

    options = {
        "version_table": VERSION_TABLE,
        "version_table_schema": VERSION_SCHEMA,
        "include_schemas": True,
        "include_name": lambda name, kind, parents: kind != "schema" or name in (CRM, OPS),
    }
    return MigrationContext.configure(connection, opts=options)


def _refuse_newer(found: str | None, warehouse: Warehouse) -> None:
    known = {script.revision for script in _scripts().walk_revisions()}
    if found is not None and found not in known:
        raise WarehouseError(
            f"the warehouse's schema is at {found}, which this ddcrm does not know",
            url=warehouse.display_url,
            hint="Update ddcrm.",
        )


def _ensure_schema(connection: Connection) -> None:
    """Alembic's own table needs its schema before the first migration runs."""
    from sqlalchemy import text

    known = text("SELECT count(*) FROM pg_namespace WHERE nspname = :name")
    if not connection.execute(known, {"name": VERSION_SCHEMA}).scalar():
        connection.execute(text(f"CREATE SCHEMA {VERSION_SCHEMA}"))


def _versions() -> Traversable:
    from importlib.resources import files

    return files("ddcrm.warehouse") / "migrations" / "versions"


def _scripts() -> Any:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config())


def _config(connection: Connection | None = None) -> Config:
    from importlib.resources import files

    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("ddcrm.warehouse") / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
