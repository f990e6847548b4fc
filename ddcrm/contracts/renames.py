"""Which column that appeared is the one that is gone? Judged by names, readability and earlier values. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from ddcrm.contracts.units import factor_of
from ddcrm.settings import ChangeSettings

LEAST = 0.45  # a pair with a lower score is none
_READABLE = 0.9
_FEW = 5  # distinct values: what has no more shares them with many a column


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
        near = 0.5 <= like.ratio <= 2 or factor_of(like.ratio, like.flipped, limits) is not None
        values = [0.9 if near else 0.1 * max(values, default=0)]
    return 0.4 * name + 0.6 * max(values) if values else name


def matched(likes: Iterable[Likeness], limits: ChangeSettings) -> list[Likeness]:
    """The pairs that are taken for renames: the best first, each column once.

    A number or a time that is left over goes to the one column that can be read as such, if there is only one: a small
    batch says little of values.
    """
    ordered = sorted(likes, key=lambda like: (-score(like, limits), like.missing, like.added))
    chosen: list[Likeness] = []
    for like in ordered:
        if score(like, limits) >= LEAST and _free(like, chosen):
            chosen.append(like)
    for like in [like for like in ordered if like.typed and like.readable >= _READABLE and _free(like, chosen)]:
        rivals = [other for other in ordered if other.readable >= _READABLE and _free(other, chosen)
                  and (other.missing == like.missing or (other.typed and other.added == like.added))]  # fmt: skip
        if rivals == [like]:
            chosen.append(like)
    return chosen


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
