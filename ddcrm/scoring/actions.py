"""What to do about a segment: texts from `actions.toml`, which a project overrides in its `segment_actions.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from ddcrm.errors import SettingsError
from ddcrm.models.cluster_names import NEUTRAL, WORDS
from ddcrm.scoring.schemes import SCHEMES

PROJECT_FILE = "segment_actions.toml"


@dataclass(frozen=True)
class Actions:
    """The texts by scheme and segment; a scheme's `default` stands for segments that are not named."""

    texts: Mapping[str, Mapping[str, str]]

    def of(self, scheme: str, segment: str) -> str | None:
        """The action for a segment: its own, else that of the longest part of its name, else the default.

        Names of k-means segments are traits set apart by commas, such as "lapsed, high spend"; an entry fits if it
        names some of them, and the one that names most comes first.
        """
        texts = self.texts.get(scheme, {})
        if segment in texts:
            return texts[segment]
        traits = _traits(segment)
        fitting = [name for name in texts if _traits(name) <= traits]
        return texts[max(fitting, key=lambda name: len(_traits(name)))] if fitting else texts.get("default")


def parse_actions(*documents: tuple[str, str]) -> Actions:
    """The actions of TOML documents, each as (name, text), later ones over earlier ones.

    Raises SettingsError naming the document for what is not TOML, a scheme or a segment that there is not, or a text
    that is none.
    """
    texts: dict[str, dict[str, str]] = {scheme: {} for scheme in SCHEMES}
    for name, document in documents:
        for scheme, entries in _parsed(name, document).items():
            texts[scheme] |= entries
    return Actions(texts)


def read_actions(project_dir: Path) -> Actions:
    """The packaged actions, and over them those of the project's segment_actions.toml if it has one."""
    documents = [("actions.toml", files("ddcrm.scoring").joinpath("actions.toml").read_text("utf-8"))]
    own = project_dir / PROJECT_FILE
    try:
        documents += [(str(own), own.read_text("utf-8"))] if own.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{own} can't be read: {error}") from error
    return parse_actions(*documents)


def _parsed(name: str, document: str) -> dict[str, dict[str, str]]:
    try:
        schemes: dict[str, Any] = tomllib.loads(document)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name} is not valid TOML: {error}") from error
    for scheme, entries in schemes.items():
        if scheme not in SCHEMES:
            raise SettingsError(f"{name} has an unknown scheme {scheme!r}", hint=f"Schemes: {', '.join(SCHEMES)}.")
        wrong = (
            [key for key, text in entries.items() if not isinstance(text, str)] if isinstance(entries, dict) else ["*"]
        )
        if wrong:
            raise SettingsError(f"{name}: [{scheme}] {wrong[0]} must be a text", hint='Write "segment" = "what to do".')
        _check_segments(name, scheme, entries)
    return schemes


def _check_segments(name: str, scheme: str, entries: Mapping[str, str]) -> None:
    """Every entry must be able to fit a segment: one of the scheme's own, or of the traits that name clusters."""
    names = SCHEMES[scheme].names
    for segment in entries:
        known = segment in names if names else _traits(segment) <= _TRAITS or (scheme, segment) == _UNUSUAL
        if segment != "default" and not known:
            choice = f"Segments: {', '.join(names)}." if names else f"Traits: {', '.join(sorted(_TRAITS))}."
            raise SettingsError(f"{name}: [{scheme}] has no segment {segment!r}", hint=choice)


_TRAITS = frozenset(word for pair in WORDS.values() for word in pair) | {NEUTRAL}
_UNUSUAL = ("density", "unusual")


def _traits(name: str) -> frozenset[str]:
    """The traits of a segment's name, without the number that tells two of one name apart."""
    return frozenset(part.strip().rstrip("0123456789").strip() for part in name.split(","))
