"""Settings, sources and secrets, as the DAGs find them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ddcrm.errors import SettingsError

pytestmark = pytest.mark.xdist_group("airflow")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ddcrm.toml").write_text("[sources.resting]\nenabled = false\n")
    for name in ("orders", "customers", "resting"):
        (tmp_path / "contracts" / name).mkdir(parents=True)
        (tmp_path / "contracts" / name / "1.0.0.yaml").write_text("not: [read")
    (tmp_path / "contracts" / "_drafts").mkdir()
    (tmp_path / "contracts" / "README.md").touch()
    monkeypatch.setenv("DDCRM_PROJECT_DIR", str(tmp_path))
    return tmp_path


def test_sources_are_the_folders_of_contracts(project: Path) -> None:
    from ddcrm_project import source_names

    assert source_names() == ["customers", "orders"]


def test_without_a_variable_the_project_is_the_one_around_the_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    from ddcrm_project import project_settings

    monkeypatch.delenv("DDCRM_PROJECT_DIR", raising=False)
    assert project_settings().project_dir == Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("uri", "secret"),
    [
        ("postgres://crm:s%40crEt@db:5432/shop", "postgresql://crm:s%40crEt@db:5432/shop"),
        ("mysql://crm:s@db/shop", "mysql://crm:s@db/shop"),
        ("http://:t0ken@helpdesk.example", "t0ken"),
        ("generic://:t0ken@", "t0ken"),
    ],
)
def test_a_connection_is_a_secret(project: Path, monkeypatch: pytest.MonkeyPatch, uri: str, secret: str) -> None:
    from ddcrm_project import project_settings

    monkeypatch.setenv("AIRFLOW_CONN_SHOP_DATABASE_URL", uri)
    assert project_settings().secret("shop_database_url") == secret


def test_the_environment_comes_before_a_connection(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ddcrm_project import project_settings

    monkeypatch.setenv("AIRFLOW_CONN_TOKEN", "generic://:of-airflow@")
    monkeypatch.setenv("DDCRM_SECRET_TOKEN", "of-the-environment")
    assert project_settings().secret("token") == "of-the-environment"


def test_a_missing_secret_names_both_places(project: Path, airflow_tables: None) -> None:
    from ddcrm_project import project_settings

    with pytest.raises(SettingsError, match="DDCRM_SECRET_NOWHERE, or an Airflow connection called nowhere"):
        project_settings().secret("nowhere")


def test_the_schedule_is_in_the_time_zone_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    from ddcrm_project import schedule_timezone

    monkeypatch.setenv("DDCRM_SCHEDULE_TIMEZONE", "America/New_York")
    assert schedule_timezone() == "America/New_York"
    monkeypatch.delenv("DDCRM_SCHEDULE_TIMEZONE")
    assert schedule_timezone() == "UTC"


def test_the_schedule_ends_after_its_last_day(monkeypatch: pytest.MonkeyPatch) -> None:
    from ddcrm_project import schedule_end

    monkeypatch.setenv("DDCRM_SCHEDULE_END", "2026-06-30")
    assert schedule_end() == datetime(2026, 7, 1, tzinfo=UTC)
    monkeypatch.delenv("DDCRM_SCHEDULE_END")
    assert schedule_end() is None
