"""What a person is told where the system lets nothing be written."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ddcrm.cli import app
from tests.pipeline.shop import Shop

STATE = ".ddcrm"


@pytest.mark.parametrize(
    "words", [["demo", "--exit"], ["status"], ["doctor"], ["run", "--from", "2026-01-01", "--to", "2026-01-02"]]
)
def test_a_file_where_the_state_should_be_is_named(words: list[str], tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop", days=2, customers=20).make()
    (shop.folder / STATE).write_text("not a folder")
    result = CliRunner().invoke(app, ["--project", str(shop.folder), *words])
    assert result.exit_code == 1
    assert str(shop.folder / STATE) in result.output
    assert "unexpected" not in result.output
    assert "A file stands where a folder is needed" in result.output
    assert (shop.folder / STATE).read_text() == "not a folder"
