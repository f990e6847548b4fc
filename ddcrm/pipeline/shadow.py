"""What a restatement keeps on disk, beside the live lake, until it is swapped in.

    <lake>/restatements/<id>/lake/            a lake: landing is the live one, conformed and models begin as copies
                            /batches/*.json   what became of restated batches, as the ledger will have it
                            /old/             what the swap replaced, for undo (restate_swap.py)

It can be removed whenever nothing of it was swapped in: restating makes it again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddcrm.atomic import locked, try_locked, write_json
from ddcrm.errors import RestatementError
from ddcrm.lake.engine import storage_errors
from ddcrm.settings import Settings
from ddcrm.warehouse.ledger import Ledger
from ddcrm.warehouse.records import Batch, Reason, Validation, plain

if TYPE_CHECKING:
    from ddcrm.dates import DateRange
    from ddcrm.training.registry import Registry
    from ddcrm.warehouse.connect import Warehouse

Key = tuple[str, date]


def restatements_dir(settings: Settings) -> Path:
    """The folder of all restatements."""
    return settings.lake_dir / "restatements"


@contextmanager
def lake_gate(settings: Settings, *, shared: bool) -> Iterator[None]:
    """Who makes batches or models visible holds it shared; who plans, swaps, undoes or cleans holds it alone.

    Take it by `ddcrm.pipeline.restate_finish.settled`. Who holds it waits for no lock of a restatement's folder.
    """
    with locked(restatements_dir(settings), shared=shared):
        yield


def make_shadow(settings: Settings, restatement_id: str) -> Settings:
    """The settings of a restatement's lake, made if need be."""
    lake = restatements_dir(settings) / restatement_id / "lake"
    with storage_errors(lake):
        lake.mkdir(parents=True, exist_ok=True)
        landing = lake / "landing"
        if not landing.is_symlink():
            landing.symlink_to(os.path.relpath(settings.lake_dir / "landing", lake), target_is_directory=True)
    return settings.with_lake(lake)


@contextmanager
def alone_at_work(settings: Settings, restatement_id: str) -> Iterator[None]:
    """Hold the lock that who works on a restatement holds; raises RestatementError where another process has it."""
    folder = restatements_dir(settings) / restatement_id
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with try_locked(folder) as ours:
        if not ours:
            raise RestatementError("another process is at work on it", restatement=restatement_id,
                                   hint="Wait for it, or stop it; then the same command again.")  # fmt: skip
        yield


def take_over(settings: Settings, old: str, new: str) -> None:
    """Let another restatement go on with what one has done; nothing where it has something of its own.

    Nobody may be at work on the old one, nor in the lake: a swap's record of what it does must not change its name.
    """
    root = restatements_dir(settings)
    if (root / old).is_dir() and not (root / new).exists():
        (root / old).rename(root / new)


def remove_shadow(settings: Settings, restatement_id: str) -> None:
    """Remove all that a restatement keeps on disk."""
    shutil.rmtree(restatements_dir(settings) / restatement_id, ignore_errors=True)


def copy_models(live: Registry, shadow: Registry, names: Sequence[str], again: set[date]) -> None:
    """Let the shadow's registry have the live trainings, but for those that are done `again`, and their versions."""
    for name in names:
        (shadow.root / name / "current").mkdir(parents=True, exist_ok=True)
        with storage_errors(shadow.root), locked(shadow.root / name):
            for version in live.versions(name):
                _link_folder(live.root / name / version, shadow.root / name / version)
        pointers = live.pointers(name)
        for as_of in (pointers.keys() | shadow.pointers(name).keys()) - again:
            shadow.set_pointer(name, as_of, pointers.get(as_of))


def link_version(source: Registry, target: Registry, name: str, version: str) -> None:
    """Let a registry have a version that another one has."""
    with storage_errors(target.root), locked(target.root / name):
        _link_folder(source.root / name / version, target.root / name / version)


def _link_folder(source: Path, target: Path) -> None:
    """A folder of hard links, whole or not there."""
    if target.exists():
        return
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(source, part, copy_function=os.link)
    part.rename(target)


class ShadowLedger(Ledger):
    """The ledger that restated batches are recorded in: reads go to the warehouse, what is written to files beside."""

    def __init__(self, warehouse: Warehouse, folder: Path) -> None:
        super().__init__(warehouse)
        self.folder = folder / "batches"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.planned: set[Key] = set()  # what was restated for another plan does not count
        self._checks: dict[tuple[str, str], list[Validation]] = {}

    def record_batches(self, batches: Sequence[Batch], reasons: Sequence[Reason] = ()) -> None:
        """Keep the batches of a range, with the checks that were recorded of it: a file, whole or not there."""
        source, first, last = batches[0].source, batches[0].batch_date, batches[-1].batch_date
        checks = self._checks.pop((source, f"{first}_{last}"), [])
        document = {
            "batches": [each.as_dict() for each in batches],
            "reasons": [each.as_dict() for each in reasons],
            "checks": [each.as_dict() for each in checks],
        }
        with storage_errors(self.folder), locked(self.folder):
            write_json(self.folder / f"{source}_{first}_{last}.json", plain(document))

    def record_validations(
        self,
        validations: Sequence[Validation],
        *,
        source: str | None = None,
        dates: DateRange | None = None,
        table: str | None = None,
        as_of: date | None = None,
    ) -> None:
        """Keep the checks of a range until its batches are recorded."""
        if source and dates:
            self._checks[source, f"{dates.first}_{dates.last}"] = list(validations)

    def ranges(self) -> Iterator[tuple[list[Batch], list[Reason], list[Validation]]]:
        """What is recorded, range by range, the newest range last."""
        files = sorted(self.folder.glob("*.json"), key=lambda file: (file.stat().st_mtime_ns, file.name))
        for file in files:
            document = json.loads(file.read_text("utf-8"))
            yield (
                [_batch(values) for values in document["batches"]],
                [_reason(values) for values in document["reasons"]],
                [Validation(**values) for values in document["checks"]],
            )

    def restated(self) -> dict[Key, Batch]:
        """The restated batches, as far as they are planned."""
        found = {(each.source, each.batch_date): each for batches, _, _ in self.ranges() for each in batches}
        return {key: batch for key, batch in found.items() if key in self.planned}

    def all_batches(self) -> list[Batch]:
        """Every batch, the restated ones as they are now."""
        return self.over(super().all_batches())

    def over(self, batches: Sequence[Batch]) -> list[Batch]:
        """These batches, the restated ones as they are now."""
        known = {(each.source, each.batch_date): each for each in batches}
        return [batch for _, batch in sorted({**known, **self.restated()}.items())]


def _batch(values: Mapping[str, Any]) -> Batch:
    newest = values["newest_event_at"]
    moment = datetime.fromisoformat(newest) if newest else None
    return Batch(**{**values, "batch_date": date.fromisoformat(values["batch_date"]), "newest_event_at": moment})


def _reason(values: Mapping[str, Any]) -> Reason:
    return Reason(**{**values, "batch_date": date.fromisoformat(values["batch_date"])})
