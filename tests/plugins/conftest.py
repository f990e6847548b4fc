"""These tests import Airflow, whose home must be set before."""

from __future__ import annotations

import importlib

import pytest

from tests.airflow_home import make_tables


@pytest.fixture(scope="session", autouse=True)
def airflow() -> None:
    """Its first import takes the root logger's handlers away, pytest's included: not in the middle of a test."""
    importlib.import_module("airflow.sdk")


@pytest.fixture(scope="session")
def airflow_tables() -> None:
    """Airflow's own tables, in SQLite."""
    make_tables()
