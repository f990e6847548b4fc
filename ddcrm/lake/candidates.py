"""Candidates: conformed rows on disk that nobody reads until they were audited and committed.

A candidate is named after what it was made from (landed files, contract), so that making it again gives the same one,
and a step that was killed finds nothing half-made: the folder is written under another name and renamed when whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from ddcrm import progress
from ddcrm.contracts.model import Contract
from ddcrm.dates import DateRange
from ddcrm.errors import ContractError, MissingDataError
from ddcrm.lake.columns import check_columns, columns_by_day, raise_if_missing
from ddcrm.lake.conform import output_columns, typed_query
from ddcrm.lake.delta import StagedFile, stage
from ddcrm.lake.engine import Engine, literal, quoted, read_parquet, storage_errors
from ddcrm.lake.layout import LANDING_PARTITION, candidates_dir, days, landing_table

CONFORM_VERSION = "1"  # part of the fingerprint: raised when the same input gives another output


@dataclass
class DayCounts:
    """Where the landed rows of one day went; the reasons add up to their outcome."""

    landed: int = 0
    conformed: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0

    def adds_up(self) -> bool:
        """landed = conformed + quarantined + excluded + duplicates."""
        return self.landed == self.conformed + self.quarantined.total() + self.excluded.total() + self.duplicates

    def as_dict(self) -> dict[str, Any]:
        """The counts as JSON-ready values."""
        return {"landed": self.landed, "conformed": self.conformed, "quarantined": dict(self.quarantined),
                "excluded": dict(self.excluded), "duplicates": self.duplicates}  # fmt: skip

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> DayCounts:
        """The inverse of as_dict."""
        return cls(values["landed"], values["conformed"], Counter(values["quarantined"]), Counter(values["excluded"]), values["duplicates"])


@dataclass
class Candidate:
    """Conformed rows (`rows/`) and quarantined ones (`quarantine/`) of a range under one contract version."""

    folder: Path
    contract: Contract
    dates: DateRange
    fingerprint: str
    rows: list[StagedFile]
    quarantine: list[StagedFile]
    counts: dict[date, DayCounts]
    newest_event: dict[date, str]
    added_columns: dict[str, tuple[str, ...]]

    def files(self, chosen: Sequence[StagedFile] | None = None) -> list[str]:
        """The Parquet files of the conformed rows."""
        return [str(self.folder / "rows" / file.path) for file in (self.rows if chosen is None else chosen)]


def make_candidate(engine: Engine, contract: Contract, dates: DateRange) -> Candidate:
    """Conform the landed batches of `dates`; an equal candidate that is already there is taken as it is.

    Raises MissingDataError where a day has not landed, SchemaChangedError where columns of the contract are missing.
    """
    listing = landing_table(engine.settings, contract.source).listing(days(LANDING_PARTITION, dates))
    _check_landed(contract, dates, {partition[LANDING_PARTITION] for _, partition in listing})
    fingerprint = _fingerprint(contract, [file for file, _ in listing])
    root = candidates_dir(engine.settings, contract.source)
    folder = root / f"{dates.first}_{dates.last}-{fingerprint[:16]}"
    progress.point("conform.begin", source=contract.source, dates=str(dates))
    if not (folder / "manifest.json").is_file():
        with storage_errors(root):
            root.mkdir(parents=True, exist_ok=True)
            _drop_older(root, dates, keep=folder.name)
            _write(engine, contract, dates, listing, folder, fingerprint)
    return load_candidate(folder, contract)


def load_candidate(folder: Path, contract: Contract) -> Candidate:
    """Read a candidate's manifest."""
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    return Candidate(
        folder=folder, contract=contract, dates=DateRange.parse(*manifest["dates"]), fingerprint=manifest["fingerprint"],
        rows=[StagedFile(**file) for file in manifest["rows"]], quarantine=[StagedFile(**file) for file in manifest["quarantine"]],
        counts={date.fromisoformat(day): DayCounts.from_dict(values) for day, values in manifest["counts"].items()},
        newest_event={date.fromisoformat(day): moment for day, moment in manifest["newest_event"].items()},
        added_columns={day: tuple(names) for day, names in manifest["added_columns"].items()},
    )  # fmt: skip


