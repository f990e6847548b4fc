"""`ddcrm demo` that is interrupted, or fails, leaves nothing running."""

from __future__ import annotations

import gzip
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from ddcrm.cli import app
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
    """The company's systems answer, and Airflow is being started, when a contract turns out to be unreadable."""
    project, state = tmp_path / "project", tmp_path / "state"
    project.mkdir()
    shutil.copyfile(REPOSITORY / "ddcrm.toml", project / "ddcrm.toml")
    for name in ("contracts", "expectations", "dags", "plugins"):
        shutil.copytree(REPOSITORY / name, project / name)
    (project / "contracts/orders/1.0.0.yaml").write_text("servers: [unclosed")
    with start(project, state) as demo:
        output, _ = demo.communicate(timeout=180)
    assert demo.returncode == 1, output
    assert re.search(r"^error: .*orders/1\.0\.0\.yaml", output, re.MULTILINE), output
    assert (state / "postgres/data").is_dir(), "PostgreSQL had been started"
    assert not (state / "postgres/data/postmaster.pid").exists()
    assert [process for process in psutil.process_iter() if knows_of(process, state)] == []


def knows_of(process: psutil.Process, state: Path) -> bool:
    """Whether it is PostgreSQL in the state folder, or was started with the demo's variables."""
    try:
        return any(str(state) in text for text in (*process.cmdline(), *process.environ().values()))
    except psutil.Error:
        return False


def test_the_systems_alone_answer_whoever_reads_their_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state"
    with start(REPOSITORY, state, "--serve", "--change-on", "2026-06-24") as demo:
        wait(lambda: (state / "demo.env").exists() or demo.poll() is not None, 180)
        below = everything_below(demo)
        variables = said_by(state / "demo.env")
        for name, value in {**environment(state), **variables}.items():
            monkeypatch.setenv(name, value)
        told = [ingested(source) for source in ("customers", "tickets")]
        assert (state / "demo.env").stat().st_mode & 0o077 == 0
        demo.send_signal(signal.SIGINT)
        output, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, output
    assert re.match(r"customers 2026-06-24: [1-9]", told[0]), told
    assert re.match(r"tickets 2026-06-24: [1-9]", told[1]), told
    assert "DDCRM_SECRET_TICKETS_TOKEN" in variables
    assert [_order_columns(state, day) for day in (23, 24)] == [{"Amount"}, {"total_cents", "loyalty_tier"}]
    assert not (state / "demo.env").exists()
    assert [process for process in below if is_alive(process)] == []
    assert not (state / "postgres/data/postmaster.pid").exists()


def said_by(file: Path) -> dict[str, str]:
    """The variables that a shell has once it has read the file, and nothing else."""
    shell = ["env", "-i", "sh", "-c", f'. {shlex.quote(str(file))}; "$0" -0', shutil.which("env") or "env"]
    done = subprocess.run(shell, capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.split("\0") if line)


def ingested(source: str) -> str:
    """What the command says of a day of a source, in this process: it knows what the shell knows."""
    result = CliRunner().invoke(app, ["--project", str(REPOSITORY), "ingest", source, "--date", "2026-06-24"])
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def _order_columns(state: Path, day: int) -> set[str]:
    """The columns in which the two layouts of the orders differ."""
    file = state / f"demo/sources/orders/2026-06-{day}/orders.csv.gz"
    header = gzip.decompress(file.read_bytes()).decode().partition("\n")[0]
    return set(header.split(",")) & {"Amount", "total_cents", "loyalty_tier"}
