"""Data that several tests of the models use."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.models.cohort import CDNOW, CDNOW_MASTER, cdnow_summary


@pytest.fixture(scope="session")
def cdnow() -> pd.DataFrame:
    """The CDNOW sample, summarised; skips where the data are absent."""
    if not CDNOW.is_file():
        pytest.skip(f"CDNOW is not at {CDNOW}: set DDCRM_TEST_DATA to the folder that holds cdnow/")
    return cdnow_summary()


@pytest.fixture(scope="session")
def cdnow_master() -> pd.DataFrame:
    """All of CDNOW, summarised; skips where the data are absent."""
    if not CDNOW_MASTER.is_file():
        pytest.skip(f"CDNOW is not at {CDNOW_MASTER}: set DDCRM_TEST_DATA to the folder that holds cdnow/")
    return cdnow_summary(CDNOW_MASTER)
