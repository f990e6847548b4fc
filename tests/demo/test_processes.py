"""Processes of which none is left: orphans, those that ignore SIGTERM, and all of them when the parent is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ddcrm.demo.processes import ProcessEndedError, Processes, living

STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setpgid(0, 0)  # as a task's process does
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)  # its child is an orphan
print("ready", flush=True)
time.sleep(float(sys.argv[1]))
"""
PARENT = """
import sys, time
from pathlib import Path
from ddcrm.demo.processes import Processes
processes = Processes(Path(sys.argv[1]))
print(processes.start("stubborn", [sys.executable, "-c", sys.argv[2], "600"], {}).pid, flush=True)
time.sleep(600)
"""


def ready(log: Path, seconds: float = 30) -> None:
    wait(lambda: log.exists() and "ready" in log.read_text(), seconds)


def wait(condition: object, seconds: float = 30) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_stop_ends_what_children_have_left_behind(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    child = processes.start("stubborn", [sys.executable, "-c", STUBBORN, "600"], os.environ)
    ready(processes.log("stubborn"))
    wait(lambda: len(living([child.pid])) == 2)
    processes.stop(seconds=1)
    assert living([child.pid]) == []
    assert child.returncode == -signal.SIGKILL


def test_after_stop_nothing_is_started(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.stop()
    with pytest.raises(ProcessEndedError, match="being stopped"):
        processes.start("late", [sys.executable, "-c", ""], os.environ)
    assert processes.children == {}


def test_a_child_that_ended_is_told_with_its_last_words(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    child = processes.start(
        "short lived", [sys.executable, "-c", "import sys; sys.exit('no port is free')"], os.environ
    )
    child.wait()
    with pytest.raises(ProcessEndedError, match="no port is free") as caught:
        processes.check()
    assert (caught.value.process, caught.value.log) == ("short lived", tmp_path / "short-lived.log")
    processes.stop()


def test_run_waits_and_tells_of_a_failure(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.run("good", [sys.executable, "-c", f"open({str(tmp_path / 'done')!r}, 'w')"], os.environ)
    assert (tmp_path / "done").exists()
    with pytest.raises(ProcessEndedError, match="it said nothing"):
        processes.run("bad", [sys.executable, "-c", "raise SystemExit(3)"], os.environ)
    processes.stop()


@pytest.mark.slow
def test_when_the_parent_is_killed_its_children_end(tmp_path: Path) -> None:
    """SIGKILL leaves it no time to stop anything: its guard does."""
    command = [sys.executable, "-c", PARENT, str(tmp_path), STUBBORN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        leader = int(parent.stdout.readline())
        ready(tmp_path / "stubborn.log")
        guards = [child.pid for child in psutil.Process(parent.pid).children() if child.pid != leader]
        parent.kill()
    assert len(guards) == 1
    wait(lambda: not living([leader]), 60)
    wait(lambda: not psutil.pid_exists(guards[0]))
