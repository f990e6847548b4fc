"""The embedded PostgreSQL: shared by processes, stopped by the last one, usable after any death."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from ddcrm.errors import SettingsError, WarehouseError, WarehouseUnavailableError
from ddcrm.warehouse import postmaster, programs, sockets
from ddcrm.warehouse.connect import Warehouse
from ddcrm.warehouse.embedded import EmbeddedPostgres

FAST = {"fsync": "off", "shared_buffers": "16MB", "max_connections": "20"}
USER = """
import sys, time
from pathlib import Path
from ddcrm.warehouse.embedded import EmbeddedPostgres
with EmbeddedPostgres.start(Path(sys.argv[1]), {"fsync": "off", "shared_buffers": "16MB"}) as server:
    server.create_database("shared")
    print("ready", flush=True)
    sys.stdin.readline()
"""


pytestmark = pytest.mark.xdist_group("embedded")  # one cluster for them all: making one takes a second


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """The folder of an embedded PostgreSQL."""
    folder = Path(tempfile.mkdtemp(prefix="ddcrm-embedded-")) / "pg"
    EmbeddedPostgres.start(folder, FAST).close()
    yield folder
    shutil.rmtree(folder.parent)


@pytest.fixture
def folder(cluster: Path) -> Iterator[Path]:
    """The same, and nobody uses it, neither before nor after."""
    assert not _runs(cluster)
    yield cluster
    if _runs(cluster):
        postmaster.stop(cluster / "data")
        pytest.fail("the server was left running")


def _user(folder: Path) -> subprocess.Popen[str]:
    """A process that uses the server until it is told to end."""
    command = [sys.executable, "-c", USER, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _ready(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def _end(process: subprocess.Popen[str]) -> None:
    process.communicate("end\n", timeout=60)
    assert process.returncode == 0


def _runs(folder: Path) -> bool:
    return postmaster.find(folder / "data") is not None


def _answer(server: EmbeddedPostgres) -> int:
    with psycopg.connect(Warehouse(server.url()).conninfo) as connection:
        return connection.execute("SELECT 6 * 7").fetchone()[0]  # type: ignore[index]


def test_it_starts_answers_and_stops(folder: Path) -> None:
    with EmbeddedPostgres.start(folder, FAST) as server:
        assert _answer(server) == 42
        assert _runs(folder)
    assert not _runs(folder)
    assert not (folder / "data" / "postmaster.pid").exists()


def test_the_last_user_stops_it_not_the_one_that_started_it(folder: Path) -> None:
    first, second = EmbeddedPostgres.start(folder, FAST), EmbeddedPostgres.start(folder, FAST)
    first.close()
    assert _answer(second) == 42
    second.close()
    second.close()  # closing twice is closing once
    assert not _runs(folder)


def test_processes_share_it(folder: Path) -> None:
    users = [_user(folder) for _ in range(3)]  # all at once, none of them first
    for user in users:
        _ready(user)
    _end(users[0])
    assert _runs(folder)
    _end(users[1])
    assert _runs(folder)
    _end(users[2])
    assert not _runs(folder)


def test_several_processes_make_one_cluster() -> None:
    place = Path(tempfile.mkdtemp(prefix="ddcrm-embedded-"))
    try:
        users = [_user(place / "new") for _ in range(2)]
        for user in users:
            _ready(user)
        for user in users:
            _end(user)
        assert sorted(path.name for path in (place / "new").iterdir()) == ["data", "start.lock", "users.lock"]
        assert not _runs(place / "new")
    finally:
        shutil.rmtree(place)


def test_a_killed_user_counts_no_more(folder: Path) -> None:
    killed = _ready(_user(folder))
    with EmbeddedPostgres.start(folder, FAST) as server:
        killed.kill()
        killed.communicate()
        assert _answer(server) == 42
    assert not _runs(folder)


def test_after_the_only_user_was_killed_the_next_one_takes_over(folder: Path) -> None:
    killed = _ready(_user(folder))
    killed.kill()
    killed.communicate()
    found = postmaster.find(folder / "data")
    with EmbeddedPostgres.start(folder, FAST) as server:
        assert _answer(server) == 42
        assert postmaster.find(folder / "data") == found
    assert not _runs(folder)


def test_a_killed_server_starts_again(folder: Path) -> None:
    with EmbeddedPostgres.start(folder, FAST) as server:
        server.create_database("kept")
        pid = postmaster.find(folder / "data").pid  # type: ignore[union-attr]
        os.kill(pid, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)
        assert (folder / "data" / "postmaster.pid").exists()
        with EmbeddedPostgres.start(folder, FAST) as again:
            assert _answer(again) == 42
            with psycopg.connect(Warehouse(again.url("kept")).conninfo) as connection:
                assert connection.execute("SELECT 1").rowcount == 1
    assert not _runs(folder)


@pytest.mark.parametrize("owner", ["another process", "nobody"])
def test_a_stale_pid_file_is_not_believed(folder: Path, owner: str) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    if owner == "nobody":
        stranger.kill()
        stranger.wait()
    data = folder / "data"
    lines = [stranger.pid, data, 1700000000, 5432, data, "", "  1234567   7654321", "ready   "]
    (data / "postmaster.pid").write_text("".join(f"{line}\n" for line in lines))
    try:
        with EmbeddedPostgres.start(folder, FAST) as server:
            assert _answer(server) == 42
        if owner != "nobody":
            assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("content", ["", "12", "not a number\n"])
def test_a_broken_pid_file_is_replaced(folder: Path, content: str) -> None:
    (folder / "data" / "postmaster.pid").write_text(content)
    with EmbeddedPostgres.start(folder, FAST) as server:
        assert _answer(server) == 42


def test_a_guest_is_not_thrown_out(folder: Path) -> None:
    server = EmbeddedPostgres.start(folder, FAST)
    conninfo = Warehouse(server.url()).conninfo.replace("application_name=ddcrm", "application_name=psql")
    with psycopg.connect(conninfo) as guest:
        server.close()
        assert guest.execute("SELECT 42").fetchone() == (42,)
    EmbeddedPostgres.start(folder, FAST).close()
    assert not _runs(folder)


def test_force_stops_it_in_spite_of_guests(folder: Path) -> None:
    server = EmbeddedPostgres.start(folder, FAST)
    with psycopg.connect(Warehouse(server.url()).conninfo, application_name="psql") as guest:
        server.close(force=True)
        assert not _runs(folder)
        with pytest.raises(psycopg.OperationalError):
            guest.execute("SELECT 1")


def test_a_forked_child_does_not_stop_it(folder: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from ddcrm.warehouse.embedded import EmbeddedPostgres\n"
        "server = EmbeddedPostgres.start(Path(sys.argv[1]))\n"
        "if not os.fork(): server.close(); os._exit(0)\n"
        "os.wait(); server.create_database('after'); server.close()"
    )
    subprocess.run([sys.executable, "-c", script, str(folder)], check=True)
    assert not _runs(folder)


def test_leaving_the_interpreter_is_leaving_the_server(folder: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from ddcrm.warehouse.embedded import EmbeddedPostgres\n"
        "server = EmbeddedPostgres.start(Path(sys.argv[1])); sys.exit(3)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(folder)]).returncode == 3
    assert not _runs(folder)


@pytest.mark.parametrize("name", ["deep/" + "x" * 120, "a folder, with 'quotes' and spaces", "kundenpflege-äöü"])
def test_any_path_will_do(folder: Path, name: str) -> None:
    place = folder.parent / name
    place.parent.mkdir(exist_ok=True)
    folder.rename(place)
    try:
        with EmbeddedPostgres.start(place, FAST) as server:
            assert _answer(server) == 42
            with Warehouse(server.url()) as warehouse:
                warehouse.ping()
                with warehouse.adbc() as connection, connection.cursor() as cursor:
                    cursor.execute("SELECT 42")
                    assert cursor.fetchone() == (42,)
        assert not _runs(place)
    finally:
        place.rename(folder)


def test_a_long_path_puts_the_socket_into_a_private_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    base = Path(tempfile.mkdtemp(prefix="ddcrm-run-"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    found = sockets.socket_dir(Path("/tmp") / ("x" * 100) / "data")
    assert found.parent == base / f"ddcrm-{os.geteuid()}"
    assert found.stat().st_mode & 0o077 == 0
    assert sockets.socket_dir(Path("/tmp") / ("y" * 100) / "data") != found
    shutil.rmtree(base)


def test_somebody_elses_socket_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    base = Path(tempfile.mkdtemp(prefix="ddcrm-run-"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    (base / f"ddcrm-{os.geteuid()}").mkdir()
    (base / f"ddcrm-{os.geteuid()}").chmod(0o777)
    with pytest.raises(SettingsError, match="belongs to somebody else"):
        sockets.socket_dir(Path("/tmp") / ("x" * 100) / "data")
    shutil.rmtree(base)


def test_a_cluster_of_another_version_is_refused(folder: Path) -> None:
    (folder / "data" / "PG_VERSION").write_text("16\n")
    try:
        with pytest.raises(WarehouseError, match="made by PostgreSQL 16, this is 18"):
            EmbeddedPostgres.start(folder, FAST)
    finally:
        (folder / "data" / "PG_VERSION").write_text("18\n")


def test_a_half_made_cluster_is_made_anew() -> None:
    place = Path(tempfile.mkdtemp(prefix="ddcrm-embedded-"))
    (place / "pg" / "data.new").mkdir(parents=True)
    (place / "pg" / "data.new" / "PG_VERSION").write_text("18\n")  # somebody was killed here
    with EmbeddedPostgres.start(place / "pg", FAST) as server:
        assert _answer(server) == 42
    shutil.rmtree(place)


def test_a_server_that_does_not_start_says_why(folder: Path) -> None:
    began = time.monotonic()
    with pytest.raises(WarehouseUnavailableError, match="nonsense") as caught:
        EmbeddedPostgres.start(folder, {"nonsense": "1"})
    assert caught.value.retryable
    assert time.monotonic() - began < 20
    with EmbeddedPostgres.start(folder, FAST) as server:  # and it is not stuck
        assert _answer(server) == 42


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="DDCRM_WAREHOUSE_URL"):
        programs.programs()


def test_create_database_twice(folder: Path) -> None:
    with EmbeddedPostgres.start(folder, FAST) as server:
        server.create_database('odd "name"')
        server.create_database('odd "name"')
        with Warehouse(server.url('odd "name"')) as warehouse:
            warehouse.ping()
            assert warehouse.engine.url.database == 'odd "name"'
