"""Swap a restatement in, in the warehouse and in the lake, and undo that.

The warehouse's transaction decides. What is to be done in the lake is written down before it (`swap.json`,
`undo.json`), and done after it (restate_finish.py); a run that is killed between is made good by whichever step comes
next, and by those that are at work already before they make anything visible.

    <lake>/restatements/<id>/swap.json      the swap has begun; swapped.json: it is whole, and can be undone
                            /undo.json      the undoing has begun; undone.json: it is whole
                            /old/           files that the swap replaced
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddcrm.atomic import write_json
from ddcrm.errors import PlanOutdatedError
from ddcrm.lake.shadow import check_unchanged, content_of, link
from ddcrm.pipeline.restate_finish import (
    Part,
    came_through,
    finish_swap,
    finish_undo,
    parts_of,
    restated_checks,
    settled,
)
from ddcrm.pipeline.shadow import alone_at_work, make_shadow, restatements_dir
from ddcrm.progress import point
from ddcrm.settings import Settings
from ddcrm.warehouse.restate_records import checks_of

if TYPE_CHECKING:
    from ddcrm.pipeline.plan import Plan
    from ddcrm.warehouse.connect import Warehouse
    from ddcrm.warehouse.ledger import Ledger
    from ddcrm.warehouse.restate import Restatement

Check = Callable[["Restatement"], None]
SINCE = "Undoing would take them back. `ddcrm plan` says what is to be restated now."


def swap(settings: Settings, restatement_id: str, *, who: str, why: str | None = None) -> Restatement:
    """Make the restated days and batches those that everybody sees: the warehouse in one transaction, then the lake.

    Raises PlanOutdatedError where batches or days came since the plan, RestatementError where it was not compared or
    has to be approved again, or is still at work, PublishBlockedError where readers did not let go: then nothing has
    changed.
    """
    from ddcrm.pipeline.record import opened
    from ddcrm.pipeline.restate import check_open, plan_to_swap
    from ddcrm.warehouse import restate as warehouse_side

    with (
        opened(settings) as ledger,
        ledger.run("swap", restatement=restatement_id),
        _alone(settings, ledger, restatement_id, check_open, unless="swapped") as known,
    ):
        if known.state == "swapped":
            return known
        folder = restatements_dir(settings) / restatement_id
        _prepare_swap(settings, ledger, folder, plan_to_swap(settings, ledger, known))
        try:
            swapped = warehouse_side.swap(ledger.warehouse, restatement_id, who=who, why=why)
        except BaseException:
            came_through(ledger.warehouse, folder / "swap.json")
            raise
        finish_swap(settings, ledger.warehouse, folder)
    return swapped


def undo(settings: Settings, restatement_id: str, *, who: str, why: str | None = None) -> Restatement:
    """Bring back the days and batches that a restatement replaced, bit by bit: the warehouse first, then the lake.

    Raises RestatementError where it was not swapped in or what it replaced is not kept any more; PlanOutdatedError
    where its days were published, its batches taken in or its models trained, since.
    """
    from ddcrm.pipeline.record import opened
    from ddcrm.warehouse import restate as warehouse_side

    with (
        opened(settings) as ledger,
        ledger.run("undo", restatement=restatement_id),
        _alone(settings, ledger, restatement_id, warehouse_side.check_kept, unless="undone") as known,
    ):
        if known.state == "undone":
            return known
        folder = restatements_dir(settings) / restatement_id
        _prepare_undo(settings, known, folder)
        try:
            undone = warehouse_side.undo(ledger.warehouse, restatement_id, who=who, why=why)
        except BaseException:
            came_through(ledger.warehouse, folder / "undo.json")
            raise
        finish_undo(settings, ledger.warehouse, folder)
    return undone


@contextmanager
def _alone(settings: Settings, ledger: Ledger, restatement_id: str, check: Check, unless: str) -> Iterator[Restatement]:
    """A restatement as it is while nobody else is in the lake or at work on it; checked, unless it is in this state.

    Looked at before, to refuse at once, and again, for others may have been faster.
    """
    from ddcrm.warehouse.restate import restatement

    def look() -> Restatement:
        known = restatement(ledger.warehouse, restatement_id)
        if known.state != unless:
            check(known)
        return known

    if (known := look()).state == unless:
        yield known
        return
    with settled(settings, ledger.warehouse, shared=False), alone_at_work(settings, restatement_id):
        yield look()


def expire(settings: Settings, *, who: str) -> list[str]:
    """Let go what was replaced longer ago than the setting `restate.keep_days`; returns the restatements' ids."""
    from ddcrm.pipeline.record import opened

    with opened(settings) as ledger, settled(settings, ledger.warehouse, shared=False):
        return let_go(settings, ledger.warehouse, who=who)


def let_go(settings: Settings, warehouse: Warehouse, *, who: str) -> list[str]:
    """The same for whoever is alone in the lake (`settled`): an undoing must not find half of what it needs."""
    from ddcrm.warehouse import restate as warehouse_side

    expired = warehouse_side.expire(warehouse, settings.restate.keep_days, who=who)
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
    document = {"parts": [part.as_dict() for part in parts], "pointers": pointers}
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


def _old_checks(warehouse: Warehouse, folder: Path, parts: Iterable[Part]) -> Iterator[dict[str, Any]]:
    """What those say now, for undo."""
    for source, dates, _ in restated_checks(warehouse, folder, parts):
        lines = checks_of(warehouse, source, dates)
        yield {"source": source, "dates": [str(dates.first), str(dates.last)], "lines": lines}


def _prepare_undo(settings: Settings, known: Restatement, folder: Path) -> None:
    """See that lake and registry are as the swap left them, and write down that they are to go back."""
    from ddcrm.warehouse.restate import not_kept

    if not (folder / "swapped.json").is_file() or not (folder / "old").is_dir():
        raise not_kept(known)
    document = json.loads((folder / "swapped.json").read_text("utf-8"))
    for part in parts_of(document):
        found = content_of(part.table(settings), part.filter, part.days)
        check_unchanged(found, part.after, part.source, SINCE)
    _check_models(settings, document["pointers"])
    write_json(folder / "undo.json", document)
    point("restate.undo_intended", restatement=folder.name)


def _check_models(settings: Settings, pointers: Mapping[str, Any]) -> None:
    """Raise PlanOutdatedError where a model was trained again since."""
    from ddcrm.pipeline.train import registry

    for name, days in pointers.items():
        now = registry(settings).pointers(name)
        for day, (_, restated) in days.items():
            if now.get(date.fromisoformat(day)) != restated:
                raise PlanOutdatedError("models were trained again meanwhile", model=name, as_of=day, hint=SINCE)
