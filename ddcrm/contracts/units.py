"""Has a column's unit changed? Told by the size of its values against that of earlier batches. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from ddcrm.contracts.change import Change
from ddcrm.settings import ChangeSettings

_SAME = 2.0  # quartiles that move by the same factor, up to this one
_LOOSE = 4.0  # the same, where the digits behind the point say that it is a unit
_HALFWAY = 10**0.5
_STEADY = 3.0  # most earlier medians are at most this factor away from the usual one
_MOST = 0.8  # of the earlier values
_WHOLE = 0.9  # from this share of whole numbers on, a column is one of whole numbers


@dataclass(frozen=True)
class Profile:
    """One column of one batch: `filled` of `rows` have a value, `values` one other than zero.

    Quartiles are those of the magnitudes of these values; `whole` of them are whole numbers. Columns that are no
    numbers have none.
    """

    rows: int
    filled: int
    values: int = 0
    quartiles: tuple[float, float, float] | None = None
    whole: int = 0


def unit_change(column: str, now: Profile, before: Sequence[Profile], limits: ChangeSettings) -> Change | None:
    """unit_changed or distribution_shifted where the values' size has jumped; None else, or with too little to judge.

    `before` are the profiles of earlier batches. A unit changes all quartiles by one factor.
    """
    known = [profile for profile in before if profile.quartiles]
    enough = sum(profile.values for profile in known) >= limits.min_values
    if now.quartiles is None or now.values < limits.min_values or len(known) < limits.min_batches or not enough:
        return None
    usual = [_weighted_median([(each.quartiles[place], each.values) for each in known if each.quartiles])
             for place in range(3)]  # fmt: skip
    ratios = [new / old for new, old in zip(now.quartiles, usual, strict=True)]
    fractions = _fractions(now, known, ratios[1])
    flipped = fractions == ("gone" if ratios[1] > 1 else "new")
    factor = factor_of(ratios[1], flipped, limits)
    jumped = not 1 / limits.shift_factor < ratios[1] < limits.shift_factor or (flipped and factor is not None)
    if not jumped or not _one_factor(ratios, _LOOSE if flipped else _SAME):
        return None
    facts = {"ratio": _rounded(ratios[1]), "median_before": _rounded(usual[1]),
             "median_now": _rounded(now.quartiles[1]), "values": now.values}  # fmt: skip
    if factor is None or not (flipped or _steady(known, usual[1])):
        return Change("distribution_shifted", column, facts)
    return Change("unit_changed", column, {"factor": factor, **facts, "fractions": fractions,
                                           "certain": fractions != "still there"})  # fmt: skip


def factor_of(ratio: float, flipped: bool, limits: ChangeSettings) -> float | None:
    """The factor between units that a ratio of medians stands for, None where it stands for none.

    Medians of small batches vary. Where the digits behind the point came or went with the size (`flipped`), the nearest
    factor is meant, up to halfway to the next one; else the ratio must be near.
    """
    near = known_factor(ratio, limits)
    if near is not None or not flipped or ratio <= 0:
        return near
    factors = [factor for each in limits.unit_factors for factor in (each, 1 / each)]
    best = min(factors, key=lambda factor: abs(log(ratio / factor)))
    return best if _near(ratio, best, _HALFWAY) else None


def known_factor(ratio: float, limits: ChangeSettings) -> float | None:
    """The factor between units that a ratio is near to, None where it is near to none: 97 is 100, 0.011 is 0.01."""
    factors = [*limits.unit_factors, *(1 / factor for factor in limits.unit_factors)]
    return next((factor for factor in factors if _near(ratio, factor, 1 + limits.unit_tolerance)), None)


def _steady(before: Sequence[Profile], usual: float) -> bool:
    near = sum(each.values for each in before if each.quartiles and _near(each.quartiles[1], usual, _STEADY))
    return near >= _MOST * sum(each.values for each in before)


def _one_factor(ratios: Sequence[float], within: float) -> bool:
    return all(_near(ratio, ratios[1], within) for ratio in ratios)


def _near(value: float, other: float, factor: float) -> bool:
    return value > 0 and other > 0 and abs(log(value / other)) <= log(factor)


def _fractions(now: Profile, before: Sequence[Profile], ratio: float) -> str:
    """What became of the digits behind the point: in a smaller unit they go, in a larger one they come."""
    after = now.whole / now.values >= _WHOLE
    earlier = sum(each.whole for each in before) / sum(each.values for each in before) >= _WHOLE
    if ratio > 1 and not after:
        return "still there"
    if after == earlier:
        return "as before"
    return "gone" if after else "new"


def _weighted_median(pairs: Sequence[tuple[float, int]]) -> float:
    """Batches count by their values, so that tiny days don't."""
    total, reached = sum(weight for _, weight in pairs), 0
    for value, weight in sorted(pairs):
        reached += weight
        if 2 * reached >= total:
            return value
    raise ValueError("no values")


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
