"""Readable names for clusters, from what is typical of their centroids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Traits = tuple[tuple[str, bool], ...]
"""Columns that are typical of a cluster, each with whether it is above (True) or below the population's mean."""

WORDS: dict[str, tuple[str, str]] = {
    "recency_days": ("recent", "lapsed"),
    "frequency": ("seldom", "frequent"),
    "monetary_value": ("low spend", "high spend"),
    "tenure_days": ("new", "long-standing"),
}
"""For a column the words for values below and above the mean; other columns are called low and high."""

NEUTRAL = "average"

_TYPICAL = 0.5  # standard deviations from the mean from which a trait is worth a word
_STILL = 0.25  # a word once given stays while its trait is at least this strong
_STILL_NEUTRAL = 0.75  # and "average" stays while no trait is stronger than this
_WORDS_AT_FIRST = 2


class ClusterName(NamedTuple):
    """A name, and the traits that it says in words."""

    text: str
    traits: Traits


def name_clusters(
    centers: Floats, columns: Sequence[str], before: Sequence[ClusterName | None] | None = None
) -> list[ClusterName]:
    """A unique name for each cluster, from the z-scores of the centroids, shape (k, number of columns).

    A name says the two strongest traits of at least half a standard deviation, and more where that is needed to tell
    two clusters apart; where traits can't, a number does, in the order of the centroids. `before` holds the name that
    each cluster had: it stays while each of its traits still points the same way by a quarter of a standard deviation.
    """
    before = before or [None] * len(centers)
    kept = [name if name and _holds(name.traits, z, columns) else None for name, z in zip(before, centers, strict=True)]
    new = [i for i, name in enumerate(kept) if name is None]
    traits = _tell_apart([_ranked(centers[i], columns) for i in new], {name.traits for name in kept if name}, columns)
    texts = _number([_words(trait) for trait in traits], centers[new], {name.text for name in kept if name})
    fresh = dict(zip(new, map(ClusterName, texts, traits), strict=True))
    return [fresh[i] if name is None else name for i, name in enumerate(kept)]


def _ranked(z: Floats, columns: Sequence[str]) -> Traits:
    order = sorted(range(len(columns)), key=lambda i: (-abs(z[i]), i))
    return tuple((columns[i], bool(z[i] > 0)) for i in order if abs(z[i]) >= _TYPICAL)


def _holds(traits: Traits, z: Floats, columns: Sequence[str]) -> bool:
    if not traits:
        return bool(np.abs(z).max() < _STILL_NEUTRAL)
    strength = dict(zip(columns, z, strict=True))
    return all((strength[name] if above else -strength[name]) >= _STILL for name, above in traits)


def _tell_apart(ranked: list[Traits], taken: set[Traits], columns: Sequence[str]) -> list[Traits]:
    """As few traits for each cluster as distinguish it, in the order of the columns."""

    def first(trait: Traits, length: int) -> Traits:
        return tuple(sorted(trait[:length], key=lambda pair: list(columns).index(pair[0])))

    traits = [first(trait, _WORDS_AT_FIRST) for trait in ranked]
    for length in range(_WORDS_AT_FIRST + 1, len(columns) + 1):
        clashing = [i for i, trait in enumerate(traits) if traits.count(trait) > 1 or trait in taken]
        for i in clashing:
            traits[i] = first(ranked[i], length)
    return traits


def _words(traits: Traits) -> str:
    return ", ".join(_word(column, above) for column, above in traits) or NEUTRAL


def _word(column: str, above: bool) -> str:
    return WORDS[column][above] if column in WORDS else f"{'high' if above else 'low'} {column}"


def _number(texts: list[str], centers: Floats, taken: set[str]) -> list[str]:
    """Texts that stand alone as they are, the others with the lowest free number, by the order of the centroids."""
    unique, used = list(texts), set(taken)
    for i in sorted(range(len(texts)), key=lambda i: tuple(centers[i])):
        if texts.count(texts[i]) > 1 or texts[i] in taken:
            numbers = range(2 if texts[i] in taken else 1, len(texts) + len(used) + 3)
            unique[i] = next(text for n in numbers if (text := f"{texts[i]} {n}") not in used)
        used.add(unique[i])
    return unique
