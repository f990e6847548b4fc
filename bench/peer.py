"""The environments of what ddcrm is held against, and the script's run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.measure import Measured, measured
from bench.project import ROOT, orders_folder


def make_environment(name: str = "peer") -> Path:
    """The Python of an environment, made by uv from requirements/bench-<name>.lock unless the same is there already.

    name: peer (the script and lifetimes) or pymc (pymc-marketing).
    """
    venv, lock = ROOT / "build" / f"bench-{name}-venv", ROOT / "requirements" / f"bench-{name}.lock"
    python, stamp = venv / "bin" / "python", venv / ".installed"
    if not stamp.is_file() or stamp.read_bytes() != lock.read_bytes():
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--clear", str(venv)], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python),
                        "--require-hashes", "-r", str(lock)], check=True)  # fmt: skip
        stamp.write_bytes(lock.read_bytes())
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
