"""What a result depends on besides its data: the code and the libraries, as short digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ddcrm

MODEL_CODE = (
    "models",
    "features",
    "lake/asof.py",
    "pipeline/train.py",
    "scoring/value.py",
    "scoring/forecast.py",
    "scoring/heuristics.py",
    "scoring/intervals.py",
    "scoring/models.py",
    "training/fit.py",
    "training/segments.py",
    "training/metrics.py",
    "training/methods.py",
    "training/choose.py",
    "training/backtest.py",
    "training/champion.py",
    "training/intervals.py",
    "training/regressions.py",
)
SCORE_CODE = (
    "models",
    "features",
    "scoring",
    "lake/asof.py",
    "pipeline/score.py",
    "pipeline/day.py",
    "pipeline/staged.py",
)
LIBRARIES = ("numpy", "scipy", "scikit-learn", "skops", "duckdb", "ibis-framework", "pandas", "pyarrow")


def digest_of(value: Any) -> str:
    """sha256, as hex, of a value that JSON can hold; days and paths stand for their text."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def library_versions(names: Iterable[str] = LIBRARIES) -> dict[str, str]:
    """The installed versions of the libraries."""
    return {name: _version(name) for name in names}


@cache  # each look reads files, and no process changes what it has imported
def _version(name: str) -> str:
    return version(name)


def code_digest(parts: Iterable[str]) -> str:
    """sha256 of the package's source files below the given paths, which are relative to `ddcrm`."""
    root = Path(ddcrm.__file__).parent
    files = {file for part in parts for file in _sources(root / part)}
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.relative_to(root).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def model_fingerprint() -> str:
    """Digest of the code and the libraries that a fit depends on."""
    return digest_of({"code": code_digest(MODEL_CODE), "libraries": library_versions()})


def score_fingerprint() -> str:
    """Digest of all that scores depend on besides data, models and settings."""
    return digest_of({"code": code_digest(SCORE_CODE), "libraries": library_versions()})


def model_version(as_of: object, card: Mapping[str, Any]) -> str:
    """<as_of>-<10 hex digits>: the same data, settings, predecessor and code give the same version."""
    known = {name: card.get(name) for name in ("data_digest", "settings", "follows", "code")}
    return f"{as_of}-{digest_of(known)[:10]}"


def _sources(path: Path) -> Iterable[Path]:
    if not path.exists():
        raise FileNotFoundError(path)
    return [path] if path.is_file() else path.rglob("*.py")