def _check_landed(contract: Contract, dates: DateRange, landed: set[str]) -> None:
    absent = [str(day) for day in dates if str(day) not in landed]
    if absent:
        raise MissingDataError("days that have not landed", source=contract.source, partition=", ".join(absent[:5]), days=len(absent),
                               hint="Run `ddcrm ingest` (or the extract task) for them first.")  # fmt: skip


def _fingerprint(contract: Contract, files: Sequence[str]) -> str:
    names = sorted(Path(file).name for file in files)
    text = json.dumps([CONFORM_VERSION, contract.source, contract.version, contract.fingerprint, names])
    return hashlib.sha256(text.encode()).hexdigest()


def _drop_older(root: Path, dates: DateRange, keep: str) -> None:
    for folder in root.glob(f"{dates.first}_{dates.last}-*"):
        if folder.name != keep:
            shutil.rmtree(folder, ignore_errors=True)


def _write(engine: Engine, contract: Contract, dates: DateRange, listing: Sequence[tuple[str, dict[str, str]]], folder: Path, fingerprint: str) -> None:
    work = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        manifest = _conform(engine, contract, listing, work)
        manifest |= {"dates": [str(dates.first), str(dates.last)], "fingerprint": fingerprint}
        progress.point("conform.before_rename", source=contract.source, dates=str(dates))
        (work / "manifest.json").write_text(json.dumps(manifest, sort_keys=True), "utf-8")
        try:
            os.rename(work, folder)
        except OSError:
            if not (folder / "manifest.json").is_file():  # another run made the same one meanwhile: take that
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _conform(engine: Engine, contract: Contract, listing: Sequence[tuple[str, dict[str, str]]], work: Path) -> dict[str, Any]:
    landed = read_parquet([file for file, _ in listing])
    arrived = columns_by_day(engine, listing)
    filled = dict(engine.con.execute(f"SELECT {quoted(LANDING_PARTITION)}, count(*) FROM {landed} GROUP BY 1").fetchall())
    check = check_columns(contract, arrived, filled)
    raise_if_missing(contract, check)
    columns = [row[0] for row in engine.con.execute(f"DESCRIBE SELECT * FROM {landed}").fetchall()]
    _create_typed(engine, contract, landed, columns)
    progress.point("conform.typed", source=contract.source, rows=sum(filled.values()))
    _create_losers(engine, contract)
    rows = stage(engine, _accepted(contract), work / "rows", ["source", "batch_date"], "batch_date, _source, _line")
    progress.point("conform.rows_written", source=contract.source, rows=sum(file.rows for file in rows))
    quarantine = stage(engine, _quarantined(landed), work / "quarantine", [LANDING_PARTITION], "_source, _line")
    manifest = {
        "rows": [file.as_dict() for file in rows], "quarantine": [file.as_dict() for file in quarantine],
        "counts": {day: counts.as_dict() for day, counts in _counts(engine, [p[LANDING_PARTITION] for _, p in listing]).items()},
        "newest_event": _newest_event(engine, contract), "added_columns": check.added,
    }  # fmt: skip
    engine.con.execute("DROP TABLE typed_rows; DROP TABLE losing_rows")
    return manifest


def _create_typed(engine: Engine, contract: Contract, landed: str, columns: Sequence[str]) -> None:
    import duckdb

    _check_expressions(contract, columns)
    absent = _absent(contract, columns)
    nulls = "".join(f", CAST(NULL AS VARCHAR) AS {quoted(name)}" for name in absent)
    query = typed_query(contract, f"(SELECT *{nulls} FROM {landed})", [*columns, *absent])
    try:
        engine.con.execute(f"CREATE OR REPLACE TEMP TABLE typed_rows AS {query}")
    except (duckdb.BinderException, duckdb.ConversionException, duckdb.InvalidInputException, duckdb.ParserException) as error:
        raise ContractError("an expression of the contract can't be computed", source=contract.source, version=contract.version,
                            reason=str(error).splitlines()[0], hint="Mend transformLogic or ddcrm.exclude.") from error  # fmt: skip


