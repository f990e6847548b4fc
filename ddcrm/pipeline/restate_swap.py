"""Swap a restatement in, in the warehouse and in the lake, and undo that.

The warehouse's transaction decides. What is to be done in the lake is written down before it (`swap.json`,
`undo.json`), and done after it; a run that is killed between is made good by whichever step comes next.

    <lake>/restatements/<id>/swap.json      the swap has begun; swapped.json: it is whole, and can be undone
                            /undo.json      the undoing has begun; undone.json: it is whole
                            /old/           files that the swap replaced
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddcrm.atomic import locked, write_json
from ddcrm.dates import DateRange
from ddcrm.errors import RestatementError
from ddcrm.lake.delta import Filter, StagedFile, Table
from ddcrm.lake.layout import conformed_table, quarantine_table
from ddcrm.lake.shadow import check_unchanged, content_of, link, replace
from ddcrm.pipeline.shadow import ShadowLedger, lake_gate, make_shadow, restatements_dir
from ddcrm.progress import point
from ddcrm.settings import Settings
from ddcrm.warehouse.restate_records import checks_of, put_back_checks, put_back_model

if TYPE_CHECKING:
    from ddcrm.pipeline.plan import Plan
    from ddcrm.warehouse.connect import Warehouse
    from ddcrm.warehouse.ledger import Ledger
    from ddcrm.warehouse.records import Validation
    from ddcrm.warehouse.restate import Restatement


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


def swap(settings: Settings, restatement_id: str, *, who: str, why: str | None = None) -> Restatement:
    """Make the restated days and batches those that everybody sees: the warehouse in one transaction, then the lake.

    Raises PlanOutdatedError where batches or days came since the plan, RestatementError where it was not compared or
    has to be approved again, PublishBlockedError where readers did not let go: then nothing has changed.
    """
    from ddcrm.pipeline.record import opened
    from ddcrm.pipeline.restate import check_open, current_plan
    from ddcrm.warehouse import restate as warehouse_side

    with opened(settings) as ledger, ledger.run("swap", restatement=restatement_id):
        known = warehouse_side.restatement(ledger.warehouse, restatement_id)
        folder = restatements_dir(settings) / restatement_id
        if known.state == "swapped":
            return known
        check_open(known)
        with lake_gate(settings, shared=False), locked(folder):
            _, plan = current_plan(settings, ledger, known)
            _prepare_swap(settings, ledger, folder, plan)
            try:
                swapped = warehouse_side.swap(ledger.warehouse, restatement_id, who=who, why=why)
            except BaseException:
                _forget_unless(ledger.warehouse, folder, "swap.json", "swapped")
                raise
            _finish_swap(settings, ledger.warehouse, folder)
    return swapped


def undo(settings: Settings, restatement_id: str, *, who: str, why: str | None = None) -> Restatement:
    """Bring back the days and batches that a restatement replaced, bit by bit: the warehouse first, then the lake.

    Raises RestatementError where it was not swapped in or what it replaced is not kept any more; PlanOutdatedError
    where its days were published, or its batches taken in, since.
    """
    from ddcrm.pipeline.record import opened
    from ddcrm.warehouse import restate as warehouse_side

    with opened(settings) as ledger, ledger.run("undo", restatement=restatement_id):
        folder = restatements_dir(settings) / restatement_id
        known = warehouse_side.restatement(ledger.warehouse, restatement_id)
        if known.state == "undone":
            return known
        with lake_gate(settings, shared=False), locked(folder):
            _prepare_undo(settings, known, folder)
            try:
                undone = warehouse_side.undo(ledger.warehouse, restatement_id, who=who, why=why)
            except BaseException:
                _forget_unless(ledger.warehouse, folder, "undo.json", "undone")
                raise
            _finish_undo(settings, ledger.warehouse, folder)
    return undone


def finish_unfinished(settings: Settings, warehouse: Warehouse) -> None:
    """Make good what a killed swap or undoing has left: the lake follows the warehouse."""
    for name, state, finish in (("swap.json", "swapped", _finish_swap), ("undo.json", "undone", _finish_undo)):
        for file in restatements_dir(settings).glob(f"*/{name}"):
            with locked(file.parent):  # a living one ends first
                if file.exists() and _forget_unless(warehouse, file.parent, name, state):
                    finish(settings, warehouse, file.parent)


def expire(settings: Settings, *, who: str) -> list[str]:
    """Let go what was replaced longer ago than the setting `restate.keep_days`; returns the restatements' ids."""
    from ddcrm.pipeline.record import opened
    from ddcrm.warehouse import restate as warehouse_side

    with opened(settings) as ledger:
        expired = warehouse_side.expire(ledger.warehouse, settings.restate.keep_days, who=who)
        for restatement_id in expired:
            shutil.rmtree(restatements_dir(settings) / restatement_id, ignore_errors=True)
    return expired


def _prepare_swap(settings: Settings, ledger: Ledger, folder: Path, plan: Plan) -> None:
    """Keep what the swap replaces, and write down what it is to do."""
    from ddcrm.pipeline.train import registry
    from ddcrm.training.fit import MODELS

    shadow = make_shadow(settings, folder.name)
    parts = list(_parts(settings, shadow, plan))
    for part in parts:
        link(part.before, part.table(settings).folder, folder / "old" / part.kind / part.name)
    days = [each.as_of for each in plan.trainings]
    known = {name: [registry(lake).pointers(name) for lake in (settings, shadow)] for name in MODELS}
    pointers = {name: {str(day): [each.get(day) for each in both] for day in days} for name, both in known.items()}
    (folder / "old").mkdir(exist_ok=True)
    document = {"parts": [_as_dict(part) for part in parts], "pointers": pointers}
    write_json(folder / "swap.json", {**document, "checks": list(_old_checks(ledger.warehouse, folder, parts))})
    point("restate.intended", restatement=folder.name)


