"""The top-level ddcrm.toml shows every setting there is, and no other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from ddcrm.settings import Settings, load_settings

FILE = Path(__file__).parents[2] / "ddcrm.toml"


@pytest.fixture
def uncommented(tmp_path: Path) -> Path:
    """A project whose file sets what the original only shows."""
    shown = re.sub(r"^# (\[[\w.]+\].*|\w+ = .*)$", r"\1", FILE.read_text("utf-8"), flags=re.MULTILINE)
    (tmp_path / "ddcrm.toml").write_text(shown, "utf-8")
    return tmp_path


def test_it_is_the_demo_companys_project() -> None:
    settings = load_settings(FILE.parent)
    assert settings.sources_dir == FILE.parent / ".ddcrm" / "demo" / "sources"
    assert settings.state_dir == FILE.parent / ".ddcrm"
    assert (settings.contracts_dir / "orders" / "1.0.0.yaml").is_file()
    assert (settings.expectations_dir / "orders.json").is_file()


def test_every_setting_is_shown_and_right(uncommented: Path) -> None:
    values = tomllib.loads((uncommented / "ddcrm.toml").read_text("utf-8"))
    assert set(values) == set(Settings.model_fields) - {"project_dir"}
    for group in ("engine", "purchase", "value", "segments", "changes"):
        assert set(values[group]) == set(type(getattr(Settings(), group)).model_fields), group
    settings = load_settings(uncommented)
    assert set(values["sources"]["tickets"]) == set(type(settings.source("tickets")).model_fields)


def test_what_is_commented_out_shows_the_default(uncommented: Path) -> None:
    shown = load_settings(uncommented)
    unset = {"margin": None, "holdout_days": None}  # which nothing can be written for
    value = shown.value.model_copy(update=unset)
    assert (value, shown.segments) == (Settings().value, Settings().segments)
    assert shown.changes == Settings().changes
    assert shown.purchase.counts == Settings().purchase.counts
