"""`ddcrm doctor`: what is wrong is told once, with all that is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ddcrm.cli import app
from ddcrm.settings import Settings
from tests.pipeline.shop import Shop

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def shop(tmp_path: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", warehouse_url)
    return Shop(tmp_path / "shop", customers=3).make()


def doctor(folder: Path) -> tuple[int, dict[str, bool | None], dict[str, str]]:
    """The exit code, what is well, what was found."""
    result = CliRunner().invoke(app, ["--project", str(folder), "doctor", "--json"])
    checks: list[dict[str, Any]] = json.loads(result.output)["checks"]
    return result.exit_code, {c["check"]: c["ok"] for c in checks}, {c["check"]: c["found"] for c in checks}


def test_a_project_that_is_well(shop: Shop) -> None:
    code, well, _ = doctor(shop.folder)
    assert (code, set(well.values())) == (0, {True})


def test_a_broken_suite(shop: Shop) -> None:
    (shop.folder / "expectations/orders.json").write_text("{")
    code, well, _ = doctor(shop.folder)
    assert (code, [name for name in well if not well[name]]) == (1, ["suites"])


def test_no_project_is_told_once(tmp_path: Path) -> None:
    code, well, found = doctor(tmp_path)
    assert code == 1
    assert well == {"python": True, "settings": False} | dict.fromkeys(
        ("lake", "contracts", "suites", "secrets", "warehouse")
    )
    assert [name for name in found if "there is no ddcrm.toml" in found[name]] == ["settings"]


def test_a_broken_contract_is_told_once(shop: Shop) -> None:
    (shop.folder / "contracts/orders/1.0.0.yaml").write_text("servers: [unclosed")
    code, well, found = doctor(shop.folder)
    assert (code, [name for name in well if well[name] is False]) == (1, ["contracts"])
    assert found["suites"] == found["secrets"] == "not checked: it needs contracts"
    assert well["warehouse"] is True


def test_all_secrets_that_are_missing_are_named(
    tmp_path: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", warehouse_url)
    monkeypatch.setenv("DDCRM_STATE_DIR", str(tmp_path))
    for name in ("SHOP_DATABASE_URL", "TICKETS_TOKEN"):
        monkeypatch.delenv(f"DDCRM_SECRET_{name}", raising=False)
    _, well, found = doctor(REPOSITORY)
    assert well["secrets"] is False
    assert "shop_database_url (source customers), tickets_token (source tickets)" in found["secrets"]
    assert "DDCRM_SECRET_SHOP_DATABASE_URL, DDCRM_SECRET_TICKETS_TOKEN" in found["secrets"]
    monkeypatch.setenv("DDCRM_SECRET_TICKETS_TOKEN", "any")
    assert "tickets" not in doctor(REPOSITORY)[2]["secrets"]


def test_an_embedded_warehouse_without_tables_is_no_fault(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DDCRM_WAREHOUSE_URL")
    code, well, found = doctor(shop.folder)
    assert (code, well["warehouse"]) == (0, True)
    assert "whose tables the first step makes" in found["warehouse"]


def test_another_warehouse_without_tables_is_one(
    shop: Shop, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DDCRM_WAREHOUSE_URL", postgres_url)
    code, well, found = doctor(shop.folder)
    assert (code, well["warehouse"]) == (1, False)
    assert "Run `ddcrm warehouse upgrade`" in found["warehouse"]


def test_a_missing_secret_names_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DDCRM_SECRET_TICKETS_TOKEN", raising=False)
    with pytest.raises(Exception, match=r"not set \(source tickets, partition 2026-01-05\)\. Set DDCRM_SECRET_TICKETS"):
        Settings().secret("tickets_token", source="tickets", partition="2026-01-05")
