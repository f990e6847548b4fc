"""The page of a comparison: HTML that needs nothing but itself, every value escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from importlib.resources import files
from typing import Any


def page(document: Mapping[str, Any]) -> str:
    """The page of `Comparison.as_dict()`."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": _number, "share": _share, "versions": _versions}
    template = environment.from_string((files("ddcrm.warehouse") / "compare.html.j2").read_text("utf-8"))
    return template.render(document, matrices=_matrices(document["migration"]))


def _number(value: Any) -> str:
    """With thousands separated; a dash where there is none."""
    if value is None:
        return "-"
    return f"{Decimal(value):,}" if isinstance(value, str) else f"{value:,}"


def _share(part: Any, whole: Any) -> str:
    return f"{float(Decimal(part) / abs(Decimal(whole))):.1%}" if Decimal(whole or 0) else "-"


def _versions(value: Any) -> str:
    """Versions as one line of text."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_versions(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_versions(item) for item in value)
    return "-" if value is None else str(value)


def _matrices(cells: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """For each scheme: the segments before as rows, those after as columns, and the customers of each cell."""
    found: dict[str, dict[str, Any]] = {}
    for cell in cells:
        matrix = found.setdefault(cell["scheme"], {"from": set(), "to": set(), "cells": {}})
        matrix["from"].add(cell["from"])
        matrix["to"].add(cell["to"])
        matrix["cells"][cell["from"], cell["to"]] = cell["customers"]
    return {scheme: {**m, "from": sorted(m["from"]), "to": sorted(m["to"])} for scheme, m in found.items()}
