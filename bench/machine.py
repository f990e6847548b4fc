"""What it was measured on."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("duckdb", "pyarrow", "pandas", "numpy", "scipy", "scikit-learn", "great-expectations", "ibis-framework")


def facts() -> dict[str, str]:
    """Cores, memory, Python and the packages' versions; nothing that names the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def processor_seconds(cluster: Path) -> float:
    """What the PostgreSQL of a data folder and all its processes, the ended ones too, have used so far."""
    import psutil

    server = psutil.Process(int((cluster / "postmaster.pid").read_text("utf-8").split()[0]))
    times = server.cpu_times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in server.children():
        with suppress(psutil.NoSuchProcess):
            total += sum(child.cpu_times()[:2])
    return float(total)


def load() -> float:
    """How many processes wanted to run in the last minute, on average: others take from what is measured."""
    return os.getloadavg()[0]
