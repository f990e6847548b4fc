"""Clean: what nobody needs any more, and its removal. What a reader, an undo, an open restatement may need stays.

    superseded   files of the lake's tables that have been in none of the versions of the last `clean.superseded_hours`,
                 and those that killed writers left; candidates that were not accepted for as long
    scored       the tables of days that were scored longer than `clean.scored_days` ago, on disk: published they stay
    replaced     what restatements replaced longer ago than `restate.keep_days`: after that there is no undo
    abandoned    open restatements that nobody has touched for `clean.abandoned_days`
    ended        what undone, dropped and expired restatements left on disk

Each of them can be removed alone and again, so what a killed run has left the next one removes.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddcrm.atomic import locked, try_locked
from ddcrm.lake.engine import storage_errors
from ddcrm.progress import point
from ddcrm.settings import Settings

if TYPE_CHECKING:
    from ddcrm.lake.delta import Table
    from ddcrm.warehouse.connect import Warehouse


@dataclass(frozen=True)
class Leftover:
    """Something that can go: its kind, what it is in words, how many files and tables, and their bytes."""

    kind: str
    what: str
    number: int
    size: int
    remove: Callable[[], object] = field(repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"kind": self.kind, "what": self.what, "number": self.number, "bytes": self.size}


def leftovers(settings: Settings) -> list[Leftover]:
    """What can go now; changes nothing."""
    from ddcrm.pipeline.record import opened

    with opened(settings) as ledger:
        return list(_all(settings, ledger.warehouse, ""))


def clean(settings: Settings, *, who: str) -> list[Leftover]:
    """Remove what can go now; returns that.

    Whoever makes batches visible, swaps or undoes waits meanwhile. Raises what the lake and the warehouse raise; what
    was removed before that is gone, the rest stays as it was.
    """
    from ddcrm.pipeline.record import opened
    from ddcrm.pipeline.restate_finish import settled

    with opened(settings) as ledger, ledger.run("clean"), settled(settings, ledger.warehouse, shared=False):
        found = list(_all(settings, ledger.warehouse, who))
        for each in found:
            point("clean.removing", kind=each.kind, what=each.what)
            with storage_errors(settings.lake_dir):
                each.remove()
        point("clean.removed", leftovers=len(found))
    return found


def _all(settings: Settings, warehouse: Warehouse, who: str) -> Iterator[Leftover]:
    yield from _superseded(settings)
    yield from _candidates(settings)
    yield from _scored(settings)
    yield from _restatements(settings, warehouse, who)


def _superseded(settings: Settings) -> Iterator[Leftover]:
    hours = settings.clean.superseded_hours
    for table in _tables(settings):
        if files := table.superseded(hours):
            what = f"{table.folder.parent.name}/{table.folder.name}: files that nobody reads any more"
            yield Leftover("superseded", what, len(files), _bytes(files), partial(table.vacuum, hours))


def _tables(settings: Settings) -> Iterator[Table]:
    from ddcrm.lake.layout import conformed_table, landing_table, quarantine_table

    for kind, table in (("landing", landing_table), ("conformed", conformed_table), ("quarantine", quarantine_table)):
        for folder in _folders(settings.lake_dir / kind):
            yield table(settings, folder.name)


def _candidates(settings: Settings) -> Iterator[Leftover]:
    """Those of rejected batches, and of killed runs; `<first>_<last>.lock` says who is at work on a range."""
    for source in _folders(settings.lake_dir / "candidates"):
        old = [folder for folder in _folders(source) if _hours(folder) > settings.clean.superseded_hours]
        for folder in (each for each in old if each.suffix != ".lock"):
            lock = folder if folder.name.startswith(".") else source / f"{folder.name[:21]}.lock"
            remove = partial(_remove_unless_locked, folder, lock)
            yield _folder("superseded", f"candidates/{source.name}: rows that were not accepted", folder, remove)


def _scored(settings: Settings) -> Iterator[Leftover]:
    for folder in _folders(settings.lake_dir / "scores"):
        current = folder / "current.json"
        if current.is_file() and _hours(current) > settings.clean.scored_days * 24:
            yield _folder("scored", f"scores/{folder.name}: on disk", folder, partial(_remove_scored, folder))


def _restatements(settings: Settings, warehouse: Warehouse, who: str) -> Iterator[Leftover]:
    yield from _replaced(settings, warehouse, who)
    yield from _abandoned(settings, warehouse, who)
    yield from _ended(settings, warehouse)


def _replaced(settings: Settings, warehouse: Warehouse, who: str) -> Iterator[Leftover]:
    from ddcrm.pipeline.restate_swap import let_go
    from ddcrm.pipeline.shadow import restatements_dir
    from ddcrm.warehouse.leftovers import expirable

    for name, kept in expirable(warehouse, settings.restate.keep_days).items():
        remove = partial(let_go, settings, warehouse, who=who)  # all of them at once; the others find nothing to do
        yield _with(_folder("replaced", f"what {name} replaced", restatements_dir(settings) / name, remove), kept)


def _abandoned(settings: Settings, warehouse: Warehouse, who: str) -> Iterator[Leftover]:
    from ddcrm.pipeline.restate import drop_with_work
    from ddcrm.pipeline.shadow import restatements_dir
    from ddcrm.warehouse.leftovers import untouched

    days = settings.clean.abandoned_days
    for name, kept in untouched(warehouse, days).items():
        folder, why = restatements_dir(settings) / name, f"nobody has touched it for {days} days"
        remove = partial(_unless_locked, folder, partial(drop_with_work, settings, warehouse, name, who=who, why=why))
        yield _with(_folder("abandoned", f"{name}, which nobody has touched", folder, remove), kept)


def _ended(settings: Settings, warehouse: Warehouse) -> Iterator[Leftover]:
    from ddcrm.pipeline.shadow import remove_shadow, restatements_dir
    from ddcrm.warehouse.leftovers import ended

    for folder in (restatements_dir(settings) / name for name in ended(warehouse)):
        if folder.is_dir():
            remove = partial(_unless_locked, folder, partial(remove_shadow, settings, folder.name))
            yield _folder("ended", f"what {folder.name} left", folder, remove)


def _folder(kind: str, what: str, folder: Path, remove: Callable[[], object]) -> Leftover:
    files = [file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
    return Leftover(kind, what, len(files), _bytes(files), remove)


def _with(leftover: Leftover, tables: tuple[int, int]) -> Leftover:
    """The same with the warehouse's tables: how many, and bytes."""
    number, size = tables
    return replace(leftover, number=leftover.number + number, size=leftover.size + size)


def _remove_unless_locked(folder: Path, lock: Path) -> None:
    def remove() -> None:
        (folder / "manifest.json").unlink(missing_ok=True)  # first: without it nobody takes the rest for whole
        shutil.rmtree(folder, ignore_errors=True)

    _unless_locked(lock, remove)


def _unless_locked(folder: Path, remove: Callable[[], object]) -> None:
    """Remove something unless somebody is at work on it; the next run looks again."""
    with try_locked(folder) as ours:
        if ours:
            remove()


def _remove_scored(folder: Path) -> None:
    with locked(folder):
        (folder / "current.json").unlink(missing_ok=True)
        for each in _folders(folder):
            shutil.rmtree(each, ignore_errors=True)


def _folders(root: Path) -> list[Path]:
    return sorted(each for each in root.iterdir() if each.is_dir()) if root.is_dir() else []


def _bytes(files: Iterable[Path]) -> int:
    """Of each file once, however many names it has: but for files with a name elsewhere, which take no room less."""
    sizes = [file.stat() for file in files if file.exists()]
    return sum(each.st_size for each in sizes if each.st_nlink == 1)


def _hours(path: Path) -> float:
    return (time.time() - path.stat().st_mtime) / 3600
