"""What follows the warehouse's transaction of a swap, or an undoing: lake and ledger go the same way.

It can be done again from any point, and whoever comes next does it after a kill. Inside `settled` warehouse and lake
say the same: who changes what both know of, or reads both, stands there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddcrm.dates import DateRange
from ddcrm.errors import LakeError, RestatementError
from ddcrm.lake.delta import Filter, StagedFile, Table
from ddcrm.lake.layout import conformed_table, quarantine_table
from ddcrm.lake.shadow import content_of, names, replace
from ddcrm.pipeline.shadow import ShadowLedger, lake_gate, make_shadow, restatements_dir
from ddcrm.progress import point
from ddcrm.settings import Settings
from ddcrm.warehouse.restate_records import put_back_checks, put_back_model

if TYPE_CHECKING:
    from ddcrm.warehouse.connect import Warehouse
    from ddcrm.warehouse.records import Validation

INTENTS = {"swap.json": "swapped", "undo.json": "undone"}  # what is written down, and the state that it leads to


@dataclass(frozen=True)
class Part:
    """The restated partitions of one source in one table: the files before and after."""

    kind: str  # conformed or quarantine
    name: str  # the entity, or the source
    source: str
    days: tuple[str, ...]
    before: tuple[StagedFile, ...]
    after: tuple[StagedFile, ...]

    def table(self, settings: Settings) -> Table:
        """Where it stands."""
        table = conformed_table if self.kind == "conformed" else quarantine_table
        return table(settings, self.name)

    @property
    def filter(self) -> list[Filter]:
        """The condition for the source."""
        return [("source", "=", self.source)] if self.kind == "conformed" else []

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        files = {name: [file.as_dict() for file in getattr(self, name)] for name in ("before", "after")}
        return {"kind": self.kind, "name": self.name, "source": self.source, "days": list(self.days), **files}


def parts_of(document: Mapping[str, Any]) -> Iterator[Part]:
    """The parts of what was written down."""
    for values in document["parts"]:
        files = {name: tuple(StagedFile(**file) for file in values[name]) for name in ("before", "after")}
        yield Part(values["kind"], values["name"], values["source"], tuple(values["days"]), **files)


@contextmanager
def settled(settings: Settings, warehouse: Warehouse, *, shared: bool) -> Iterator[None]:
    """The lake's gate (see `lake_gate`), with no swap and no undoing half done: what a killed one left is finished."""
    while True:
        finish_unfinished(settings, warehouse)
        with lake_gate(settings, shared=shared):
            if not _unfinished(settings):  # one may have begun, and died, while this one waited
                yield
                return


def finish_unfinished(settings: Settings, warehouse: Warehouse) -> None:
    """Make good what a killed swap or undoing has left, alone in the lake; waits for a living one."""
    if _unfinished(settings):
        with lake_gate(settings, shared=False):
            for file in _unfinished(settings):
                _finish(settings, warehouse, file)


def _unfinished(settings: Settings) -> list[Path]:
    return sorted(file for name in INTENTS for file in restatements_dir(settings).glob(f"*/{name}"))


def _finish(settings: Settings, warehouse: Warehouse, file: Path) -> None:
    """The lake follows the warehouse: forth, back, or, of a restatement that it does not know, to what was before."""
    from ddcrm.warehouse.restate import state_of

    folder = file.parent
    if state_of(warehouse, folder.name) is None:
        _forget_stranger(settings, warehouse, file)
    elif came_through(warehouse, file):
        {"swap.json": finish_swap, "undo.json": finish_undo}[file.name](settings, warehouse, folder)


def came_through(warehouse: Warehouse, file: Path) -> bool:
    """Whether the warehouse came to what was intended; if not, nothing has happened, and the intent is forgotten."""
    from ddcrm.warehouse.restate import state_of

    if state_of(warehouse, file.parent.name) == INTENTS[file.name]:
        return True
    with suppress(FileNotFoundError):
        file.unlink()
    return False


def _forget_stranger(settings: Settings, warehouse: Warehouse, file: Path) -> None:
    """The ledger is one from before this restatement (a backup), so the lake goes back to before it, too."""
    point("restate.unknown", restatement=file.parent.name)
    try:
        document = json.loads(file.read_text("utf-8"))
        _lake_back(settings, file.parent, document)
        _put_back_models(settings, warehouse, document["pointers"])
    except (LakeError, OSError, ValueError, KeyError) as error:
        raise RestatementError(
            "the lake has a swap that was not finished, of a restatement that the warehouse does not know",
            restatement=file.parent.name, file=file, reason=error,
            hint="Was the warehouse restored from a backup? Restore the lake of the same time. Or remove the file: "
                 "then batches may stand in the lake that the ledger does not know, until they are ingested again.",
        ) from error  # fmt: skip
    file.unlink()


