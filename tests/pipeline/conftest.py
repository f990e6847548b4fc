"""A shop with a warehouse of its own on the session's PostgreSQL."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from ddcrm.warehouse.embedded import EmbeddedPostgres
from tests.conftest import _database
from tests.pipeline.days import ingest
from tests.pipeline.lived import Lived, live, shared, trained
from tests.pipeline.shop import Shop
from tests.pipeline.spoils import with_channels
from tests.sources.conftest import locked_postgres, service  # noqa: F401  (fixtures)


@pytest.fixture
def shop(tmp_path: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", warehouse_url)
    return Shop(tmp_path / "shop").make()


@pytest.fixture(scope="module")
def changing_shop(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: EmbeddedPostgres, _template: str
) -> Iterator[Shop]:
    """A shop with nine ingested days, whose tenth the tests deliver again and again, each in its own way."""
    with pytest.MonkeyPatch.context() as patch:
        for url in _database(postgres_server, _template):
            patch.setenv("DDCRM_WAREHOUSE_URL", url)
            made = with_channels(Shop(tmp_path_factory.mktemp("changes") / "shop").make())
            ingest(made.settings, date(2026, 1, 11), date(2026, 1, 19))
            yield made


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few MiB of its own; skips where the machine lets nobody mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture(scope="session")
def lived(postgres_server: EmbeddedPostgres, _template: str) -> Lived:
    """A shop with published days, made once for all workers; `Lived.copy` gives a test its own."""
    return shared(postgres_server, _template, "lived", live)


@pytest.fixture(scope="session")
def trained_shop(postgres_server: EmbeddedPostgres, _template: str) -> Lived:
    """One with a longer history, models for all schemes and one published day; made once, too."""
    return shared(postgres_server, _template, "trained", trained)
