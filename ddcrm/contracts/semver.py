"""Semantic versions: are they written well, and which is newer (https://semver.org)."""

from __future__ import annotations

import re

_NUMBER = r"(?:0|[1-9]\d*)"
_PRE = rf"(?:{_NUMBER}|\d*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_PRE}(?:\.{_PRE})*))?(?:\+[0-9A-Za-z.-]+)?")

Rank = tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]


def is_version(text: str) -> bool:
    """Whether the text is a semantic version."""
    return _VERSION.fullmatch(text) is not None


def rank(version: str) -> Rank:
    """What to sort versions by; a pre-release comes before its release. Raises ValueError for what is no version.

    >>> rank("1.10.0") > rank("1.9.0") > rank("1.9.0-rc.1")
    True
    """
    match = _VERSION.fullmatch(version)
    if match is None:
        raise ValueError(f"{version!r} is not a semantic version")
    parts = match[4].split(".") if match[4] else []
    pre = tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)
    return int(match[1]), int(match[2]), int(match[3]), not pre, pre


def raised(version: str, part: int) -> str:
    """The next version: `part` 0 raises the first number, 1 the second, 2 the third.

    >>> raised("1.4.2", 1)
    '1.5.0'
    """
    numbers = list(rank(version)[:3])
    numbers[part] += 1
    return ".".join(map(str, [*numbers[: part + 1], *([0] * (2 - part))]))
