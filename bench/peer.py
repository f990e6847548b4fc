"""The script's own environment, and its run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.measure import Measured, measured
from bench.project import ROOT, orders_folder

VENV = ROOT / "build" / "bench-venv"
LOCK = ROOT / "requirements" / "bench-peer.lock"


def make_environment() -> Path:
    """The Python of the script's environment, made by uv from the lock file unless the same is there already."""
    python, stamp = VENV / "bin" / "python", VENV / ".installed"
    if not stamp.is_file() or stamp.read_bytes() != LOCK.read_bytes():
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--clear", str(VENV)], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python),
                        "--require-hashes", "-r", str(LOCK)], check=True)  # fmt: skip
        stamp.write_bytes(LOCK.read_bytes())
    return python


def run_script(project: Path, as_of: str, url: str, insert: str = "plain") -> Measured:
    """Run bench/script.py for a day; it writes script.customer_scores into the database of `url`."""
    import psycopg

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS script")
    marks = project / "script.json"
    command = [str(make_environment()), "-m", "bench.script", str(orders_folder(project)), as_of,
               url.replace("+psycopg", "+psycopg2"), str(marks), "BEGUN", insert]  # fmt: skip
    return measured("script", command, marks, {"PYTHONPATH": str(ROOT)})