def finish_swap(settings: Settings, warehouse: Warehouse, folder: Path) -> None:
    """What follows the warehouse's transaction; can be done again from any point."""
    from ddcrm.warehouse.ledger import Ledger

    document = json.loads((folder / "swap.json").read_text("utf-8"))
    shadow = make_shadow(settings, folder.name)
    for part in parts_of(document):
        table = part.table(shadow)
        replace(part.table(settings), part.filter, part.days, part.after, table.folder, table)
        point("restate.lake_swapped", table=part.name, kind=part.kind)
    _set_models(settings, shadow, warehouse, document["pointers"])
    for source, dates, checks in restated_checks(warehouse, folder, parts_of(document)):
        Ledger(warehouse).record_validations(checks, source=source, dates=dates)
    (folder / "swap.json").replace(folder / "swapped.json")
    point("restate.whole", restatement=folder.name)
    shutil.rmtree(folder / "lake", ignore_errors=True)


def _set_models(settings: Settings, shadow: Settings, warehouse: Warehouse, pointers: Mapping[str, Any]) -> None:
    """The restated versions, then the pointers to them; the versions enter the ledger."""
    from ddcrm.pipeline.shadow import link_version
    from ddcrm.pipeline.train import record_model, registry
    from ddcrm.warehouse.ledger import Ledger

    live, restated = registry(settings), registry(shadow)
    for name, days in pointers.items():
        for day, (_, pointer) in days.items():
            if pointer is not None and "version" in pointer:
                link_version(restated, live, name, pointer["version"])
                record_model(Ledger(warehouse), live.version(name, pointer["version"]))
            live.set_pointer(name, date.fromisoformat(day), pointer)
    point("restate.models_swapped", models=len(pointers))


def restated_checks(
    warehouse: Warehouse, folder: Path, parts: Iterable[Part]
) -> Iterator[tuple[str, DateRange, list[Validation]]]:
    """What the checks of restated batches said, range by range: it takes the place of what they said before."""
    restated = {(part.source, day) for part in parts for day in part.days}
    for batches, _, checks in ShadowLedger(warehouse, folder).ranges():
        if all((each.source, str(each.batch_date)) in restated for each in batches):
            yield batches[0].source, DateRange(batches[0].batch_date, batches[-1].batch_date), checks


def finish_undo(settings: Settings, warehouse: Warehouse, folder: Path) -> None:
    """What follows the warehouse's transaction; can be done again from any point."""
    document = json.loads((folder / "undo.json").read_text("utf-8"))
    _lake_back(settings, folder, document)
    _put_back_models(settings, warehouse, document["pointers"])
    for each in document["checks"]:
        put_back_checks(warehouse, each["source"], DateRange.parse(*each["dates"]), each["lines"])
    (folder / "swapped.json").unlink(missing_ok=True)
    (folder / "undo.json").replace(folder / "undone.json")
    point("restate.undo_whole", restatement=folder.name)
    shutil.rmtree(folder / "old", ignore_errors=True)


def _lake_back(settings: Settings, folder: Path, document: Mapping[str, Any]) -> None:
    """Where the restated files stand, the ones before."""
    for part in parts_of(document):
        table = part.table(settings)
        if names(content_of(table, part.filter, part.days)) == names(part.after):
            replace(table, part.filter, part.days, part.before, folder / "old" / part.kind / part.name, table)
        point("restate.lake_undone", table=part.name, kind=part.kind)


def _put_back_models(settings: Settings, warehouse: Warehouse, pointers: Mapping[str, Any]) -> None:
    """The pointers as they were; in the ledger, too, the versions before are the current ones again."""
    from ddcrm.pipeline.train import registry

    for name, days in pointers.items():
        for day, (before, restated) in days.items():
            versions = [(each or {}).get("version") for each in (before, restated)]
            if versions[0] != versions[1]:
                put_back_model(warehouse, name, before=versions[0], restated=versions[1])
            registry(settings).set_pointer(name, date.fromisoformat(day), before)