def _check_expressions(contract: Contract, columns: Sequence[str]) -> None:
    clash = [name for name in ("source", "batch_date", "contract_version", "event_date") if name in {c.name for c in contract.columns}]
    if clash:
        raise ContractError("column names that the lake uses itself", source=contract.source, version=contract.version,
                            column=", ".join(clash), hint="Give the property another name.")  # fmt: skip


def _absent(contract: Contract, columns: Sequence[str]) -> list[str]:
    """Columns of the contract that never arrived (optional ones of JSON): they are missing in every row."""
    from ddcrm.lake.columns import needed_columns

    there = {name.lower() for name in columns}
    return [name for name in needed_columns(contract) if name.lower() not in there]


_IS_ACCEPTED = "_excluded IS NULL AND _code IS NULL"


def _create_losers(engine: Engine, contract: Contract) -> None:
    """The rows whose key stands again on a later line of the same batch: the last one wins."""
    if not contract.key:
        engine.con.execute("CREATE OR REPLACE TEMP TABLE losing_rows AS SELECT _batch_date, _source, _line FROM typed_rows LIMIT 0")
        return
    key = ", ".join(["_batch_date", *map(quoted, contract.key)])
    same = " AND ".join(f"t.{name} IS NOT DISTINCT FROM k.{name}" for name in ["_batch_date", *map(quoted, contract.key)])
    twice = f"SELECT {key} FROM typed_rows WHERE {_IS_ACCEPTED} GROUP BY ALL HAVING count(*) > 1"
    engine.con.execute(
        f"CREATE OR REPLACE TEMP TABLE losing_rows AS SELECT _batch_date, _source, _line FROM ("
        f"SELECT t._batch_date, t._source, t._line, row_number() OVER (PARTITION BY {', '.join('t.' + n for n in ['_batch_date', *map(quoted, contract.key)])} "
        f"ORDER BY t._source DESC, t._line DESC) AS place FROM typed_rows t JOIN ({twice}) k ON {same} WHERE {_IS_ACCEPTED}) WHERE place > 1"
    )


def _accepted(contract: Contract) -> str:
    names = ", ".join(map(quoted, output_columns(contract)))
    return (
        f"SELECT {literal(contract.source)} AS source, _batch_date AS batch_date, {names}, event_date, "
        f"{literal(contract.version)} AS contract_version, _source, _line FROM typed_rows ANTI JOIN losing_rows "
        f"USING (_batch_date, _source, _line) WHERE {_IS_ACCEPTED}"
    )


def _quarantined(landed: str) -> str:
    bad = "SELECT _batch_date, _source, _line, _code, _reasons FROM typed_rows WHERE _excluded IS NULL AND _code IS NOT NULL"
    return f"SELECT l.*, b._code, b._reasons FROM {landed} l JOIN ({bad}) b USING (_batch_date, _source, _line)"


def _counts(engine: Engine, landed_days: Sequence[str]) -> dict[str, DayCounts]:
    counts = {day: DayCounts() for day in sorted(set(landed_days))}
    rows = engine.con.execute("SELECT _batch_date, _excluded, _code, count(*) FROM typed_rows GROUP BY ALL").fetchall()
    for day, excluded, code, number in rows:
        counts[day].landed += number
        if excluded is not None:
            counts[day].excluded[excluded] += number
        elif code is not None:
            counts[day].quarantined[code] += number
        else:
            counts[day].conformed += number
    for day, number in engine.con.execute("SELECT _batch_date, count(*) FROM losing_rows GROUP BY 1").fetchall():
        counts[day].duplicates += number
        counts[day].conformed -= number
    return counts


def _newest_event(engine: Engine, contract: Contract) -> dict[str, str]:
    event = contract.event_time
    if event is None:
        return {}
    moment = f"CAST(max({quoted(event.name)}) AS TIMESTAMP WITH TIME ZONE)"
    query = f"SELECT _batch_date, {moment} FROM typed_rows WHERE {_IS_ACCEPTED} GROUP BY 1 HAVING max({quoted(event.name)}) IS NOT NULL"
    return {day: moment.isoformat() for day, moment in engine.con.execute(query).fetchall()}


