"""Contracts: what arrives from each source, and under which names and types it is kept (docs/contracts.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ddcrm.contracts.choose import Contracts
    from ddcrm.contracts.formats import to_strptime
    from ddcrm.contracts.load import contract_files, load_contract, load_contracts, load_source
    from ddcrm.contracts.model import Contract

__all__ = [
    "Contract", "Contracts", "contract_files", "load_contract", "load_contracts", "load_source", "to_strptime",
]  # fmt: skip

_HOMES = {"Contract": "model", "Contracts": "choose", "to_strptime": "formats"}


def __getattr__(name: str) -> Any:
    """Import what is asked for only then, so that importing the package costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'load')}"), name)
