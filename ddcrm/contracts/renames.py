"""Which column that appeared is the one that is gone? Judged by names, readability and earlier values. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from math import log2
from typing import Any

from ddcrm.contracts.units import factor_of
from ddcrm.settings import ChangeSettings

LEAST = 0.45  # a pair with a lower score is none
_READABLE = 0.9
_FEW = 5  # distinct values: what has no more shares them with many a column
_ALIKE = 0.5  # names from here on speak for a rename though values don't
_APART = 0.1  # scores that differ by less don't decide between two columns
_NUMBERS_APART = 0.65  # the same for numbers, by `_fit`


@dataclass(frozen=True)
class Likeness:
    """How far a column that appeared (`added`) is like one that is gone (`missing`); shares are of its values.

    `readable` as the missing column's type; `known` among its earlier values (`distinct` of them were looked at);
    `shaped` like one of them (digits and letters alike); `ratio` of the medians of numbers.
    """

    missing: str
    added: str
    readable: float
    known: float | None = None
    distinct: int = 0
    shaped: float | None = None
    ratio: float | None = None
    flipped: bool = False  # did the digits behind the point go as the numbers grew, or come as they shrank?
    typed: bool = False  # is the missing column a number or a time, so that being readable says something?

    def facts(self, limits: ChangeSettings) -> dict[str, Any]:
        """The evidence, ready for JSON: shares and a ratio, no values."""
        shares = {"readable": self.readable, "known_values": self.known, "known_shapes": self.shaped,
                  "name": names_alike(self.missing, self.added), "score": score(self, limits)}  # fmt: skip
        found = {name: round(share, 3) for name, share in shares.items() if share is not None}
        if self.ratio is not None:
            found["ratio"] = float(f"{self.ratio:.4g}")
            factor = factor_of(self.ratio, self.flipped, limits)
            found |= {"factor": factor} if factor else {}
        return found


def score(like: Likeness, limits: ChangeSettings) -> float:
    """0 (nothing alike) to 1."""
    if like.readable < _READABLE:
        return 0.0
    name = names_alike(like.missing, like.added)
    values = [share * weight for share, weight in ((like.known, 1.0 if like.distinct > _FEW else 0.6),
                                                   (like.shaped, 0.7)) if share is not None]  # fmt: skip
    if like.ratio is not None:
        near = _same_size(like.ratio) or factor_of(like.ratio, like.flipped, limits) is not None
        values = [0.9 if near else 0.1 * max(values, default=0)]
    return 0.4 * name + 0.6 * max(values) if values else name


@dataclass(frozen=True)
class Matching:
    """The pairs that are taken for renames, and the missing columns of which it can't be told what they are called now.

    `unclear`: by missing column, the pairs with what it may be; a column that appeared may stand with several.
    """

    renamed: tuple[Likeness, ...]
    unclear: Mapping[str, tuple[Likeness, ...]]


def matched(likes: Iterable[Likeness], limits: ChangeSettings) -> Matching:
    """The best pairs first, each column once; what another pairing fits about as well is unclear.

    A number or a time that is left over goes to the one column that can be read as such, if there is only one: a small
    batch says little of values. Where it says enough, and neither values nor names are alike, that is unclear as well.
    """
    ordered = sorted(likes, key=lambda like: (-score(like, limits), like.missing, like.added))
    plausible = [like for like in ordered if score(like, limits) >= LEAST or _by_name(like)]
    chosen = _chosen([like for like in plausible if score(like, limits) >= LEAST], plausible, limits)
    unclear = _unclear(plausible, chosen, limits)
    doubted = {like.added for pairs in unclear.values() for like in pairs}
    renamed = [like for like in chosen if like.missing not in unclear]
    left = [like for like in ordered if _free(like, chosen) and like.added not in doubted]
    for like in _only_ones(left):
        if _against(like, limits):
            unclear[like.missing] = (like,)
        else:
            renamed.append(like)
    return Matching(tuple(renamed), unclear)


def _chosen(good: Sequence[Likeness], plausible: Sequence[Likeness], limits: ChangeSettings) -> list[Likeness]:
    """The best pairs first, each column once; then others in their place where these are clearly better."""
    chosen: list[Likeness] = []
    for like in good:
        if _free(like, chosen):
            chosen.append(like)
    for _ in good:
        better = [(one, two) for one, two in _ways(chosen, plausible) if _lead(one, two, limits) <= -1]
        if better:
            one, two = better[0]
            chosen = [like for like in chosen if like not in one] + two
    return chosen


def _only_ones(left: Sequence[Likeness]) -> list[Likeness]:
    """Of numbers and times that are left over those that one column alone can be, and no other of them."""
    readable = [like for like in left if like.readable >= _READABLE]
    return [like for like in readable if like.typed and not any(
        other != like and (other.missing == like.missing or (other.typed and other.added == like.added))
        for other in readable)]  # fmt: skip


def _against(like: Likeness, limits: ChangeSettings) -> bool:
    """Whether there are enough values to say that it is another number."""
    return like.ratio is not None and like.distinct >= limits.min_values and not _by_name(like)


def _by_name(like: Likeness) -> bool:
    """Whether its name speaks for a number, whatever its size is."""
    number = like.ratio is not None and like.readable >= _READABLE
    return number and names_alike(like.missing, like.added) >= _ALIKE


def _unclear(
    plausible: Sequence[Likeness], chosen: Sequence[Likeness], limits: ChangeSettings
) -> dict[str, tuple[Likeness, ...]]:
    """The missing columns whose pair has a near rival, with all that they may be."""
    found: dict[str, dict[str, Likeness]] = {}
    for one, two in _ways(chosen, plausible):
        for pair in (*one, *two) if _lead(one, two, limits) < 1 else ():
            found.setdefault(pair.missing, {})[pair.added] = pair
    return {missing: tuple(pairs.values()) for missing, pairs in found.items()}


def _ways(chosen: Sequence[Likeness], plausible: Sequence[Likeness]) -> Iterator[tuple[list[Likeness], list[Likeness]]]:
    """Pairs as they were chosen, and others for the same columns."""
    for like in chosen:
        for rival in plausible:
            if rival not in chosen and (rival.missing == like.missing or rival.added == like.added):
                yield from _two_ways(like, rival, chosen, plausible)


def _two_ways(
    like: Likeness, rival: Likeness, chosen: Sequence[Likeness], plausible: Sequence[Likeness]
) -> Iterator[tuple[list[Likeness], list[Likeness]]]:
    """The pair and its rival; nothing where a column would be left without a pair."""
    moved = [each for each in chosen
             if each != like and (each.missing == rival.missing or each.added == rival.added)]  # fmt: skip
    missing = {each.missing for each in (like, *moved)} - {rival.missing}
    added = {each.added for each in (like, *moved)} - {rival.added}
    swapped = [each for each in plausible if each.missing in missing and each.added in added]
    if not moved or swapped:
        yield [like, *moved], [rival, *(swapped if moved else ())]


def _lead(one: Sequence[Likeness], two: Sequence[Likeness], limits: ChangeSettings) -> float:
    """By how much the first pairs are better than the second ones: from 1 on clearly, down to -1 clearly worse."""
    if all(like.ratio is not None for like in (*one, *two)):
        return (sum(_fit(like, limits) for like in one) - sum(_fit(like, limits) for like in two)) / _NUMBERS_APART
    return (sum(score(like, limits) for like in one) - sum(score(like, limits) for like in two)) / _APART


def _fit(like: Likeness, limits: ChangeSettings) -> float:
    """How well numbers fit: by exact values, by size in their unit, by name, which says little of amounts."""
    ratio = like.ratio or 1.0
    unit = 1.0 if _same_size(ratio) else factor_of(ratio, like.flipped, limits) or 1.0
    return (like.known or 0.0) - min(1.0, abs(log2(ratio / unit))) + 0.6 * names_alike(like.missing, like.added)


def _same_size(ratio: float) -> bool:
    return 0.5 <= ratio <= 2


def _free(like: Likeness, chosen: Iterable[Likeness]) -> bool:
    return all(like.missing != other.missing and like.added != other.added for other in chosen)


def names_alike(one: str, two: str) -> float:
    """0 to 1: how far two names are alike, by letters and by words."""
    left, right = _words(one), _words(two)
    letters = SequenceMatcher(None, "".join(left), "".join(right)).ratio()
    shared = len(set(left) & set(right)) / max(1, min(len(set(left)), len(set(right))))
    return max(letters, 0.8 * shared)


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)]
