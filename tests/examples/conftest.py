"""The examples on their real data; tests skip, saying so, where the data is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ddcrm.settings import Settings, load_settings

REPOSITORY = Path(__file__).parents[2]
DATA = Path(os.environ.get("DDCRM_TEST_DATA", REPOSITORY.parent / "shared/data"))


def example(name: str, file: str, state: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of an example whose data stands in DATA/name."""
    if not (DATA / name / file).is_file():
        pytest.skip(f"{file} is not in {DATA / name}: set DDCRM_TEST_DATA to the folder of the data sets")
    monkeypatch.setenv("DDCRM_SOURCES_DIR", str(DATA / name))
    monkeypatch.setenv("DDCRM_STATE_DIR", str(state))
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", warehouse_url)
    return load_settings(REPOSITORY / "examples" / name)
