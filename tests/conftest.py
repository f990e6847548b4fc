"""One embedded PostgreSQL for a whole test run, all workers included; a database of its own for each test."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from ddcrm.warehouse.connect import Warehouse
from ddcrm.warehouse.embedded import EmbeddedPostgres

_FOLDER = "DDCRM_TEST_POSTGRES"
_FAST = {"fsync": "off", "shared_buffers": "64MB", "max_connections": "100", "autovacuum_naptime": "1h"}
_numbers = count()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[_FOLDER] = tempfile.mkdtemp(prefix="ddcrm-tests-")
        os.environ["DDCRM_SEGMENTS__BOOTSTRAPS"] = "2"  # the default's 20 take a fifth of each training


def run_folder() -> Path:
    """The folder that all workers of this test run share."""
    return Path(os.environ[_FOLDER])


_LONGEST = (
    "test_month.py", "test_kill.py", "test_replay.py", "test_restate_kill.py", "test_run.py",
    "test_release.py", "test_score.py", "test_online_retail.py", "test_runs.py",
    "test_commands.py", "test_restate.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files begin first, so that no worker waits for another at the end (`--no-loadscope-reorder`)."""
    places = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(_FOLDER), ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """A running PostgreSQL 18 (superuser postgres, no password, unix socket); shared, so leave its settings alone."""
    server = EmbeddedPostgres.start(run_folder() / "postgres", _FAST)
    yield server
    server.close(force=True)


@pytest.fixture
def postgres_url(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """The SQLAlchemy URL of a new, empty database."""
    yield from _database(postgres_server)


@pytest.fixture(scope="session")
def _template(postgres_server: EmbeddedPostgres) -> str:
    """A database with the warehouse's schema, to be copied."""
    from ddcrm.warehouse.migrate import upgrade

    name = f"template_{os.getpid()}"
    postgres_server.create_database(name)
    with Warehouse(postgres_server.url(name)) as warehouse:
        upgrade(warehouse)
    return name


@pytest.fixture
def warehouse_url(postgres_server: EmbeddedPostgres, _template: str) -> Iterator[str]:
    """The SQLAlchemy URL of a new warehouse: its schema is there, and nothing in it."""
    yield from _database(postgres_server, _template)


@pytest.fixture(scope="module")
def module_warehouse_url(postgres_server: EmbeddedPostgres, _template: str) -> Iterator[str]:
    """A warehouse for what several tests of a file begin with."""
    yield from _database(postgres_server, _template)


@pytest.fixture
def other_warehouse_url(postgres_server: EmbeddedPostgres, _template: str) -> Iterator[str]:
    """A second one, for a run to be compared with."""
    yield from _database(postgres_server, _template)


@pytest.fixture
def warehouse(warehouse_url: str) -> Iterator[Warehouse]:
    """A new warehouse, open."""
    with Warehouse(warehouse_url) as opened:
        yield opened


def _database(server: EmbeddedPostgres, template: str = "template1") -> Iterator[str]:
    import psycopg

    from tests.databases import copy_database

    name = f"test_{os.getpid()}_{next(_numbers)}"
    yield copy_database(server.url(), name, template)
    with psycopg.connect(Warehouse(server.url()).conninfo, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
