"""`ddcrm backfill`: what it says of a range before it asks, and what it asks (the real Airflow: tests/dags)."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from ddcrm.cli import backfill
from ddcrm.warehouse.embedded import EmbeddedPostgres
from tests.cli.test_commands import document, run
from tests.cli.test_commands import shop as shop
from tests.pipeline.conftest import lived as lived
from tests.pipeline.lived import PUBLISHED, Lived
from tests.pipeline.shop import CONTRACT, FIRST, Shop

RANGE = ("backfill", "--from", "2026-01-03", "--to", "2026-01-06")
COMMAND = "airflow backfill create --dag-id crm_ingest --from-date 2026-01-03 --to-date 2026-01-06 --max-active-runs"


def _airflow(folder: Path, running: int, code: int = 0) -> Path:
    """A program that notes what it is asked, and tells of so many runs."""
    program = folder / "airflow"
    runs = json.dumps([{"run_id": str(number)} for number in range(running)])
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/asked\n[ "$1" = backfill ] && echo "it is refused" >&2 && exit {code}\n'
        f"echo '2026-01-03T00:00:00Z [info     ] a line of logs [airflow]'\necho '{runs}'\n"
    )
    program.chmod(0o755)
    return program


def test_partitions_are_said_before_anything_is_asked(shop: Shop) -> None:
    assert run(shop, "ingest", "--from", "2026-01-01", "--to", "2026-01-04")[0] == 0
    (shop.folder / "contracts/orders/2.0.0.yaml").write_text(
        CONTRACT.replace("version: 1.0.0", "version: 2.0.0").replace("'2026-01-01'", "'2026-01-06'")
    )
    code, text = run(shop, *RANGE, "--max-active-runs", "4")
    assert code == 0
    assert text.splitlines() == [
        "crm_ingest: 4 partitions, oldest first, 4 at once",
        "    2026-01-03..2026-01-04 (2): orders 1.0.0 again; not published yet",
        "    2026-01-05 (1): orders 1.0.0; not published yet",
        "    2026-01-06 (1): orders 2.0.0; not published yet",
        f"with --yes this is asked: {COMMAND} 4 --reprocess-behavior completed",
    ]
    code, said = document(shop, *RANGE)
    assert (code, said["asked"]) == (0, False)
    assert [each["key"] for each in said["partitions"]] == [str(FIRST + timedelta(days=n)) for n in range(2, 6)]


def test_days_before_and_after_are_warned_of(lived: Lived, postgres_server: EmbeddedPostgres, tmp_path: Path) -> None:
    first, second, *after = PUBLISHED
    with lived.copy(postgres_server, tmp_path / "shop") as shop:
        code, said = document(shop, "backfill", "--from", str(first), "--to", str(second))
        assert code == 0
        assert said["published_after"] == [str(day) for day in after]
        assert f"2 published days after them (up to {after[-1]}) keep their scores" in said["warnings"][0]
        assert all(each["published"] for each in said["partitions"])
        code, said = document(shop, "backfill", "--from", "2026-01-23", "--to", "2026-01-24")
    assert "orders 2026-01-20 and 2 more up to 2026-01-22" in said["waits_for"]
    assert "begin there" in said["warnings"][0]


@pytest.mark.parametrize(("running", "warned"), [(0, False), (19, False), (20, True)])
def test_airflow_is_asked_and_starvation_warned_of(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, running: int, warned: bool
) -> None:
    monkeypatch.setattr(backfill.sys, "executable", str(_airflow(tmp_path, running).with_name("python")))
    code, said = document(shop, *RANGE, "--yes")
    assert (code, said["asked"]) == (0, True)
    assert any(f"{running} other runs" in each for each in said.get("warnings", [])) == warned
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [
        "dags list-runs crm_ingest --state running --no-backfill --output json",
        f"{COMMAND.removeprefix('airflow ')} 1 --reprocess-behavior completed",
    ]


def test_what_airflow_refuses_is_told(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill.sys, "executable", str(_airflow(tmp_path, 0, code=3).with_name("python")))
    code, text = run(shop, *RANGE, "--yes")
    assert code == 1
    assert "error: Airflow refused: it is refused (command airflow backfill create" in text


def test_without_airflow_the_command_is_told(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    code, text = run(shop, *RANGE, "--yes")
    assert code == 1
    assert "there is no airflow command here (command airflow dags list-runs" in text
