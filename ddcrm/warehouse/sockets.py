"""Where the embedded PostgreSQL's unix socket stands: such a path may have some 100 bytes and no more."""

from __future__ import annotations

import os
import stat
import tempfile
from hashlib import sha256
from pathlib import Path

from ddcrm.errors import SettingsError
from ddcrm.warehouse.programs import hand_over

PORT = "5432"  # part of the socket's name; nothing listens on TCP
LONGEST = 103  # bytes: 107 on Linux, 103 on macOS


def socket_dir(data: Path) -> Path:
    """Where the socket goes: beside the data, or in the user's runtime folder where that path is too long for one."""
    if _fits(data):
        return data
    name = sha256(os.fsencode(data)).hexdigest()[:12]
    for base in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108
        if base and os.access(base, os.W_OK) and _fits(folder := Path(base) / f"ddcrm-{os.geteuid()}" / name):
            _own(folder.parent)
            folder.mkdir(mode=0o700, exist_ok=True)
            hand_over(folder)
            return folder
    raise SettingsError(
        "no folder has a path short enough for the embedded PostgreSQL's socket",
        hint="Set state_dir to a shorter path.",
    )


def _fits(folder: Path) -> bool:
    """Whether a socket in `folder` has a path that is short enough and needs no quoting."""
    path = os.fsencode(folder / f".s.PGSQL.{PORT}.lock")
    return len(path) <= LONGEST and not set(path) & set(b"\"',\\")


def _own(folder: Path) -> None:
    """Make `folder` ours; one that somebody else put there is refused."""
    folder.mkdir(mode=0o711, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise SettingsError(
            "the folder for the embedded PostgreSQL's socket belongs to somebody else",
            folder=folder,
            hint="Set XDG_RUNTIME_DIR or TMPDIR to a folder of your own.",
        )
