"""The demo company: a shop whose systems are made by seed, with the truth about its customers beside them.

`make` writes the source systems, `load_shop_database` fills the shop's database, `ddcrm.demo.serve` answers for the
help desk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ddcrm.demo.company import make
    from ddcrm.demo.shop import load_shop_database

__all__ = ["load_shop_database", "make"]

_HOMES = {"make": "ddcrm.demo.company", "load_shop_database": "ddcrm.demo.shop"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
