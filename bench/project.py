"""The benchmark's project: settings, contract and suites beside the orders, in a folder below build/."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHOP = Path(__file__).parent / "shop"
BUILD = ROOT / "build" / "bench"


def make_project(customers: int, scale: bool = False) -> Path:
    """The folder of a shop of this size, with the files of `bench/shop`, the published tables' suites and no state.

    scale: with all schemes of segments.
    """
    folder = BUILD / (f"scale-{customers}" if scale else str(customers))
    shutil.rmtree(folder / "state", ignore_errors=True)
    shutil.copytree(SHOP, folder, dirs_exist_ok=True)
    for suite in (ROOT / "expectations").glob("crm_*.json"):
        shutil.copy(suite, folder / "expectations")
    if scale:
        text = (folder / "ddcrm.toml").read_text("utf-8")
        (folder / "ddcrm.toml").write_text(text.partition("[segments]")[0], "utf-8")
    return folder


def orders_folder(project: Path) -> Path:
    """Where the contract finds the orders: a folder a day."""
    return project / "sources" / "orders"
