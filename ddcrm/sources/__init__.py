"""Sources: what a contract's server holds for a range of days, as batches of text (docs/sources.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ddcrm.sources.open import open_source
    from ddcrm.sources.part import Part, translate_errors

__all__ = ["Part", "open_source", "translate_errors"]

_HOMES = {"open_source": "open", "Part": "part", "translate_errors": "part"}


def __getattr__(name: str) -> Any:
    """Import what is asked for only then, so that importing the package costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
