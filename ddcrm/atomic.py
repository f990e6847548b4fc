"""Files and folders that are there whole or not at all, whenever the process that writes them is killed."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_PART = ".part"


def write_folder(target: Path, fill: Callable[[Path], None]) -> bool:
    """Let `fill(folder)` write files into a new folder, then give it its name; False if `target` was there already.

    The files are on the disk before the name is. Call it under `locked(target.parent)`: what an earlier, killed writer
    left there is removed.
    """
    if target.exists():
        return False
    part = target.with_name(f".{target.name}{_PART}")
    for left in target.parent.glob(f".*{_PART}/"):
        shutil.rmtree(left)
    part.mkdir()
    fill(part)
    for file in part.iterdir():
        _sync(file)
    _sync(part)
    part.rename(target)
    _sync(target.parent)
    return True


def write_json(target: Path, value: Any) -> None:
    """Write `value` as JSON to `target`, in place of what was there, in one step; call it under a lock, too."""
    write_text(target, to_json(value))


def write_text(target: Path, text: str) -> None:
    """Write `text` to `target`, in place of what was there, in one step; call it under a lock, too."""
    part = target.with_name(f".{target.name}{_PART}")
    part.write_text(text, "utf-8")
    _sync(part)
    part.replace(target)
    _sync(target.parent)


def write_private(target: Path, text: str) -> None:
    """`write_text` for what names customers: only the file's owner may read it, and never anybody else meanwhile."""
    part = target.with_name(f".{target.name}{_PART}")
    part.unlink(missing_ok=True)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    _sync(part)
    part.replace(target)
    _sync(target.parent)


def to_json(value: Any) -> str:
    """JSON with a line for each value, keys in their order, the same text for the same value."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


@contextmanager
def locked(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the folder's lock (made if need be): one writer, or any number of readers, on this machine.

    The kernel frees it when a process ends, however it ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


@contextmanager
def try_locked(folder: Path) -> Iterator[bool]:
    """Whether the folder's lock was free: then it is held as long as the block lasts. A folder that is gone is free."""
    if not folder.is_dir():
        yield True
        return
    with open(folder / ".lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = True
        except OSError:
            free = False
        yield free


def sweep(root: Path, pattern: str = "*/") -> None:
    """Remove the folders of `root` that killed processes have left: those whose lock (see `locked`) nobody holds."""
    for folder in root.glob(pattern):
        with suppress(OSError), open(folder / ".lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
