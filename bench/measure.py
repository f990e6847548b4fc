"""Run a command and say what it took: the clock, and what the kernel counted of the child."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.marks import Part


@dataclass(frozen=True)
class Measured:
    """A process that ended well: wall-clock seconds, seconds of processor, peak MiB; its parts, and what it left."""

    name: str
    wall: float
    cpu: float
    peak: float
    parts: tuple[Part, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def measured(name: str, command: Sequence[str], marks: Path, env: Mapping[str, str] | None = None) -> Measured:
    """Run `command`; where it has the word BEGUN, `time.monotonic()` stands in its place.

    `marks` is the file in which the child leaves its parts, if it does. Raises RuntimeError where it fails. The
    parent must be small: the kernel counts as the child's peak what the parent held when it was forked.
    """
    marks.unlink(missing_ok=True)
    begun = time.monotonic()
    process = subprocess.Popen([str(begun) if word == "BEGUN" else word for word in command],
                               env={**os.environ, **(env or {})})  # fmt: skip
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{name} failed with exit code {process.returncode}")
    left = json.loads(marks.read_text("utf-8")) if marks.is_file() else {}
    return from_marks(name, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, left)


def from_marks(name: str, wall: float, cpu: float, peak: float, left: Mapping[str, Any]) -> Measured:
    """What the kernel says of a process together with what it left; where both tell a peak the greater one counts."""
    parts = tuple(Part(**part) for part in left.get("parts", ()))
    facts = {key: value for key, value in left.items() if key != "parts"}
    return Measured(name, wall, cpu, max([peak, *(part.peak for part in parts)]), parts, facts)
