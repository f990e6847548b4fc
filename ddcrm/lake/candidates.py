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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ddcrm import progress
from ddcrm.atomic import locked, sweep
from ddcrm.contracts.model import Contract
from ddcrm.dates import DateRange
from ddcrm.errors import ConcurrentWriteError, MissingDataError
from ddcrm.lake.conforming import conform
from ddcrm.lake.counts import DayCounts
from ddcrm.lake.delta import StagedFile
from ddcrm.lake.engine import Engine, storage_errors
from ddcrm.lake.layout import LANDING_PARTITION, candidates_dir, days, landing_table
from ddcrm.lake.made_by import CONFORM_VERSION, landing_digests
from ddcrm.settings import Settings


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
    landing: dict[date, str]  # digest of what landed, by day
    columns: dict[date, tuple[str, ...]]  # that arrived, said on the first day and wherever they change

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Raise ConcurrentWriteError for whatever fails because another run of the same days removed the candidate."""
        try:
            yield
        except Exception as error:
            if (self.folder / "manifest.json").is_file():
                raise
            source = self.contract.source
            raise ConcurrentWriteError(
                "another run of the same days is at work", source=source, partition=str(self.dates),
                hint="Run the step again.",
            ) from error  # fmt: skip

    def remove(self) -> None:
        """Remove the candidate: what was accepted stands in the conformed table now."""
        (self.folder / "manifest.json").unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def files(self, chosen: Sequence[StagedFile] | None = None) -> list[str]:
        """The Parquet files of the conformed rows."""
        return [str(self.folder / "rows" / file.path) for file in (self.rows if chosen is None else chosen)]


@contextmanager
def alone(settings: Settings, source: str, dates: DateRange) -> Iterator[None]:
    """Wait until no other run is at work on the candidates of the same days; a killed one holds nothing any more."""
    with locked(candidates_dir(settings, source) / f"{dates.first}_{dates.last}.lock"):
        yield


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
            sweep(root, ".*/")
            _drop_older(root, dates, keep=folder.name)
            _write(engine, contract, dates, listing, folder, fingerprint)
    return load_candidate(folder, contract)


@contextmanager
def trial(engine: Engine, contract: Contract, dates: DateRange) -> Iterator[Candidate]:
    """A candidate to look at, such as under a contract that nobody has approved yet; it is removed again.

    Raises what `make_candidate` raises.
    """
    listing = landing_table(engine.settings, contract.source).listing(days(LANDING_PARTITION, dates))
    _check_landed(contract, dates, {partition[LANDING_PARTITION] for _, partition in listing})
    work = candidates_dir(engine.settings, contract.source) / f".trial-{secrets.token_hex(8)}"
    try:
        with storage_errors(work), locked(work):
            manifest = _manifest(engine, contract, dates, listing, work) | {"fingerprint": ""}
            (work / "manifest.json").write_text(json.dumps(manifest, sort_keys=True), "utf-8")
            yield load_candidate(work, contract)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def load_candidate(folder: Path, contract: Contract) -> Candidate:
    """Read a candidate's manifest; raises ConcurrentWriteError where another run has just removed it."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    except FileNotFoundError:
        raise ConcurrentWriteError("another run of the same days is at work", source=contract.source,
                                   hint="Run the step again.") from None  # fmt: skip
    return Candidate(
        folder=folder,
        contract=contract,
        dates=DateRange.parse(*manifest["dates"]),
        fingerprint=manifest["fingerprint"],
        rows=[StagedFile(**file) for file in manifest["rows"]],
        quarantine=[StagedFile(**file) for file in manifest["quarantine"]],
        counts={date.fromisoformat(day): DayCounts.from_dict(values) for day, values in manifest["counts"].items()},
        newest_event={date.fromisoformat(day): moment for day, moment in manifest["newest_event"].items()},
        added_columns={day: tuple(names) for day, names in manifest["added_columns"].items()},
        landing={date.fromisoformat(day): digest for day, digest in manifest["landing"].items()},
        columns={date.fromisoformat(day): tuple(names) for day, names in manifest.get("columns", {}).items()},
    )


def _check_landed(contract: Contract, dates: DateRange, landed: set[str]) -> None:
    absent = [str(day) for day in dates if str(day) not in landed]
    if absent:
        raise MissingDataError(
            "days that have not landed",
            source=contract.source,
            partition=", ".join(absent[:5]),
            days=len(absent),
            hint="Run `ddcrm ingest` (or the extract task) for them first.",
        )


def _fingerprint(contract: Contract, files: Sequence[str]) -> str:
    names = sorted(Path(file).name for file in files)
    text = json.dumps([CONFORM_VERSION, contract.source, contract.version, contract.fingerprint, names])
    return hashlib.sha256(text.encode()).hexdigest()


def _drop_older(root: Path, dates: DateRange, keep: str) -> None:
    for folder in root.glob(f"{dates.first}_{dates.last}-*"):
        if folder.name != keep:
            (folder / "manifest.json").unlink(missing_ok=True)  # first: without it nobody takes the rest for whole
            shutil.rmtree(folder, ignore_errors=True)


def _write(
    engine: Engine,
    contract: Contract,
    dates: DateRange,
    listing: Sequence[tuple[str, dict[str, str]]],
    folder: Path,
    fingerprint: str,
) -> None:
    work = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        with locked(work):
            manifest = _manifest(engine, contract, dates, listing, work) | {"fingerprint": fingerprint}
            progress.point("conform.before_rename", source=contract.source, dates=str(dates))
            (work / "manifest.json").write_text(json.dumps(manifest, sort_keys=True), "utf-8")
            _rename(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _manifest(
    engine: Engine, contract: Contract, dates: DateRange, listing: Sequence[tuple[str, dict[str, str]]], work: Path
) -> dict[str, Any]:
    manifest = conform(engine, contract, listing, work)
    return manifest | {"dates": [str(dates.first), str(dates.last)], "landing": landing_digests(listing)}


def _rename(work: Path, folder: Path) -> None:
    """Give the whole candidate its name; one that another run gave it meanwhile is the same and stays."""
    if folder.exists() and not (folder / "manifest.json").is_file():  # half removed
        shutil.rmtree(folder, ignore_errors=True)
    try:
        os.rename(work, folder)
    except OSError:
        if not (folder / "manifest.json").is_file():
            raise
