"""What a card's back-test says, in words; it needs none of what made it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def sentence(found: Mapping[str, Any]) -> str:
    """Who speaks, and why; found: the back-test of a card."""
    return f"{found['champion']} speaks of value: {found['reason']}; P(alive) by {found['alive'] or 'nobody'}"


def silent(found: Mapping[str, Any]) -> dict[str, list[str]]:
    """The methods that may not speak, by reason."""
    reasons: dict[str, list[str]] = {}
    for name, one in found["methods"].items():
        if why := one.get("failed") or found["barred"].get(name):
            reasons.setdefault(why, []).append(name)
    return reasons


def silence(found: Mapping[str, Any]) -> list[str]:
    """The same as sentences."""
    return [f"{', '.join(names)} may not speak: {why}" for why, names in silent(found).items()]
