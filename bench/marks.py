"""Marks inside one process: what each part of it took, from mark to mark. Nothing but the standard library.

Peak memory is the kernel's high-water mark of the resident set, set back at each mark (Linux; elsewhere it is the peak
since the process began).
"""

from __future__ import annotations

import json
import os
import resource
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Part:
    """One part of a process: wall-clock seconds, seconds of processor (user and system), peak MiB."""

    name: str
    wall: float
    cpu: float
    peak: float


@dataclass
class Marks:
    """Parts of this process so far; `begun` is what `time.monotonic()` said when the process was started."""

    begun: float = field(default_factory=time.monotonic)
    parts: list[Part] = field(default_factory=list)
    _cpu: float = 0.0

    def end(self, name: str) -> None:
        """What ran since the last mark was `name`."""
        now, cpu = time.monotonic(), sum(os.times()[:2])
        self.parts.append(Part(name, now - self.begun, cpu - self._cpu, _peak_mib()))
        self.begun, self._cpu = now, cpu
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", "ascii")

    def save(self, file: Path, **facts: object) -> None:
        """Leave the parts, and `facts`, for whoever started the process."""
        file.write_text(json.dumps({"parts": [asdict(part) for part in self.parts], **facts}), "utf-8")


def _peak_mib() -> float:
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
