"""What the systems of the demo company might deliver, put through its contracts into a lake, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from ddcrm.contracts import load_contracts
from ddcrm.dates import DateRange
from ddcrm.lake.accept import accept
from ddcrm.lake.candidates import make_candidate
from ddcrm.lake.engine import Engine
from ddcrm.lake.landing import land
from ddcrm.settings import Settings, load_settings
from tests.lake.conftest import Part

ROOT = Path(__file__).parents[2]


def project(folder: Path, contracts: Path = ROOT / "contracts") -> Settings:
    """A project with the demo company's contracts, or others, and no data."""
    folder.mkdir()
    (folder / "ddcrm.toml").write_text(f"contracts_dir = '{contracts}'\n[engine]\nmemory_limit = '1GB'\n")
    return load_settings(folder)


def deliver(engine: Engine, source: str, arrivals: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Land rows (texts under the source's names) by the day on which they arrive, and accept them."""
    rows = [{**row, "_batch_date": day} for day, rows in arrivals.items() for row in rows]
    names = dict.fromkeys(name for row in rows for name in row)
    table = pa.table({name: pa.array([row.get(name) for row in rows], pa.string()) for name in names})
    deliver_table(engine, source, table.append_column("_source", pa.array(["file"] * len(rows))))


def deliver_table(engine: Engine, source: str, table: pa.Table) -> None:
    """The same from a table of texts with _batch_date and _source; lines are numbered in its order."""
    days = sorted(map(date.fromisoformat, table["_batch_date"].unique().to_pylist()))
    table = table.append_column("_line", pa.array(range(2, table.num_rows + 2), pa.int64()))
    dates = DateRange(days[0], days[-1])
    land(engine, source, dates, [Part(dates, table.to_reader())])
    contract = load_contracts(engine.settings.contracts_dir).for_batch(source, days[0])
    candidate = make_candidate(engine, contract, dates)
    assert sum(counts.quarantined.total() for counts in candidate.counts.values()) < table.num_rows / 20
    accept(engine, candidate)
