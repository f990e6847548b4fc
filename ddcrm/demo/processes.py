"""Child processes in sessions of their own, of which none outlives this process, however it ends.

A session holds what a child starts, too, its orphans included. A guard process waits for this one to end and then ends
the sessions that are left: `python -m ddcrm.demo.processes` reads their numbers from its standard input.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ddcrm.errors import DdcrmError

STOP_SECONDS = 20.0
_GUARD_SECONDS = 5.0
ORPHAN_SECONDS = 3.0  # for what its leader has left behind


class ProcessEndedError(DdcrmError):
    """A process of the demo ended by itself; facts: process, log."""


@dataclass
class Processes:
    """Named child processes, each with a log of its own in `folder`; safe to stop while another thread starts some."""

    folder: Path
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _guard: subprocess.Popen[bytes] | None = None
    _stopped: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start a child; raises ProcessEndedError after `stop`."""
        with self._lock:
            if self._stopped:
                raise ProcessEndedError("not started: everything is being stopped", process=name)
            self._start_guard()
            with open(self.log(name), "wb") as log:
                child = subprocess.Popen(command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=log,
                                         stderr=subprocess.STDOUT, cwd=self.folder, start_new_session=True)  # fmt: skip
            self.children[name] = child
            self._tell_guard(child.pid)
            return child

    def run(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a child and wait for it; raises ProcessEndedError where it fails."""
        child = self.start(name, command, environment)
        if child.wait():
            raise self._ended(name)
        with self._lock:
            del self.children[name]
            self._tell_guard(-child.pid)  # the number may be somebody else's soon

    def check(self) -> None:
        """Raise ProcessEndedError where a child has ended."""
        for name, child in tuple(self.children.items()):
            if child.poll() is not None:
                raise self._ended(name)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """End every process of every session: gently first, hard after `seconds`."""
        with self._lock:
            self._stopped = True
        end_sessions([child.pid for child in self.children.values()], seconds)
        for child in self.children.values():
            child.wait()
        if self._guard:
            self._guard.communicate()

    def log(self, name: str) -> Path:
        """The file that a child writes to."""
        return self.folder / f"{name.replace(' ', '-')}.log"

    def _start_guard(self) -> None:
        if self._guard is None:
            self._guard = subprocess.Popen(
                [sys.executable, "-m", "ddcrm.demo.processes"], stdin=subprocess.PIPE, start_new_session=True
            )

    def _tell_guard(self, number: int) -> None:
        if self._guard and self._guard.stdin:
            self._guard.stdin.write(b"%d\n" % number)
            self._guard.stdin.flush()

    def _ended(self, name: str) -> ProcessEndedError:
        lines = self.log(name).read_text("utf-8", "replace").strip().splitlines()
        said = lines[-1].strip()[:300] if lines else "it said nothing"
        return ProcessEndedError(f"it ended by itself: {said}", process=name, log=self.log(name))


def living(leaders: Sequence[int]) -> list[int]:
    """The living processes of the sessions of these leaders."""
    import psutil

    wanted, found = set(leaders), []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getsid(process.pid) in wanted and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except OSError:
            continue
    return found


def end_sessions(leaders: Sequence[int], seconds: float) -> None:
    """SIGTERM to the leaders, who know how to end their own; SIGKILL to what is left after `seconds`."""
    for leader in leaders:
        _send(leader, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while (left := living(leaders)) and time.monotonic() < deadline:
        if not set(left) & set(leaders):
            deadline = min(deadline, time.monotonic() + ORPHAN_SECONDS)
        time.sleep(0.3)
    for pid in left:
        _send(pid, signal.SIGKILL)


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _guard() -> None:
    """Read session leaders (a minus: it has ended) until the pipe closes: then the parent has ended, and they must."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    leaders: set[int] = set()
    for number in map(int, sys.stdin.buffer):
        leaders = leaders | {number} if number > 0 else leaders - {-number}
    end_sessions([leader for leader in leaders if living([leader])], _GUARD_SECONDS)


if __name__ == "__main__":
    _guard()
