"""The benchmark of a year: Online Retail from the file as it is to audited rows, in one range."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from bench import machine, table
from bench.day import say_of
from bench.measure import measured
from bench.project import BUILD, ROOT

DAYS = ("2010-12-01", "2011-12-09")


def run() -> str:
    """Ingest the year with the embedded PostgreSQL started within it; the report as Markdown."""
    project, folder = ROOT / "examples" / "online_retail", BUILD / "online_retail"
    data = Path(os.environ.get("DDCRM_TEST_DATA", ROOT.parent / "shared" / "data")).resolve() / "online_retail"
    if not (data / "online_retail.csv.gz").is_file():
        raise SystemExit(f"There is no online_retail.csv.gz in {data}: set DDCRM_TEST_DATA to the folder above it.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    settings = {"DDCRM_STATE_DIR": str(folder / "state"), "DDCRM_SOURCES_DIR": str(data)}
    marks = folder / "ingest.json"
    words = ["ingest", str(project), str(marks), "BEGUN", *DAYS]
    found = say_of(measured("ingest", [sys.executable, "-m", "bench.step", *words], marks, settings))
    result, facts = found.facts["result"], machine.facts()
    counts = " + ".join(f"{count:,} {name}" for name, count in _counts(result).items())
    return "\n\n".join([
        f"Online Retail, {DAYS[0]} to {DAYS[1]}: {result['landed']:,} landed = {counts}; "
        f"{facts['cores']} cores, {facts['memory']}, load {machine.load():.1f}.",
        table.details([found]),
    ])  # fmt: skip


def _counts(result: dict[str, object]) -> dict[str, int]:
    found = {name: result[name] for name in ("conformed", "quarantined", "excluded", "duplicates")}
    return {name: sum(value.values()) if isinstance(value, dict) else int(str(value)) for name, value in found.items()}
