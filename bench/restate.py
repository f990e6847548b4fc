"""The benchmark of a restatement: a year of Online Retail conformed again from landing, and swapped in."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from pathlib import Path

from bench import machine, table
from bench.measure import Measured, measured
from bench.online_retail import DAYS
from bench.project import BUILD, ROOT

AMOUNT = "CAST(CAST(Quantity AS DECIMAL(12, 0)) * CAST(UnitPrice AS DECIMAL(18, 3)) AS DECIMAL(18, 2))"


def run() -> str:
    """Ingest the year, publish its last day, change the mapping of `amount` from the first day on, restate."""
    data = Path(os.environ.get("DDCRM_TEST_DATA", ROOT.parent / "shared" / "data")).resolve() / "online_retail"
    if not (data / "online_retail.csv.gz").is_file():
        raise SystemExit(f"There is no online_retail.csv.gz in {data}: set DDCRM_TEST_DATA to the folder above it.")
    project = _project(BUILD / "restate")
    env = {"DDCRM_SOURCES_DIR": str(data), "DDCRM_PUBLISHED_EXPECTATIONS_DIR": str(ROOT / "expectations")}
    parts = [
        _command("ingest", project, env, "ingest", "--from", DAYS[0], "--to", DAYS[1]),
        _command("train", project, env, "train", "--as-of", DAYS[1]),
        _command("score and publish", project, env, "score", "--as-of", DAYS[1]),
    ]
    _change(project / "contracts" / "orders")
    parts.append(_command("restate", project, env, "restate", "--yes", "--json"))
    plan, facts = json.loads((project / "said").read_text())["plan"], machine.facts()
    batches = sum(each["batches"] for each in plan["batches"])
    return "\n\n".join([
        f"{batches} batches of Online Retail ({plan['rows']['landed']:,} lines), {len(plan['trainings'])} training, "
        f"{len(plan['days'])} published day restated from landing; {facts['cores']} cores, {facts['memory']}, "
        f"load {machine.load():.1f}.",
        table.details(parts),
    ])  # fmt: skip


def _project(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "examples" / "online_retail", folder)
    return folder


def _change(contracts: Path) -> None:
    text = (contracts / "1.0.0.yaml").read_text("utf-8").replace("version: 1.0.0", "version: 1.1.0")
    (contracts / "1.1.0.yaml").write_text(text.replace(AMOUNT, f"{AMOUNT} - 0.01"), "utf-8")


def _command(name: str, project: Path, env: dict[str, str], *words: str) -> Measured:
    """A command of `ddcrm` in a process of its own; what it prints goes to the file `said`."""
    command = [str(Path(sys.executable).with_name("ddcrm")), "--project", str(project), *words]
    line = f"exec {shlex.join(command)} > {shlex.quote(str(project / 'said'))}"
    return measured(name, ["/bin/sh", "-c", line], project / "marks.json", env)