def _parts(settings: Settings, shadow: Settings, plan: Plan) -> Iterator[Part]:
    for source in sorted({each.source for each in plan.batches}):
        ranges = [each for each in plan.batches if each.source == source]
        days = tuple(str(day) for each in ranges for day in each.dates)
        for kind, name in (("quarantine", source), ("conformed", ranges[0].entity)):
            part = Part(kind, name, source, days, (), ())
            before, after = (tuple(content_of(part.table(lake), part.filter, days)) for lake in (settings, shadow))
            yield Part(kind, name, source, days, before, after)


def _finish_swap(settings: Settings, warehouse: Warehouse, folder: Path) -> None:
    """What follows the warehouse's transaction; can be done again from any point."""
    from ddcrm.warehouse.ledger import Ledger

    document = json.loads((folder / "swap.json").read_text("utf-8"))
    shadow = make_shadow(settings, folder.name)
    for part in map(_part, document["parts"]):
        table = part.table(shadow)
        replace(part.table(settings), part.filter, part.days, part.after, table.folder, table)
        point("restate.lake_swapped", table=part.name, kind=part.kind)
    _set_models(settings, shadow, warehouse, document["pointers"])
    for source, dates, checks in _restated_checks(warehouse, folder, map(_part, document["parts"])):
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


def _restated_checks(
    warehouse: Warehouse, folder: Path, parts: Iterable[Part]
) -> Iterator[tuple[str, DateRange, list[Validation]]]:
    """What the checks of restated batches said, range by range: it takes the place of what they said before."""
    restated = {(part.source, day) for part in parts for day in part.days}
    for batches, _, checks in ShadowLedger(warehouse, folder).ranges():
        if all((each.source, str(each.batch_date)) in restated for each in batches):
            yield batches[0].source, DateRange(batches[0].batch_date, batches[-1].batch_date), checks


def _old_checks(warehouse: Warehouse, folder: Path, parts: Iterable[Part]) -> Iterator[dict[str, Any]]:
    """What those say now, for undo."""
    for source, dates, _ in _restated_checks(warehouse, folder, parts):
        lines = checks_of(warehouse, source, dates)
        yield {"source": source, "dates": [str(dates.first), str(dates.last)], "lines": lines}


def _prepare_undo(settings: Settings, known: Restatement, folder: Path) -> None:
    """See that the lake is as the swap left it, and write down that it is to go back."""
    if not (folder / "swapped.json").is_file() or not (folder / "old").is_dir():
        message = "what it replaced is not kept any more, or it was never swapped in"
        raise RestatementError(message, restatement=known.id, state=known.state)
    document = json.loads((folder / "swapped.json").read_text("utf-8"))
    for part in map(_part, document["parts"]):
        found = content_of(part.table(settings), part.filter, part.days)
        hint = "Undoing would take them back. `ddcrm plan` says what is to be restated now."
        check_unchanged(found, part.after, part.source, hint)
    write_json(folder / "undo.json", document)
    point("restate.undo_intended", restatement=folder.name)


def _finish_undo(settings: Settings, warehouse: Warehouse, folder: Path) -> None:
    """What follows the warehouse's transaction; can be done again from any point."""

    document = json.loads((folder / "undo.json").read_text("utf-8"))
    for part in map(_part, document["parts"]):
        table = part.table(settings)
        replace(table, part.filter, part.days, part.before, folder / "old" / part.kind / part.name, table)
        point("restate.lake_undone", table=part.name, kind=part.kind)
    _put_back_models(settings, warehouse, document["pointers"])
    for each in document["checks"]:
        put_back_checks(warehouse, each["source"], DateRange.parse(*each["dates"]), each["lines"])
    (folder / "swapped.json").unlink(missing_ok=True)
    (folder / "undo.json").replace(folder / "undone.json")
    point("restate.undo_whole", restatement=folder.name)
    shutil.rmtree(folder / "old", ignore_errors=True)


def _put_back_models(settings: Settings, warehouse: Warehouse, pointers: Mapping[str, Any]) -> None:
    """The pointers as they were; in the ledger, too, the versions before are the current ones again."""
    from ddcrm.pipeline.train import registry

    for name, days in pointers.items():
        for day, (before, restated) in days.items():
            versions = [(each or {}).get("version") for each in (before, restated)]
            if versions[0] != versions[1]:
                put_back_model(warehouse, name, before=versions[0], restated=versions[1])
            registry(settings).set_pointer(name, date.fromisoformat(day), before)


def _forget_unless(warehouse: Warehouse, folder: Path, name: str, state: str) -> bool:
    """Whether the warehouse came to this state; if not, nothing has happened, and the intent is forgotten."""
    from ddcrm.warehouse.restate import restatement

    if restatement(warehouse, folder.name).state == state:
        return True
    with suppress(FileNotFoundError):
        (folder / name).unlink()
    return False


def _as_dict(part: Part) -> dict[str, Any]:
    files = {name: [file.as_dict() for file in getattr(part, name)] for name in ("before", "after")}
    return {"kind": part.kind, "name": part.name, "source": part.source, "days": list(part.days), **files}


def _part(values: Mapping[str, Any]) -> Part:
    files = {name: tuple(StagedFile(**file) for file in values[name]) for name in ("before", "after")}
    return Part(values["kind"], values["name"], values["source"], tuple(values["days"]), **files)
