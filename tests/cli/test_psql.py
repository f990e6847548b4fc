"""`ddcrm warehouse psql`: psql's own arguments, exit codes and input, on whichever warehouse is configured."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ddcrm.warehouse.connect import Warehouse

COMMAND = [sys.executable, "-c", "from ddcrm.cli import main; main()", "--project"]


def psql(folder: Path, *words: str, asked: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "ddcrm.toml").touch()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DDCRM_")}
    return subprocess.run([*COMMAND, str(folder), "warehouse", "psql", *words], input=asked, capture_output=True,
                          text=True, env={**kept, **variables})  # fmt: skip


def test_the_embedded_server_runs_for_as_long_as_psql_does(tmp_path: Path) -> None:
    done = psql(tmp_path, "-At", "-c", "SELECT current_database(), 6 * 7")
    assert (done.returncode, done.stdout) == (0, "ddcrm|42\n"), done.stderr
    assert (tmp_path / ".ddcrm/postgres/data/PG_VERSION").exists()
    assert not (tmp_path / ".ddcrm/postgres/data/postmaster.pid").exists()


def test_a_server_that_is_configured(tmp_path: Path, postgres_url: str) -> None:
    done = psql(
        tmp_path, "--tuples-only", "--no-align", asked="SELECT current_database();", DDCRM_WAREHOUSE_URL=postgres_url
    )
    assert (done.returncode, done.stdout.strip()) == (0, Warehouse(postgres_url)._url.database), done.stderr
    failed = psql(tmp_path, "-v", "ON_ERROR_STOP=1", asked="SELECT nothing;", DDCRM_WAREHOUSE_URL=postgres_url)
    assert (failed.returncode, 'column "nothing" does not exist' in failed.stderr) == (3, True)


@pytest.mark.parametrize("password", ["a word", None])
def test_the_password_stands_in_no_command_line(password: str | None) -> None:
    login = f"me:{password}" if password else "me"
    warehouse = Warehouse(f"postgresql://{login}@db.example/crm")
    assert warehouse.psql_environment == ({"PGPASSWORD": password} if password else {})
    assert not any(str(password) in argument for argument in warehouse.psql_arguments)
