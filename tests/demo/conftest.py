"""One company of the default size for the whole test run, and a small one that is cheap to make again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ddcrm import demo
from ddcrm.atomic import locked
from tests.conftest import run_folder

SMALL: dict[str, Any] = {"customers": 60, "first_day": "2026-03-01", "last_day": "2026-04-15"}


@pytest.fixture(scope="session")
def company() -> Path:
    """The folder of the demo company as `make demo` has it, made by whichever worker comes first. Leave it as it is."""
    folder = run_folder() / "company"
    with locked(folder):
        if not (folder / "truth.json").is_file():  # which goes last
            demo.make(folder)
    return folder


@pytest.fixture(scope="session")
def truth(company: Path) -> dict[str, Any]:
    """Its truth.json."""
    found: dict[str, Any] = json.loads((company / "truth.json").read_text("utf-8"))
    return found


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company of 60 customers and 46 days. Leave it as it is."""
    folder = tmp_path_factory.mktemp("small")
    demo.make(folder, **SMALL)
    return folder
