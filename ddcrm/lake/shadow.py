"""A lake beside the live one: the same landing, the same files under hard links, and restated partitions in it.

Nothing of the live lake is written before `replace` makes restated partitions those of the live tables.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from ddcrm.errors import PlanOutdatedError
from ddcrm.lake.delta import Filter, StagedFile, Table
from ddcrm.lake.engine import storage_errors
from ddcrm.progress import point

Partition = tuple[str, ...]  # its values, in the order of the table's columns


def mirror(live: Table, shadow: Table, own: Collection[Partition]) -> None:
    """Make the partitions of `shadow` those of `live`, but for its `own`; a second call changes what changed since."""
    wanted = {key: files for key, files in partitions(live).items() if key not in own}
    found = partitions(shadow)
    stale = [key for key, files in wanted.items() if names(files) != names(found.get(key, []))]
    if not stale:
        return
    files = [file for key in stale for file in wanted[key]]
    link(files, live.folder, shadow.folder)
    if shadow.exists():
        for key in stale:
            shadow.commit(wanted[key], live.schema(), _only(shadow, key))
    else:
        shadow.commit(files, live.schema(), [])
    point("restate.mirrored", table=live.folder.name, partitions=len(stale))


def replace(
    live: Table, source: Sequence[Filter], days: Sequence[str], files: Sequence[StagedFile], place: Path, like: Table
) -> None:
    """Make `files`, which stand below `place`, the days' partitions of `live`, in one commit; once more: no change.

    source: the filter for the source, where the table has several; like: the table whose columns the files have.
    """
    if names(content_of(live, source, days)) == names(files):
        return
    link(files, place, live.folder)
    schema = like.schema() if like.exists() else live.schema()
    live.commit(files, schema, [*source, (live.partition_by[-1], "in", list(days))])


def content_of(table: Table, source: Sequence[Filter], days: Iterable[str]) -> list[StagedFile]:
    """The files of these days; `source` as for `replace`."""
    wanted, of = set(days), {name: value for name, _, value in source}
    column = table.partition_by[-1]
    return [
        file
        for file in table.content()
        if file.partition[column] in wanted and all(file.partition[name] == value for name, value in of.items())
    ]


def check_unchanged(found: Sequence[StagedFile], expected: Sequence[StagedFile], what: str, hint: str) -> None:
    """Raise PlanOutdatedError where other files stand there than are expected. Pure."""
    if names(found) != names(expected):
        raise PlanOutdatedError(f"batches of {what} were taken in again meanwhile", hint=hint)


def partitions(table: Table) -> dict[Partition, list[StagedFile]]:
    """The files of each partition."""
    found: dict[Partition, list[StagedFile]] = defaultdict(list)
    for file in table.content():
        found[tuple(file.partition[name] for name in table.partition_by)].append(file)
    return dict(found)


def names(files: Iterable[StagedFile]) -> set[str]:
    """The files' names, none of which is ever used twice."""
    return {Path(file.path).name for file in files}


def link(files: Iterable[StagedFile], place: Path, target: Path) -> None:
    """Hard links of the files below another folder; those that are there stay."""
    with storage_errors(target):
        for file in files:
            there = target / file.path
            if not there.exists():
                there.parent.mkdir(parents=True, exist_ok=True)
                os.link(place / file.path, there)


def _only(table: Table, key: Partition) -> list[Filter]:
    return [(name, "=", value) for name, value in zip(table.partition_by, key, strict=True)]
