"""The compose file as values, with variables put in as docker-compose does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
FILE = REPOSITORY / "docker-compose.yaml"
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>(?:[^}])*))?\}")


def services(variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The services; without variables the text stays as it is."""
    text = FILE.read_text("utf-8")
    return yaml.safe_load(substituted(text, variables) if variables is not None else text)["services"]


def required() -> set[str]:
    """The variables without which docker-compose refuses."""
    return {found["name"] for found in VARIABLE.finditer(FILE.read_text("utf-8")) if found["kind"] == "?"}


def substituted(text: str, variables: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found["name"] in variables:
            return variables[found["name"]]
        if found["kind"] == "-":
            return found["rest"]
        raise KeyError(found["name"])

    return VARIABLE.sub(value, text)
