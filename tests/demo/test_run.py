"""`ddcrm demo` that is interrupted, or fails, leaves nothing running."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.deploy.compose import REPOSITORY

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.xdist_group("airflow")]


COMMAND = str(Path(sys.executable).with_name("ddcrm"))


def environment(state: Path) -> dict[str, str]:
    return {**os.environ, "DDCRM_STATE_DIR": str(state), "DDCRM_SOURCES_DIR": str(state / "demo/sources")}


def start(project: Path, state: Path, *how: str) -> subprocess.Popen[str]:
    command = [COMMAND, "--project", str(project), "demo", *(how or ["--exit"])]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(state)
    )


def wait(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def everything_below(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_ctrl_c_in_the_middle_stops_everything(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with start(REPOSITORY, state) as demo:
        wait(lambda: (state / "airflow/triggerer.log").exists() or demo.poll() is not None, 180)
        postmaster = int((state / "postgres/data/postmaster.pid").read_text().splitlines()[0])
        below = [*everything_below(demo), psutil.Process(postmaster)]
        assert len(below) > 5
        demo.send_signal(signal.SIGINT)
        output, _ = demo.communicate(timeout=120)
    assert demo.returncode == 130, output
    assert "Traceback" not in output
    assert [process for process in below if is_alive(process)] == []
    assert not (state / "postgres/data/postmaster.pid").exists()


def test_an_error_while_the_parts_start_stops_everything(tmp_path: Path) -> None:
    project, state = tmp_path / "project", tmp_path / "state"
    for name in ("ddcrm.toml", "contracts", "expectations", "dags", "plugins"):
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copyfile
        project.mkdir(exist_ok=True)
        copy(REPOSITORY / name, project / name)
    (project / "contracts/orders/1.0.0.yaml").write_text("servers: [unclosed")
    with start(project, state) as demo:
        output, _ = demo.communicate(timeout=180)
    assert demo.returncode == 1, output
    assert re.search(r"^error: .*orders/1\.0\.0\.yaml", output, re.MULTILINE), output
    assert not (state / "postgres/data/postmaster.pid").exists()
    assert not [
        process.pid for process in psutil.process_iter(["cmdline"]) if str(state) in str(process.info["cmdline"])
    ]
    assert (state / "postgres/data").is_dir(), "PostgreSQL had been started"


def test_the_systems_alone_answer_whoever_reads_their_file(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with start(REPOSITORY, state, "--serve", "--change-on", "2026-06-24") as demo:
        wait(lambda: (state / "demo.env").exists() or demo.poll() is not None, 180)
        below = everything_below(demo)
        variables = (state / "demo.env").read_text()
        shell = f'. {state}/demo.env; "$0" ingest customers --date 2026-06-24 && "$0" ingest tickets --date 2026-06-24'
        told = subprocess.run(["sh", "-c", shell, COMMAND], capture_output=True, text=True, env=environment(state),
                              cwd=REPOSITORY)  # fmt: skip
        assert (state / "demo.env").stat().st_mode & 0o077 == 0
        demo.send_signal(signal.SIGINT)
        output, _ = demo.communicate(timeout=120)
    assert (told.returncode, demo.returncode) == (0, 0), told.stderr + output
    assert re.search(r"^customers 2026-06-24: [1-9].*\ntickets 2026-06-24: [1-9]", told.stdout, re.MULTILINE), (
        told.stdout
    )
    assert "TICKETS_TOKEN=" in variables
    assert [_order_columns(state, day) for day in (23, 24)] == [{"Amount"}, {"total_cents", "loyalty_tier"}]
    assert not (state / "demo.env").exists()
    assert [process for process in below if is_alive(process)] == []
    assert not (state / "postgres/data/postmaster.pid").exists()


def _order_columns(state: Path, day: int) -> set[str]:
    """The columns in which the two layouts of the orders differ."""
    file = state / f"demo/sources/orders/2026-06-{day}/orders.csv.gz"
    header = gzip.decompress(file.read_bytes()).decode().partition("\n")[0]
    return set(header.split(",")) & {"Amount", "total_cents", "loyalty_tier"}
